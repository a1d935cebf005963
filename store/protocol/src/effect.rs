//! What a node does: the only way out. Effects are carried out in their order.

use std::sync::Arc;

use crate::ids::{Life, NodeId, ShardId, Version, ViewId};
use crate::machine::Place;
use crate::message::{Fetch, Peer, Piece, Start, Write};
use crate::row::{Ballot, Proposal};
use crate::rpc::{RequestId, Resolved};
use crate::view::View;

/// What has to be done.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Effect {
    /// Write to a peer. Two writes to the same peer keep their order. Where there is no link, it is
    /// dropped: what matters is written again when the link comes up.
    Write {
        /// To whom, in whatever life it is linked.
        to: NodeId,
        /// What. Frames carry the bytes of their updates with them.
        write: Write,
    },
    /// Put this on the disk, then say [`crate::event::Event::Recorded`]. The last one counts.
    Record {
        /// Rises with each.
        number: u64,
        /// What.
        durable: Arc<Durable>,
    },
    /// An epoch of a shard begins here. A log that is kept notes it.
    Begin {
        /// Which shard.
        shard: ShardId,
        /// The epoch and what it goes on from.
        start: Start,
    },
    /// Put the bytes of a send into our own ring.
    Place {
        /// Which call.
        request: RequestId,
        /// Which ring.
        slot: Slot,
    },
    /// Move the bytes of an update that the trim cut off into the ring of the next epoch.
    Carry {
        /// Which call.
        request: RequestId,
        /// Where they are.
        source: Slot,
        /// Where they go.
        target: Slot,
    },
    /// Append the update to the log, if the shard has one, and apply it.
    Deliver {
        /// Where it stands.
        place: Place,
        /// Whose it is.
        sender: NodeId,
        /// Where its bytes are, in the sender's ring.
        slot: Slot,
        /// The call, if it is our own.
        request: Option<RequestId>,
    },
    /// Hand out a telemetry update: in no order between senders, kept by nobody.
    Observe {
        /// Whose it is.
        sender: NodeId,
        /// Where its bytes are, in the sender's ring.
        slot: Slot,
    },
    /// Sync the log, then say [`crate::event::Event::Synced`].
    Sync {
        /// Which shard.
        shard: ShardId,
        /// At least up to here.
        through: Version,
    },
    /// Everything up to here is on all disks: what is read as of a time before it will not change.
    Stable {
        /// Which shard.
        shard: ShardId,
        /// The last such update, and its time.
        place: Place,
    },
    /// A call ended.
    Resolve(Resolved),
    /// A call was not begun: nothing was sent.
    Refuse {
        /// Which call.
        request: RequestId,
        /// Why.
        why: Refused,
    },
    /// A view was installed.
    Install {
        /// Which.
        view: Arc<View>,
    },
    /// Answer a learner with [`crate::message::Part::Tail`]: updates after `fetch.have`, as many as
    /// fit, up to `through`, which is also what was delivered. If that is `fetch.have` there are
    /// none, and the log need not hold that version: no time is known, and none is needed. A
    /// learner asks again when it hears nothing, so an answer that has not begun to be read is
    /// dropped when the next one to the same learner is asked for: one at a time, for each shard.
    SendTail {
        /// Whom.
        to: NodeId,
        /// What it asked.
        fetch: Fetch,
        /// The last update to send.
        through: Version,
        /// To be put into the answer.
        line: Arc<Vec<Start>>,
    },
    /// Answer a learner with [`crate::message::Part::Chunk`]: the chunk it wants of the snapshot it
    /// named, or, if that is gone, the first of the latest one. That one covers all that was
    /// trimmed and all before the first epoch of `line`; where there is none yet, it is made.
    /// Members that make a snapshot at the same version make the same, in the same chunks.
    SendChunk {
        /// Whom.
        to: NodeId,
        /// What it asked.
        fetch: Fetch,
        /// To be put into the answer.
        line: Arc<Vec<Start>>,
    },
    /// Store what came with this piece, then say [`crate::event::Event::Stored`], also if it could
    /// not be stored; sync it, then say [`crate::event::Event::Synced`]. A tail is stored only
    /// where the log ends at its `after`; anything but the wanted chunk ends a snapshot under way;
    /// going back to the beginning removes the checkpoint too. The line goes into the log as
    /// [`crate::journal::Journal::adopt`] does it.
    Store {
        /// Who sent it.
        from: Peer,
        /// What.
        piece: Piece,
    },
    /// Nobody holds this shard any more.
    Lose {
        /// Which shard.
        shard: ShardId,
    },
    /// The node takes no updates until it is in a view with a majority again.
    Stop {
        /// Why.
        why: Stopped,
    },
    /// The node is no longer a member. To come back it starts anew, in its next life.
    Leave,
}

/// A stretch of a ring.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Slot {
    /// Which shard.
    pub shard: ShardId,
    /// Which epoch of it.
    pub since: ViewId,
    /// The sender's number of the message.
    pub index: u64,
    /// Where in the sender's ring.
    pub offset: u32,
    /// How long.
    pub bytes: u32,
}

/// Why a call was not begun.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Refused {
    /// The shard's view is ending; it will do in the next one.
    Wedged,
    /// The window is full: too many bytes or messages are not delivered everywhere yet.
    Busy,
    /// The update does not fit the ring.
    TooLarge,
    /// This member does not send in the shard; another one does.
    NotSender,
    /// This node does not hold the shard, or not yet.
    NotHeld,
    /// The shard has fewer members than it must have to take updates.
    Inadequate,
    /// Nobody holds the shard.
    Lost,
    /// This node is not in a view that works.
    Stopped,
}

/// Why a node stopped.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Stopped {
    /// Those it can reach are not more than half of the view.
    Minority,
    /// Another member holds it to have failed.
    Suspected,
    /// It started again and its view has to be restarted.
    Restarted,
    /// It left, and stays only until the others have that on their disks, up to
    /// [`Effect::Leave`].
    Departed,
}

/// What a node has to remember across its lives: the last view it installed, and how far it went
/// in agreeing on the next one.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct Durable {
    /// The first life that this disk remembers. A member in an earlier life may have bound itself
    /// to things that are forgotten, so this node cannot speak for it.
    pub born: Life,
    /// The life that wrote it.
    pub life: Life,
    /// The last view; none for one that has not joined yet.
    pub view: Option<Arc<View>>,
    /// The highest ballot promised for its successor.
    pub promised: Option<Ballot>,
    /// The proposal of the highest ballot that was echoed.
    pub echo: Option<Arc<Proposal>>,
}

impl Durable {
    /// The record as a node with so many shards would have written it, see [`View::widened_to`].
    #[must_use]
    pub fn widened_to(&self, shards: u16) -> Self {
        let wide = |view: &Arc<View>| Arc::new(view.widened_to(shards));
        let echo = self
            .echo
            .as_ref()
            .map(|echo| Arc::new(Proposal { ballot: echo.ballot, view: wide(&echo.view) }));
        Self { view: self.view.as_ref().map(wide), echo, ..self.clone() }
    }
}
