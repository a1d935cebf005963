//! Why something did not happen.

use std::io::ErrorKind;

/// Why an update was not ordered.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum SendError {
    /// As many updates wait as may. Nothing was ordered; try again later.
    #[error("as many updates wait as may; try again later")]
    Busy,
    /// The disk is full. Nothing was ordered.
    #[error("the disk is full")]
    OutOfSpace,
    /// The update is longer than a record of the log may be. Nothing was ordered.
    #[error("the update is longer than {} bytes", notrace_store_log::limits::RECORD_BYTES_MAX)]
    TooLarge,
    /// The replica ended, in order or because its disk failed. Whether the update was ordered shows
    /// once it is opened again.
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
    /// The beginning of the next view cannot be written.
    #[error("the log cannot be written: {0}")]
    Append(notrace_store_log::AppendError),
    /// The beginning of the next view cannot be made safe.
    #[error("the log cannot be written: {0}")]
    Sync(notrace_store_log::SyncError),
    /// All numbers of views are used.
    #[error("all numbers of views are used")]
    OutOfViews,
    /// There is no thread for it.
    #[error("no thread can be started: {kind}")]
    Thread {
        /// What the system said.
        kind: ErrorKind,
    },
}

/// Why there is no new checkpoint. The one before it stands.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum CheckpointError {
    /// It could not be written.
    #[error("{0}")]
    Log(notrace_store_log::CheckpointError),
    /// The replica has stopped.
    #[error("the replica has stopped")]
    Stopped,
}
