//! Bounds of the node itself. What client and node must agree on is in the promise's limits.

use std::time::Duration;

/// The longest configuration file.
pub(crate) const CONFIG_BYTES_MAX: u64 = 64 << 10;
/// The longest key, certificate or table file that is read at start.
pub(crate) const KEY_FILE_BYTES_MAX: u64 = 1 << 20;
/// The most keys of pools, and of their parts, that one node keeps; the table of them fits
/// [`KEY_FILE_BYTES_MAX`].
pub(crate) const KEYS_MAX: usize = 6144;
/// How often a shred is tried again when writes keep moving the pool under it.
pub(crate) const SHRED_TRIES_MAX: u32 = 16;
/// How many of them take place among writes. Then writes wait until the shred is done, since a pool
/// that is written to all the time would otherwise never be shredded.
pub(crate) const SHRED_TRIES_AMONG_WRITES: u32 = 4;
/// How often a put is tried again when a shred moved the pool's key under it.
pub(crate) const PUT_TRIES_MAX: u32 = 16;
/// How long retention may lag behind its bound at most.
pub(crate) const RETENTION_LAG_MAX: Duration = Duration::from_secs(60);
/// How long the certificate that clients are shown is good.
pub(crate) const CERTIFICATE_MAX: Duration = Duration::from_secs(90 * 24 * 60 * 60);
/// How far behind this host's clock a client's may be.
pub(crate) const CLOCKS_APART_MAX: Duration = Duration::from_secs(24 * 60 * 60);
/// How long draining may take before what still runs is killed.
pub(crate) const DRAIN_MAX: Duration = Duration::from_secs(10);
/// Compiled code kept on disk.
pub(crate) const CODE_CACHE_BYTES_MAX: u64 = 1 << 30;
/// Tasks known to one node.
pub(crate) const TASKS_MAX: usize = 10_000;
/// Nodes of one group that are known by address.
pub(crate) const NODES_MAX: usize = 64;
/// Shards into which a group may divide its keys. Each costs every holder a thread and a log.
pub(crate) const DATA_SHARDS_MAX: usize = 64;
/// Nodes that are asked for a shard that is elsewhere before the request is refused.
pub(crate) const FAR_TRIES_MAX: usize = 3;
/// How long a member waits for something to change before it says that nothing did.
pub(crate) const FOLLOW_MAX: Duration = Duration::from_secs(5);
/// Changes of one shard that are read at once for a watcher.
pub(crate) const WATCH_BATCH_MAX: u32 = 256;
/// Calls of other members that are answered at once, and again as many that wait.
pub(crate) const CALLS_ANSWERED_MAX: usize = 512;
/// How long a change or a read waits for the disks that it needs.
pub(crate) const SAFE_WAIT_MAX: Duration = Duration::from_secs(10);
/// How long a key is nobody's before it counts as left over.
pub(crate) const STRAY_AGE_MIN: Duration = Duration::from_secs(50);
/// After how long counts are brought up to what was counted.
pub(crate) const COUNTS_WINDOW: Duration = Duration::from_secs(60);
/// By how many at a time a count goes up.
pub(crate) const FLOOR: u64 = 10;
/// How often the host is looked at for what may have changed.
pub(crate) const POSTURE_EVERY: Duration = Duration::from_secs(60);
/// How long a start waits before it asks for its group's keys again, at first
pub(crate) const SETTLE_AGAIN_MIN: Duration = Duration::from_millis(20);
/// and at last.
pub(crate) const SETTLE_AGAIN_MAX: Duration = Duration::from_secs(1);
/// How long a member waits at once for a receipt that another asks for.
pub(crate) const RECEIPT_ASK_MAX: Duration = Duration::from_secs(3);
/// Invitations that are good at once.
pub(crate) const INVITES_MAX: usize = 256;
/// Invitations that are over and remembered, so that their tokens let nobody in again.
pub(crate) const SPENT_INVITES_MAX: usize = 4096;
/// How long an invitation may be good.
pub(crate) const INVITE_MAX: Duration = Duration::from_secs(24 * 60 * 60);
/// Destroyed keys that are remembered, so that none of them comes back from a member that slept.
pub(crate) const REMOVED_KEYS_MAX: usize = 65_536;
/// How often a key is drawn for a pool that another member draws one for at the same time.
pub(crate) const KEY_TRIES_MAX: u32 = 8;
/// How long a member may take to confirm that it keeps or has destroyed a key.
pub(crate) const KEYS_SETTLE_MAX: Duration = Duration::from_secs(10);
/// How long a request key is announced before the next one is.
pub(crate) const REQUEST_KEY_ANNOUNCED: Duration = Duration::from_secs(10 * 60);
/// How long what is sealed to it is taken. Then its secret half is destroyed.
pub(crate) const REQUEST_KEY_TAKEN: Duration = Duration::from_secs(20 * 60);
/// How long a request key is announced at least, however often it is used.
pub(crate) const REQUEST_KEY_LEAST: Duration = Duration::from_secs(1);
/// How many requests one request key takes, each of which it remembers in 16 bytes.
pub(crate) const REQUEST_KEY_NONCES_MAX: usize = 1 << 18;
/// How many of them it takes for the next key to come ahead of time.
pub(crate) const REQUEST_KEY_NONCES_MANY: usize = REQUEST_KEY_NONCES_MAX / 4 * 3;
/// The longest address of a node.
pub(crate) const ADDRESS_BYTES_MAX: usize = 300;

/// What a deadline has beside the time that a run was given: for starting, ending and scrubbing it.
pub(crate) const DEADLINE_SPARE: Duration = Duration::from_secs(1);

/// The most runs at once whose answers wait for the time at which they leave.
pub(crate) const WAITING_ANSWERS_MAX: usize = 1024;
