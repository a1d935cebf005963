//! Marks on the rare paths, so that those who test can prove that they were walked.

/// A path that few runs take.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
#[repr(u8)]
pub enum Mark {
    /// A leader took over and kept what an earlier one had proposed.
    TakeOverKept,
    /// A leader took over and began anew.
    TakeOverFresh,
    /// A view was left because others had decided it, not because we saw the echoes.
    LearntDecision,
    /// A member was suspected while the view was ending already.
    SuspectedDuringFlush,
    /// The view's successor contained a member already suspected.
    InstalledSuspect,
    /// The trim cut own updates off, and they were sent again.
    Carried,
    /// The trim cut own updates off, and they cannot be sent again.
    CutForGood,
    /// A new member of a shard was not ready when the epoch ended.
    UnreadyAtEnd,
    /// A shard lost all who held it.
    ShardLost,
    /// A lost shard came back from logs.
    ShardRevived,
    /// A minority stopped.
    StoppedMinority,
    /// A member stopped because another suspected it.
    StoppedSuspected,
    /// A restart proposed anew, from reports.
    RestartFresh,
    /// A restart kept what an earlier leader had proposed.
    RestartKept,
    /// A restart took a shard from logs alone.
    RestartFromLogs,
    /// A restart took a shard from a member that had never crashed.
    RestartFromMemory,
    /// A restart went by the keepers, because a member of the epoch was never ready.
    RestartByKeepers,
    /// A restart went on without a shard, because too few of its members came back.
    RestartLost,
    /// A joiner was taken in.
    Joined,
    /// A learner was taken into a shard.
    Promoted,
    /// A learner had left the agreed history and was cut back.
    CutBack,
    /// A snapshot was sent, because the log does not reach back far enough.
    Snapshot,
    /// A transfer went on where it was interrupted.
    Resumed,
    /// A member left by its own wish.
    Departed,
    /// A send found the window full.
    WindowFull,
    /// Nulls were sent.
    Nulls,
    /// The ring was passed from its end to its beginning.
    Wrapped,
}

/// A set of marks.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
pub struct Marks(u64);

impl Marks {
    /// Adds one.
    pub fn set(&mut self, mark: Mark) {
        self.0 |= 1 << mark as u8;
    }

    /// Adds all of these.
    pub fn join(&mut self, other: Marks) {
        self.0 |= other.0;
    }

    /// Whether it is there.
    #[must_use]
    pub const fn has(self, mark: Mark) -> bool {
        self.0 >> mark as u8 & 1 == 1
    }
}
