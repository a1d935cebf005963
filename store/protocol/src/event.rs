//! What happens to a node: the only way in.

use crate::ids::{NodeId, ShardId, Version};
use crate::machine::Durability;
use crate::machine::Place;
use crate::message::{Peer, Resume, Write};
use crate::rpc::{Gather, RequestId};
use crate::time::Hlc;

/// What time it is. The group knows no other.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Now {
    /// Microseconds of a clock that never falls back; what time-outs are measured with.
    pub micros: u64,
    /// The wall clock, which may do anything; updates are stamped with it, nothing waits for it.
    pub wall: Hlc,
}

/// Something that happened.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Event {
    /// Time went by. To be told at least as often as [`crate::limits::Limits::heartbeat`].
    Tick,
    /// A write of a peer landed.
    Arrived {
        /// Whose.
        from: Peer,
        /// What.
        write: Write,
    },
    /// A link to a peer came up; what was written to it before may be lost.
    LinkUp {
        /// To whom.
        peer: Peer,
    },
    /// The link to a peer broke. It may come up again.
    LinkDown {
        /// To whom.
        peer: Peer,
    },
    /// There is evidence, from outside, that a member has failed.
    Suspect {
        /// Who.
        node: NodeId,
    },
    /// What [`crate::effect::Effect::Record`] asked for is on the disk, with all before it.
    Recorded {
        /// Which record.
        number: u64,
    },
    /// The log of a shard is on the disk up to here.
    Synced {
        /// Which shard.
        shard: ShardId,
        /// The last update.
        through: Version,
    },
    /// The log of a shard no longer holds what a checkpoint covers.
    Trimmed {
        /// Which shard.
        shard: ShardId,
        /// The last update that is only in the checkpoint.
        through: Version,
    },
    /// Somebody here wants to send an update. To a shard for telemetry it is sent and that is all:
    /// no answer comes but a refusal.
    Send {
        /// Names the call; rises.
        request: RequestId,
        /// To the members of which shard.
        shard: ShardId,
        /// How long it is.
        bytes: u32,
        /// How safe it has to be for the answer.
        level: Durability,
        /// Whose replies are waited for.
        gather: Gather,
    },
    /// Somebody here called another member directly.
    Called {
        /// Names the call; rises.
        request: RequestId,
        /// Whom.
        to: NodeId,
    },
    /// A member's reply to one of our calls is here.
    Replied {
        /// Which call.
        request: RequestId,
        /// Whose reply.
        from: NodeId,
    },
    /// A part of a transfer is in the log or beside it.
    Stored {
        /// Which shard.
        shard: ShardId,
        /// The last update in the log now, and its time.
        last: Place,
        /// A snapshot that is not complete yet.
        resume: Option<Resume>,
    },
    /// The operator wants this node to leave the group.
    Leave,
    /// The operator gives a lost shard up: it is to begin anew, empty, as everybody is told.
    Refound {
        /// Which shard.
        shard: ShardId,
    },
}
