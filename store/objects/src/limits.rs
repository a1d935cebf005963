//! Every bound of the object store. Sizes are bytes unless the name says otherwise.

/// Versions kept of one object; the oldest goes when another comes.
pub const HISTORY_VERSIONS_MAX: usize = 1024;
/// Values kept in one pool. A shred names each survivor in one command, so this bounds the command.
pub const POOL_VALUES_MAX: u64 = 500_000;
/// Changes kept for watchers, over all pools.
pub const CHANGES_MAX: usize = 65_536;
/// Sessions remembered at once.
pub const SESSIONS_MAX: usize = 65_536;
/// How long a session is remembered, in microseconds.
pub const SESSION_MICROS_MAX: u64 = 24 * 60 * 60 * 1_000_000;
/// The longest wrapped data key.
pub const WRAPPED_KEY_BYTES_MAX: usize = 128;
/// Pools of one machine, unless configured otherwise.
pub const POOLS_MAX_DEFAULT: u32 = 1024;
/// Stored bytes of one machine, unless configured otherwise.
pub const BYTES_MAX_DEFAULT: u64 = 4 << 30;
/// The longest encoded command. The log's bound on a record has room for it.
pub const COMMAND_BYTES_MAX: usize = 80 << 20;
/// What a version costs besides its ciphertext, so that many small ones are bounded too.
pub const VERSION_COST: u64 = 256;
/// What an object costs besides its key and versions.
pub const OBJECT_COST: u64 = 128;

/// An identifier, a length and a wrapped key.
const REWRAPPED_BYTES_MAX: usize = 16 + 2 + WRAPPED_KEY_BYTES_MAX;
const _: () = assert!(
    POOL_VALUES_MAX as usize * REWRAPPED_BYTES_MAX + 4096 <= COMMAND_BYTES_MAX,
    "the shred of one object in a full pool fits a command"
);
