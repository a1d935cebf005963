//! What a node says to another one directly, outside every table; and all that may travel between
//! two nodes.

use std::sync::Arc;

use crate::ids::{Life, ShardId, Version, ViewId};
use crate::machine::Place;
use crate::row::{Frames, MemberGuard, MemberRow, ShardRow};
use crate::view::{Duty, View};

/// What one node writes into another's memory, or says to it. Between two nodes writes arrive in
/// the order in which they were made, or the link breaks.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub enum Write {
    /// The data of the writer's membership row.
    Member(Arc<MemberRow>),
    /// Its guard.
    Guard(MemberGuard),
    /// A stretch of the writer's ring; the bytes of the updates travel with it, before it.
    Frames(Arc<Frames>),
    /// The writer's row in a shard's table, which is the guard of its ring.
    Shard(Arc<ShardRow>),
    /// A word outside the tables.
    Message(Message),
}

/// A word outside the tables. Each may be lost with a link; whoever needs an answer asks again.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub enum Message {
    /// Asks to become a member, in the life of the link.
    Join {
        /// What for.
        duty: Duty,
    },
    /// This view was decided, and it is the latest that the sender knows.
    Decided(Arc<View>),
    /// Asks for what follows in a shard.
    Fetch(Fetch),
    /// Answers that, with the bytes beside it.
    Piece(Piece),
}

/// A learner's question: what comes next?
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Fetch {
    /// The shard.
    pub shard: ShardId,
    /// The last update in the learner's log.
    pub have: Version,
    /// A snapshot whose first parts the learner has.
    pub resume: Option<Resume>,
}

/// Where a transfer of a snapshot stands.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Resume {
    /// The snapshot's last update.
    pub at: Version,
    /// The next chunk that is wanted, from 0.
    pub chunk: u32,
}

/// A donor's answer.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct Piece {
    /// The shard.
    pub shard: ShardId,
    /// The starts of the shard's epochs that the donor remembers, ascending: where logs may part.
    pub line: Arc<Vec<Start>>,
    /// What it is.
    pub part: Part,
}

/// The beginning of an epoch on a shard's agreed history.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Start {
    /// The epoch.
    pub since: ViewId,
    /// The last update before it.
    pub through: Version,
}

/// A part of what a learner lacks.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Part {
    /// The learner's log left the agreed history: everything after this is to be cut off.
    Back {
        /// The last update that is agreed.
        to: Version,
    },
    /// A chunk of a snapshot.
    Chunk {
        /// The snapshot's last update and its time.
        at: Place,
        /// Which chunk, from 0.
        chunk: u32,
        /// Whether it is the last one.
        last: bool,
    },
    /// The updates after one and up to another; the same place twice if there are none.
    Tail {
        /// What the learner has.
        after: Version,
        /// What it has with this.
        through: Place,
        /// What the donor had delivered when it answered.
        delivered: Version,
    },
}

/// Which copy of a node a link leads to.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Peer {
    /// Who.
    pub node: crate::ids::NodeId,
    /// In which life.
    pub life: Life,
}
