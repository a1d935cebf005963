//! Every bound of the client.

use std::time::Duration;

/// How often each member is asked in one call at most.
pub const ROUNDS_MAX: u32 = 64;
/// How long to wait before the first repetition; doubles from one to the next.
pub const BACKOFF_FIRST: Duration = Duration::from_millis(50);
/// The longest wait between two attempts, unless the node asks for more.
pub const BACKOFF_MAX: Duration = Duration::from_secs(2);
/// How long a call is tried altogether, if the caller does not say.
pub const PATIENCE: Duration = Duration::from_secs(30);
/// The same for a client whom nobody ever answered: its address is probably wrong.
pub const STRANGER_PATIENCE: Duration = Duration::from_secs(3);
/// The same for what one node says of itself: that it does not serve is an answer too.
pub const LOOK_PATIENCE: Duration = Duration::from_secs(3);
/// How long a connection may take to stand.
pub const CONNECT_MAX: Duration = Duration::from_secs(5);
/// How long the other end may take to begin its reply, besides what the request's body takes, where
/// asking somebody else does no harm.
pub const REPLY_MAX: Duration = Duration::from_secs(10);
/// How long it may take at least, however little time is left.
pub const REPLY_MIN: Duration = Duration::from_secs(2);
/// How long the other end may be silent in the middle of a reply, or before one that nobody else
/// can be asked for.
pub const SILENCE_MAX: Duration = Duration::from_secs(120);
/// How long a watch may be silent: three of a node's heartbeats.
pub const WATCH_SILENCE_MAX: Duration = Duration::from_secs(45);
/// How often an idle connection with something open on it is probed, and how long the answer may
/// take.
pub const PROBE: (Duration, Duration) = (Duration::from_secs(10), Duration::from_secs(5));
/// Members of a group that a client remembers.
pub const MEMBERS_MAX: usize = 64;
/// How many answered calls it takes for a client to ask who else there is.
pub const LEARN_AFTER_CALLS: u32 = 2;
/// After which it asks again.
pub const LEARN_AGAIN: Duration = Duration::from_secs(60);
/// After which it asks again if it was not told.
pub const LEARN_RETRY: Duration = Duration::from_secs(5);
/// How often one attempt may be sent on to another member.
pub const REDIRECTS_MAX: u32 = 2;
/// How much longer than its own timeout a run may take to answer.
pub const RUN_MARGIN: Duration = Duration::from_secs(30);
/// The largest JSON reply, in bytes.
pub const REPLY_BYTES_MAX: usize = 8 << 20;
/// The largest receipt, in bytes. A proof over 2^64 leaves is about 3 KiB.
pub const RECEIPT_BYTES_MAX: usize = 256 << 10;
/// The longest line of an event stream, in bytes.
pub const EVENT_LINE_BYTES_MAX: usize = 64 << 10;
/// The largest event, in bytes.
pub const EVENT_BYTES_MAX: usize = 256 << 10;
/// How often in a row a stream is taken up again without anything coming from it.
pub const RESUMES_MAX: u32 = 8;
/// Versions that say where a watch is: one for each shard.
pub const MARK_VERSIONS_MAX: usize = 128;
/// Changes of one version that a watch holds until it has all of them.
pub const VERSION_CHANGES_MAX: usize = 65_536;
/// How much of a file is read at a time, in bytes.
pub const CHUNK_BYTES: usize = 256 << 10;
/// How long a node's request key is used without asking for it again. A node takes what is sealed
/// to a key for ten minutes after it last announced it.
pub const REQUEST_KEY_KEPT: Duration = Duration::from_secs(8 * 60);
/// How far ahead of a node's clock this machine's may be.
pub const CLOCKS_APART_MAX: Duration = Duration::from_secs(24 * 60 * 60);
/// The largest credentials file, in bytes.
pub const CREDENTIALS_BYTES_MAX: u64 = 64 << 10;
