//! What happens to a cluster: a shape, and faults at given times. A plan and its seed determine a
//! run to the last step, so a plan can be written down, cut down and run again.

mod generate;
mod text;

use notrace_store_protocol::layout::ShardSpec;
use notrace_store_protocol::limits::Limits;

pub use text::NotAPlan;

/// Microseconds of the world.
pub type Micros = u64;

/// A run, before it happens.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Plan {
    /// Where all chance comes from that the plan leaves open.
    pub seed: u64,
    /// The cluster and its load.
    pub shape: Shape,
    /// What befalls it, by time.
    pub faults: Vec<Fault>,
}

/// A cluster and what is asked of it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Shape {
    /// Nodes that form the group, the witness among them; the first one founds it.
    pub members: usize,
    /// Nodes that may join later.
    pub spares: usize,
    /// Whether the last of the members is a witness.
    pub witness: bool,
    /// The shards, the same for ever.
    pub shards: Vec<ShardSpec>,
    /// What each node is told to bear.
    pub limits: Limits,
    /// How long a write takes on a good link, at least and at most.
    pub delay: (Micros, Micros),
    /// How long a sync takes on a good disk, at least and at most.
    pub sync: (Micros, Micros),
    /// Closed-loop clients.
    pub clients: usize,
    /// How long a client thinks between two operations, at most.
    pub think: Micros,
    /// When everything is mended and the world is given time to recover.
    pub mended: Micros,
}

/// Something that befalls the world.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Fault {
    /// When.
    pub at: Micros,
    /// What.
    pub what: Action,
}

/// What becomes of a disk in a crash.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Loss {
    /// The process dies, the machine does not: all that was written is there.
    Kept,
    /// The power fails: of what was not synced some leading part is there.
    Torn,
    /// The disk is gone, and the node comes back as a stranger.
    Lost,
}

/// What an ambush waits for: the first time that somebody tells the others this.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Moment {
    /// A leader's call to end the view.
    Call,
    /// A leader's proposal.
    Propose,
    /// A copy of it.
    Echo,
    /// A view was installed.
    Install,
    /// A learner's question.
    Fetch,
    /// A learner is close enough to be taken in.
    Learned,
}

/// Whom an ambush is for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Victim {
    /// Who gave the occasion.
    Actor,
    /// The running node of the next number.
    Other,
    /// The first running member of the latest view.
    Leader,
    /// All that run.
    Everybody,
}

/// Something that can be done to the world. Nodes and shards go by number, nodes from 1.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Action {
    /// A node dies. Its peers' links break at once if it is `loud`, else after a while.
    Crash {
        /// Whom.
        node: usize,
        /// What its disk keeps.
        loss: Loss,
        /// Whether its peers are told by the death of their links.
        loud: bool,
    },
    /// A node that is down or has never been there starts.
    Start {
        /// Whom.
        node: usize,
    },
    /// A node stays down when all else is mended.
    Never {
        /// Whom.
        node: usize,
    },
    /// A node stands still; its clocks do not.
    Pause {
        /// Whom.
        node: usize,
    },
    /// It goes on.
    Resume {
        /// Whom.
        node: usize,
    },
    /// The link between two nodes breaks; what is under way is lost.
    Break {
        /// One end.
        one: usize,
        /// The other.
        other: usize,
    },
    /// Nothing passes from one node to another.
    Block {
        /// From whom.
        from: usize,
        /// To whom.
        to: usize,
    },
    /// It passes again.
    Unblock {
        /// From whom.
        from: usize,
        /// To whom.
        to: usize,
    },
    /// Nothing passes between the nodes of a set, a bit each, and the others.
    Split {
        /// The set.
        set: u64,
    },
    /// Everything passes.
    Heal,
    /// The links of a node take this many times as long.
    SlowLinks {
        /// Whose.
        node: usize,
        /// How many.
        times: u64,
    },
    /// The disk of a node takes this many times as long.
    SlowDisk {
        /// Whose.
        node: usize,
        /// How many.
        times: u64,
    },
    /// A node's wall clock jumps.
    Jump {
        /// Whose.
        node: usize,
        /// By how many microseconds.
        by: i64,
    },
    /// The operator wants a node to leave.
    Leave {
        /// Whom.
        node: usize,
    },
    /// The operator gives a lost shard up.
    Refound {
        /// Which.
        shard: usize,
    },
    /// Many updates are sent at once, without waiting for answers.
    Burst {
        /// By whom.
        node: usize,
        /// In which shard.
        shard: usize,
        /// How many.
        count: usize,
    },
    /// A node makes a checkpoint, and its log forgets what that covers.
    Checkpoint {
        /// Whom.
        node: usize,
        /// Of which shard.
        shard: usize,
    },
    /// A node is given evidence against another, which may be false.
    Suspect {
        /// Against whom.
        node: usize,
        /// Who is told.
        by: usize,
    },
    /// Somebody dies soon after a moment that comes next.
    Ambush {
        /// What is waited for.
        moment: Moment,
        /// Whom it is for.
        victim: Victim,
        /// What its disk keeps.
        loss: Loss,
        /// How much later.
        after: Micros,
    },
}

impl Shape {
    /// All nodes there will ever be.
    #[must_use]
    pub const fn nodes(&self) -> usize {
        self.members + self.spares
    }
}
