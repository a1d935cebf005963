//! Why something did not happen.

use std::io::ErrorKind;

/// Why an update has no answer.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum SendError {
    /// As many updates wait as may. Nothing was ordered; try again later.
    #[error("as many updates wait as may; try again later")]
    Busy,
    /// This member's disk is full. Nothing was ordered.
    #[error("the disk is full")]
    OutOfSpace,
    /// The update is longer than a record of the log may be. Nothing was ordered.
    #[error("the update is longer than {} bytes", notrace_store_log::limits::RECORD_BYTES_MAX)]
    TooLarge,
    /// This node does not hold the shard; nothing was ordered. One of its members will take it.
    #[error("another node holds this shard")]
    NotHere,
    /// This node is not in a view with a majority, or the shard has too few members. Nothing was
    /// ordered.
    #[error("too few members are left to take updates")]
    NoMajority,
    /// All who held the shard are lost. Nothing was ordered.
    #[error("all who held this shard are lost")]
    Lost,
    /// Whether the update was ordered, or is as safe as was asked, cannot be told here. Asking
    /// again is safe under the same session.
    #[error("whether the update was ordered is not known here")]
    Unknown,
    /// The replica ended, in order or because its disk failed. Whether the update was ordered shows
    /// once it is opened again.
    #[error("the replica has stopped")]
    Stopped,
}

/// Why this node cannot answer a read that must see the latest.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum ReadError {
    /// This node does not hold the shard.
    #[error("another node holds this shard")]
    NotHere,
    /// As many reads wait as may; try again later.
    #[error("as many reads wait as may; try again later")]
    Busy,
    /// This node could not learn in time that its view is the latest.
    #[error("too few members are left to know that nothing newer exists")]
    NoMajority,
    /// The replica has stopped.
    #[error("the replica has stopped")]
    Stopped,
}

/// Why a direct call has no answer.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum CallError {
    /// There is no link to that node.
    #[error("the node cannot be reached")]
    Unreachable,
    /// It broke, or no answer came in time; the call may have been acted on.
    #[error("no answer came")]
    NoAnswer,
    /// As many calls are open as may, here or there. It was not acted on.
    #[error("too many calls are open")]
    Busy,
    /// It is longer than a call may be. It was not acted on.
    #[error("the call is longer than {} bytes", crate::limits::CALL_BYTES_MAX)]
    TooLarge,
    /// The replica has stopped.
    #[error("the replica has stopped")]
    Stopped,
}

/// Why a replica does not open.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum OpenError {
    /// Its log does not open.
    #[error("{0}")]
    Log(notrace_store_log::OpenError),
    /// There are records but no state that they come after.
    #[error("the log has no checkpoint to begin with; restore it from a copy")]
    NoCheckpoint,
    /// The first checkpoint cannot be written.
    #[error("the first checkpoint cannot be written: {0}")]
    Checkpoint(notrace_store_log::CheckpointError),
    /// What the node wrote down of its group is damaged.
    #[error("what this node wrote down of its group is damaged; remove the node and let it join")]
    Record,
    /// The file with it cannot be read.
    #[error("what this node wrote down of its group cannot be read: {kind}")]
    RecordFile {
        /// What the system said.
        kind: ErrorKind,
    },
    /// The shards are not what a group can have.
    #[error("{0}")]
    Layout(notrace_store_protocol::layout::BadLayout),
    /// The node's group has more shards than the node was given.
    #[error("this node's group has more shards; use the program that it was last started with")]
    FewerShards,
    /// The node began as often as it can.
    #[error("the node has begun as often as it can")]
    OutOfLives,
    /// There is no thread for it.
    #[error("no thread can be started: {kind}")]
    Thread {
        /// What the system said.
        kind: ErrorKind,
    },
}

/// Why a member ended by itself. The others go on; what it acknowledged is where it said.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum Failure {
    /// A disk could not be written or synced. What it holds shows when it is opened again.
    #[error("the disk fails: {kind}")]
    Disk {
        /// What the system said.
        kind: ErrorKind,
    },
    /// More waits for a disk than may: it is full, or too slow.
    #[error(
        "more than {} bytes wait for the disk: it is full, or too slow",
        crate::limits::LANE_BYTES_MAX
    )]
    Backlog,
    /// Bytes that the order counts on are not here: a check of its own failed.
    #[error("bytes of an update that counts are not here")]
    Missing,
    /// What its own log holds cannot be read by the machine.
    #[error("the machine cannot read what its log holds")]
    Unreadable,
    /// The system has no thread left for what has to be done.
    #[error("no thread can be started")]
    Thread,
    /// Another process is in the group as this node, in the same life: their folders are copies.
    #[error("another process with a copy of this node's folder is in the group")]
    Twin,
    /// It began as often as it can.
    #[error("the node has begun as often as it can")]
    OutOfLives,
}

/// Why this node cut off a peer.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum Fault {
    /// It said what no node says, or what it may not say then.
    #[error("it broke the rules of what nodes say to each other")]
    Rules,
    /// It sent more updates than may be under way.
    #[error("it sent more than a window of updates")]
    BeyondWindow,
    /// It may not be linked to, see [`crate::Admission`].
    #[error("it may not be linked to")]
    NotAdmitted,
    /// It did not take what it was sent.
    #[error("it does not take what it is sent")]
    TooSlow,
}

/// Why there is no new checkpoint. The one before it stands.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum CheckpointError {
    /// It could not be written.
    #[error("{0}")]
    Log(notrace_store_log::CheckpointError),
    /// As many wait for one as may; try again later.
    #[error("as many wait for a checkpoint as may; try again later")]
    Busy,
    /// The shard is kept in memory alone, or this node does not hold it.
    #[error("this node keeps no log of the shard")]
    NoLog,
    /// The replica has stopped.
    #[error("the replica has stopped")]
    Stopped,
}
