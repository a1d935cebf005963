//! Every bound of the replica.

use std::time::Duration;

use notrace_store_fabric::limits::LETTER_BYTES_MAX;
use notrace_store_protocol::limits::Limits;

/// Updates that wait to be ordered.
pub const QUEUE_MAX_DEFAULT: usize = 4096;
/// Bytes of the updates that wait to be ordered. One update is taken however large it is.
pub const QUEUE_BYTES_MAX_DEFAULT: u64 = 128 << 20;
/// Log bytes after which a checkpoint is due, unless the state is larger.
pub const CHECKPOINT_BYTES_MIN_DEFAULT: u64 = 64 << 20;
/// How long an update may wait to be taken into the order, for example during a view change.
pub const SEND_WAIT_MAX_DEFAULT: Duration = Duration::from_secs(5);
/// What a member sends to those who catch up, in bytes a second.
pub const TRANSFER_BYTES_PER_S_DEFAULT: u64 = 64 << 20;
/// How long a read may wait to be confirmed.
pub const READ_WAIT_MAX: Duration = Duration::from_secs(5);
/// Reads of a shard that may wait to be confirmed.
pub const READERS_MAX: usize = 1 << 14;
/// Those who may wait for checkpoints of a shard.
pub const CHECKPOINTS_MAX: usize = 64;
/// After which a question about the view is asked again.
pub(crate) const READ_AGAIN: Duration = Duration::from_millis(100);
/// Direct calls of this node that may be open.
pub const CALLS_MAX: usize = 1024;
/// The longest direct call, and the longest answer to one: a letter, but for its head.
pub const CALL_BYTES_MAX: usize = LETTER_BYTES_MAX - 64;
/// How long a direct call may take.
pub const CALL_WAIT_MAX: Duration = Duration::from_secs(10);
/// Bytes that wait for the disk, for each log; with more, this member is too slow to be one.
pub const LANE_BYTES_MAX: u64 = 256 << 20;
/// Bytes of updates that a log begins to write before it is asked to make them safe.
pub(crate) const GROUP_BYTES: u64 = 256 << 10;
/// How long a full disk is left alone before it is tried again.
pub(crate) const FULL_DISK_PAUSE: Duration = Duration::from_millis(200);
/// What must stay free on the disk for an update to be taken, besides what is on its way there.
pub(crate) const ROOM_MIN: u64 = 64;
/// How long it counts what the disk had room for, if that was ample.
pub(crate) const ROOM_KEPT: Duration = Duration::from_millis(100);
/// Bytes of the latest updates of a shard that are kept for those who catch up.
pub(crate) const RECENT_BYTES_MAX: usize = 16 << 20;
/// How many those are at most.
pub(crate) const RECENT_MAX: usize = 1 << 16;
/// Updates in one answer to somebody who catches up, in bytes.
pub(crate) const TAIL_BYTES_MAX: usize = 1 << 20;
/// Bytes of updates that wait for a machine whose state is being told.
pub(crate) const FROZEN_BYTES_MAX: usize = 64 << 20;
/// A chunk of a snapshot. The same at every member, for one may go on where another began.
pub(crate) const CHUNK_BYTES: usize = 1 << 20;
/// The longest snapshot that is taken from another member.
pub(crate) const SNAPSHOT_BYTES_MAX: usize = 16 << 30;
/// Parts of a snapshot that are as long as this are sent as they are; shorter ones are put
/// together.
pub(crate) const SHARED_BYTES_MIN: usize = 4 << 10;
/// Snapshots of a shard in memory that are kept at once for those who learn.
pub(crate) const SNAPSHOTS_MAX: usize = 2;
/// How long one of those rests before another may take its place,
pub(crate) const SNAPSHOT_RESTS: Duration = Duration::from_secs(3);
/// and how long it is kept for the next question about it.
pub(crate) const SNAPSHOT_KEPT: Duration = Duration::from_secs(30);
/// Checkpoints of a log that are kept open for those who learn.
pub(crate) const LENDS_MAX: usize = 4;
/// Times beyond this are no member's: in the year 2103 there would be too few left to rise.
pub(crate) const TIME_MAX: u64 = u64::MAX - (1 << 60);
/// How long to wait before a peer is dialled again: at first,
pub(crate) const DIAL_PAUSE: Duration = Duration::from_millis(50);
/// and at most.
pub(crate) const DIAL_PAUSE_MAX: Duration = Duration::from_millis(500);
/// How long a node waits for a peer with a higher number before it dials that one itself.
pub(crate) const DIAL_PATIENCE: Duration = Duration::from_secs(1);
/// Members' addresses that are remembered.
pub(crate) const ADDRESSES_MAX: usize = 1024;
/// How long a peer may take to say who it is.
pub const GREETING_MAX: Duration = Duration::from_secs(5);
/// How long the replica looks for something to do before it sleeps, after there was something.
pub const SPIN_DEFAULT: Duration = Duration::from_micros(0);

/// The protocol's usual bounds, with heartbeats that cost an idle node little, and a window that
/// the longest command fits.
pub const LIMITS_DEFAULT: Limits =
    Limits { window_bytes: 96 << 20, window_messages: 1024, heartbeat: 50_000, ..Limits::USUAL };
