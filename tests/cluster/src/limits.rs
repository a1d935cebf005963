//! Every bound of a run.

use std::time::Duration;

/// The most hosts a lab has.
pub const HOSTS_MAX: usize = 5;
/// The most labs on one machine at a time; also the third byte of their addresses.
pub const LABS_MAX: u8 = 200;
/// The size of a host's own disk.
pub const DISK_BYTES: u64 = 128 << 20;

/// How long a node may take until it answers at all.
pub const START_MAX: Duration = Duration::from_secs(60);
/// How long the group may take until every member serves and knows every other.
pub const WHOLE_MAX: Duration = Duration::from_secs(60);
/// How long a connection may take to stand.
pub const CONNECT_MAX: Duration = Duration::from_millis(1500);
/// How long one attempt of a call may take before a client turns to another member.
pub const ATTEMPT_MAX: Duration = Duration::from_millis(2500);
/// How long after the last fault a call may still be without an answer.
pub const ANSWER_MAX: Duration = Duration::from_secs(30);
/// How long a watch may be silent before it is taken up again elsewhere.
pub const SILENCE_MAX: Duration = Duration::from_secs(3);
/// The longest pause of a client between two calls.
pub const THINK_MAX: Duration = Duration::from_millis(16);
/// The longest pause of a client after a failed attempt.
pub const RETRY_MAX: Duration = Duration::from_millis(150);

/// Clients that put, get and delete.
pub const CLIENTS: usize = 8;
/// Keys of each pool.
pub const KEYS: u8 = 20;
/// Changes that one client asks of one key: an object keeps 1,024 versions, and a check needs all.
pub const CHANGES_MAX: u32 = 1_000 / CLIENTS as u32;
/// The largest value, in bytes.
pub const VALUE_BYTES_MAX: u64 = 4096;
/// Versions that are read back from each member after a run, at most.
pub const READ_BACK_MAX: usize = 4000;

/// Steps that the search for an order may take for one key, before it counts as not decided.
pub const SEARCH_STEPS_MAX: u64 = 20_000_000;
/// Calls without an answer that the search considers for one key.
pub const UNKNOWN_MAX: usize = 6;

/// How often the public log grows and is looked at.
pub const AUDIT_EVERY: Duration = Duration::from_millis(250);
