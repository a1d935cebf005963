//! Why the log could not do something.

use std::io::ErrorKind;

use notrace_store_protocol::ids::Version;

/// Why a log does not open. Nothing was changed that a later opening would miss.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum OpenError {
    /// Another process has it open.
    #[error("another process uses this folder")]
    InUse,
    /// A file cannot be used.
    #[error("a file of the log cannot be {doing}: {kind}")]
    Disk {
        /// What was attempted.
        doing: &'static str,
        /// What the system said.
        kind: ErrorKind,
    },
    /// A record that was safe on disk is damaged.
    #[error("segment {segment} of the log is damaged at byte {offset}; restore it from a copy")]
    Corrupt {
        /// The number of the segment.
        segment: u64,
        /// Where in the file the damage begins.
        offset: u64,
    },
    /// No checkpoint is whole.
    #[error("the checkpoint is damaged; restore it from a copy")]
    CorruptCheckpoint,
    /// Records between the checkpoint and what is left of the log are not there.
    #[error("segments of the log are missing; restore them from a copy")]
    Missing,
    /// A whole record or checkpoint has a content that its reader does not know.
    #[error("what the log holds at version {version} is not of this program's version")]
    Refused {
        /// The version of the record or checkpoint.
        version: Version,
    },
}

/// Why records were not appended. The log is as it was before.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum AppendError {
    /// The disk or the quota is full.
    #[error("the disk is full")]
    OutOfSpace,
    /// A payload is longer than a record may be.
    #[error("a record is longer than {} bytes", crate::limits::RECORD_BYTES_MAX)]
    TooLarge,
    /// The disk refused for another reason.
    #[error("the disk refuses writes: {kind}")]
    Disk {
        /// What the system said.
        kind: ErrorKind,
    },
    /// The log does not know what the disk holds; it must be opened anew.
    #[error("the log failed before and must be opened anew")]
    Poisoned,
}

/// Why records could not be made durable. Which of them are is not known; the log takes no more.
///
/// After a failed `fsync` the system forgets what it could not write, and the next one succeeds
/// without it. Source: Rebello et al., "Can Applications Recover from fsync Failures?" (ATC 2020).
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[error("the disk could not be synced: {kind}")]
pub struct SyncError {
    /// What the system said.
    pub kind: ErrorKind,
}

/// Why a checkpoint was not written. The ones before it are untouched.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[error("the checkpoint could not be written: {kind}")]
pub struct CheckpointError {
    /// What the system said.
    pub kind: ErrorKind,
}

/// Turns what the system said into an [`OpenError`] that says what was attempted.
pub(crate) fn opening(doing: &'static str) -> impl Fn(std::io::Error) -> OpenError {
    move |error| OpenError::Disk { doing, kind: error.kind() }
}

impl AppendError {
    pub(crate) fn of(error: &std::io::Error) -> Self {
        match error.kind() {
            ErrorKind::StorageFull | ErrorKind::QuotaExceeded | ErrorKind::FileTooLarge => {
                Self::OutOfSpace
            }
            kind => Self::Disk { kind },
        }
    }
}
