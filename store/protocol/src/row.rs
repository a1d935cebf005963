//! What members tell each other about themselves: one row each in the table of the membership, and
//! one in the table of each shard they hold. Whoever owns a row is the only one who writes it.
//!
//! A row travels in two writes, data first and guard after it, and the data counts only once its
//! guard is there. Nothing in a row is ever taken back within a view or an epoch, so an old copy is
//! a lower bound of the truth and needs no lock.
//!
//! Source: Derecho's shared state table (Jha et al., TOCS 2019, §3.2); two tables instead of one,
//! so that only those who hold a shard carry its counters.

use std::sync::Arc;

use crate::ids::{Life, Rank, ShardId, Version, ViewId};
use crate::time::Hlc;
use crate::view::View;

/// Orders those who lead the same view to its end: by attempt, then by rank. Attempt 0 is led by
/// the lowest rank that is not suspected; later ones belong to a restart.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Ballot {
    /// Which attempt.
    pub attempt: u32,
    /// Whose ballot it is; nobody else proposes in it.
    pub rank: Rank,
}

/// A successor of the view, as the leader of a ballot proposes it.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct Proposal {
    /// In which ballot.
    pub ballot: Ballot,
    /// What would come after the view.
    pub view: Arc<View>,
}

/// A leader's request to end the view.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct Call {
    /// In which ballot.
    pub ballot: Ballot,
    /// The shards whose members will change, ascending: they are to be wedged.
    pub shards: Vec<ShardId>,
}

/// What somebody holds of a shard and will hold until the view ends.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Held {
    /// Which shard.
    pub shard: ShardId,
    /// Which epoch of it.
    pub since: ViewId,
    /// The leading slots of the epoch that are held in memory; 0 for what only a log holds.
    pub slots: u64,
    /// The last update held; the epoch's beginning where it holds no update of the epoch.
    pub last: Version,
    /// How it is held.
    pub how: Holding,
}

/// How somebody holds what it holds of a shard.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Holding {
    /// In memory without a gap, by a member of the epoch that has been ready.
    Ready,
    /// By a member of the epoch that has never been ready in it: so nothing was delivered in it.
    Unready,
    /// In its log alone, found there when it started.
    Log,
}

/// Says that somebody is close enough behind a shard's order to be taken into the shard.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Learned {
    /// Which shard.
    pub shard: ShardId,
    /// In which epoch of it.
    pub since: ViewId,
}

/// The data of a membership row.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct MemberRow {
    /// The view that this is about.
    pub view: ViewId,
    /// Whose row: in which life.
    pub life: Life,
    /// Rises with each change of the data.
    pub generation: u64,
    /// Who is held to have failed, a bit for each rank. Nobody is ever acquitted within a view.
    pub suspected: u64,
    /// Takes no more part in the view than to end it by a restart.
    pub stopped: bool,
    /// Wants to leave.
    pub leaving: bool,
    /// A leader's request.
    pub call: Option<Call>,
    /// What is wedged, ascending by shard; in a stopped row all that is held.
    pub held: Vec<Held>,
    /// Which shards it could be taken into, ascending.
    pub learned: Vec<Learned>,
    /// The highest ballot it has promised to prefer.
    pub promised: Option<Ballot>,
    /// What it proposes.
    pub proposal: Option<Arc<Proposal>>,
    /// The proposal of the highest ballot that it copied.
    pub echo: Option<Arc<Proposal>>,
}

/// The guard of a membership row: says which data is complete, and that its owner is alive.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct MemberGuard {
    /// As in the data.
    pub view: ViewId,
    /// As in the data.
    pub life: Life,
    /// The data that is complete.
    pub generation: u64,
    /// Moved by the thread that runs the protocol, so that a hung process is seen, not only a dead
    /// one.
    pub beat: u64,
}

/// One or more messages of a sender, as they stand in its ring.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Frame {
    /// The sender's number of the first of them, from 0.
    pub index: u64,
    /// What they are.
    pub content: Content,
}

/// What a frame stands for.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Content {
    /// One update.
    Update {
        /// Where its bytes begin in the sender's ring.
        offset: u32,
        /// How many they are; an update is contiguous.
        bytes: u32,
        /// The sender's time.
        time: Hlc,
    },
    /// Nothing to deliver, this many times, so that nobody waits for this sender.
    Nulls {
        /// How many; at least one.
        count: u32,
    },
}

impl Frame {
    /// The sender's number of the message after this frame.
    #[must_use]
    pub fn end(&self) -> u64 {
        match self.content {
            Content::Update { .. } => self.index + 1,
            Content::Nulls { count } => self.index + u64::from(count),
        }
    }
}

/// A stretch of a sender's ring: the data whose guard is [`ShardRow::sent`].
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct Frames {
    /// The shard.
    pub shard: ShardId,
    /// Its epoch.
    pub since: ViewId,
    /// Contiguous, ascending; at least one and at most [`crate::limits::FRAMES_MAX`].
    pub frames: Vec<Frame>,
}

/// A row in the table of a shard's epoch. It is a guard throughout; its data are the frames.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct ShardRow {
    /// The shard.
    pub shard: ShardId,
    /// Its epoch.
    pub since: ViewId,
    /// How many messages the owner has sent, nulls included. Frames below this are complete.
    pub sent: u64,
    /// How many messages it received from each sender, counted from the first without a gap.
    pub received: Vec<u64>,
    /// The leading slots that it has delivered, or passed over because they were null.
    pub delivered: u64,
    /// The last update that its disk holds, with all before it; never beyond what it delivered.
    pub persisted: Version,
    /// It holds everything that came before the epoch.
    pub ready: bool,
}
