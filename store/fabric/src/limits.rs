//! Every bound of the fabrics. Sizes are bytes.

use std::time::Duration;

/// What a node may say of itself when a link comes up.
pub const HELLO_BYTES_MAX: usize = 1024;
/// The smallest and the largest region that an end may lend to a link.
pub const REGION_BYTES_MIN: u32 = 4 << 10;
/// See [`REGION_BYTES_MIN`].
pub const REGION_BYTES_MAX: u32 = 256 << 20;
/// What an end lends to a link, unless configured otherwise.
pub const REGION_BYTES_DEFAULT: u32 = 4 << 20;
/// Written and not sent, for each link. One write is taken however long it is, if nothing waits.
pub const BACKLOG_BYTES_MAX: usize = 16 << 20;
/// Links and attempts at once.
pub const LINKS_MAX: usize = 256;
/// From the beginning of an attempt to its link's coming up.
pub const CONNECT_MAX: Duration = Duration::from_secs(5);
/// The longest name of a peer.
pub const NAME_BYTES_MAX: usize = 255;
/// The longest letter: the longest command and what is told beside it.
pub const LETTER_BYTES_MAX: usize = 128 << 20;
/// Letters that wait to be written to one peer; more means that it is too slow.
pub const OUTBOX_LETTERS_MAX: usize = 1 << 17;
/// Bytes of the letters that wait. One is taken however long it is.
pub const OUTBOX_BYTES_MAX: usize = 256 << 20;
/// What is sealed at once on a link that keeps no secrets.
pub const RUN_BYTES_MAX: usize = 64 << 10;
/// What is reserved for a letter of which only the beginning has come.
pub const RESERVED_BYTES_MAX: usize = 4 << 20;

/// What `tcp` encrypts at once: the most that one TLS record holds.
pub const RECORD_BYTES: usize = 16 << 10;
/// Encrypted bytes of a link that are sent without waiting for the next poll.
pub const EARLY_SEND_BYTES: usize = 128 << 10;
/// Memory that a link of `tcp` keeps for what it sends while it sends nothing.
pub const KEPT_BYTES: usize = 1 << 20;
/// What a link of `tcp` may have waiting when rings are added to what writes may: after that, the
/// peer counts as one that does not answer.
pub const UNSENT_BYTES_MAX: usize = 2 * BACKLOG_BYTES_MAX + 2 * REGION_BYTES_MAX as usize;
/// What is received at once, and from one link before others have their turn.
pub const SCRATCH_BYTES: usize = 256 << 10;
/// See [`SCRATCH_BYTES`].
pub const READ_BYTES_MAX: usize = 1 << 20;
/// A peer that said nothing for so long is asked whether it is there.
pub const PING_AFTER: Duration = Duration::from_secs(2);
/// A peer that said nothing for so long is not.
pub const SILENCE_MAX: Duration = Duration::from_secs(10);
/// Connections that were accepted and have not proved who they are. One more ends the
/// first of those from where most came from.
pub const STRANGERS_MAX: usize = 64;
/// Threads that ask for the addresses of a host.
pub const RESOLVERS_MAX: usize = 8;
/// Addresses of a host that are tried.
pub const ADDRESSES_MAX: usize = 8;
/// The longest name of a host.
pub const HOST_BYTES_MAX: usize = 253;

/// What `libfabric` copies writes into; a longer one is several.
pub const CHUNK_BYTES: usize = 256 << 10;
/// Chunks that are kept while nobody uses them.
pub const SPARE_CHUNKS: usize = 32;
/// Writes of a link that are given to libfabric before the first of them has arrived.
pub const UNDER_WAY_MAX: usize = 64;
/// Bytes of those. One is taken however long it is.
pub const UNDER_WAY_BYTES_MAX: usize = 4 << 20;
/// Writes and rings of a link that may wait: after that, the peer counts as one that does not
/// answer.
pub const STEPS_MAX: usize = 1 << 20;
/// What a provider did not take is offered again after so long.
pub const RETRY: Duration = Duration::from_millis(1);
/// Where there is nothing to wait for, `libfabric` looks all the time for so long after something
/// happened,
pub const SPIN: Duration = Duration::from_micros(250);
/// then in steps that get longer, from this
pub const NAP_MIN: Duration = Duration::from_micros(50);
/// to this.
pub const NAP_MAX: Duration = Duration::from_millis(5);
/// How often `libfabric` looks at how long things take,
pub const TICK: Duration = Duration::from_millis(250);
/// and how often it asks the connections of its links while there is enough else to do.
pub const ASK: Duration = Duration::from_millis(5);
