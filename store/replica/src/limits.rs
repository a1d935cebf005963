//! Every bound of the replica.

use std::time::Duration;

/// Updates that wait to be ordered.
pub const QUEUE_MAX_DEFAULT: usize = 4096;
/// Bytes of the updates that wait to be ordered. One update is taken however large it is.
pub const QUEUE_BYTES_MAX_DEFAULT: u64 = 128 << 20;
/// Bytes of the updates that are ordered in one go.
pub(crate) const BATCH_BYTES_MAX: u64 = 32 << 20;
/// Log bytes after which a checkpoint is due, unless the state is larger.
pub const CHECKPOINT_BYTES_MIN_DEFAULT: u64 = 64 << 20;
/// How long a delivered update may be away from the disk.
pub const SYNC_LAG_MAX_DEFAULT: Duration = Duration::from_secs(1);
