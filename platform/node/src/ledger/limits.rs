//! Bounds of the ledger.

use std::time::Duration;

/// How long an epoch lasts when nobody waits for a receipt.
pub(super) const EPOCH: Duration = Duration::from_secs(1);
/// The least time between two epochs when somebody waits.
pub(super) const EPOCH_GAP: Duration = Duration::from_millis(20);
/// How long receipts can be fetched, unless the promise says otherwise.
pub(super) const RECEIPT_WINDOW: Duration = Duration::from_secs(24 * 60 * 60);
/// The most receipts that wait for their epoch. Beyond it the node stops serving.
pub(super) const PENDING_MAX: usize = 16_384;
/// The most receipts kept for fetching, whatever the window: 320 MB of records.
pub(super) const RECORDS_MAX: u64 = 1_000_000;
/// The most records of one file. A file goes as a whole: the count may overshoot by this much.
pub(super) const SEGMENT_RECORDS_MAX: u64 = 65_536;
/// A file takes records for this part of the window: how far its last ones' age may overshoot.
pub(super) const SEGMENTS_PER_WINDOW: u32 = 16;
/// Full tiles kept in memory, 16 kB each.
pub(super) const CACHED_TILES_MAX: usize = 64;
/// How long somebody may wait for a receipt before being told to come back.
pub(super) const WAIT_MAX: Duration = Duration::from_secs(10);
/// How long after a failed write the next try is made.
pub(super) const RETRY_AFTER: Duration = Duration::from_secs(1);
/// How often closing tries to publish what is pending.
pub(super) const CLOSE_TRIES_MAX: u32 = 3;
/// The longest file that is read: a bundle of 256 entries of the greatest length we write.
pub(super) const FILE_BYTES_MAX: u64 = 64 << 10;
/// The most receipts that are ordered at once.
pub(super) const BATCH_RECORDS_MAX: usize = 1024;
/// The most receipts that a group's book keeps for members that have not written them yet: 5 MB.
pub(super) const BOOK_RECORDS_MAX: u64 = 16_384;
/// How far from where it was expected a group's receipt is looked for: others' may come in between.
pub(super) const SEARCH_MAX: u64 = 16_384;
/// How long a batch that could not be ordered waits until it is tried again.
pub(super) const ORDER_AGAIN: Duration = Duration::from_millis(100);
/// How long a head waits for what others have shown.
pub(super) const HEAD_WAIT: Duration = Duration::from_secs(1);
