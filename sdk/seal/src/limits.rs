//! Every bound of sealed requests and answers, in bytes.

use notrace_policy_promise::limits::{PADDED_BYTES_MAX, RUN_ARG_BYTES_MAX};
use notrace_policy_promise::release::Sizes;

use crate::stream::stream_bytes;

/// How much plaintext one chunk holds.
pub const CHUNK_BYTES: usize = 64 << 10;
/// How long the head of a sealed request is: version, epoch, nonce, encapsulated key, proof.
pub const HEAD_BYTES: usize = 1 + 8 + 32 + 32 + 16;
/// The longest message that a failed task's worker seals for its owner.
pub const FAILURE_MESSAGE_BYTES_MAX: usize = 64 << 10;

/// The longest name of a trap in a failure.
pub const TRAP_BYTES_MAX: usize = 64;
/// What stands behind an answer or a failure, besides zeros: what it is, and how long.
pub const TRAILER_BYTES: usize = 1 + 4;
/// What stands behind a request's content, besides zeros: two lengths.
pub const CONTENT_TRAILER_BYTES: usize = 4 + 4;

/// The largest sealed request.
pub const SEALED_REQUEST_BYTES_MAX: usize = HEAD_BYTES + stream_bytes(PADDED_BYTES_MAX);
/// The largest sealed answer.
pub const SEALED_ANSWER_BYTES_MAX: usize = 1 + stream_bytes(PADDED_BYTES_MAX);
/// The largest sealed failure that is told apart from answers: the power of two behind the longest.
pub const SEALED_FAILURE_BYTES_MAX: usize = 1 + stream_bytes(2 * FAILURE_MESSAGE_BYTES_MAX);

/// How long the sealed form of an answer of this length is, or of the longest that fits `sizes`.
#[must_use]
pub const fn sealed_answer_bytes(answer_bytes: usize, sizes: Sizes) -> usize {
    match sizes.bucket(answer_bytes.saturating_add(TRAILER_BYTES)) {
        Some(padded) => 1 + stream_bytes(padded),
        None => 1 + stream_bytes(sizes.room()),
    }
}

/// The longest answer that fits.
#[must_use]
pub const fn answer_room(sizes: Sizes) -> usize {
    sizes.room() - TRAILER_BYTES
}

const _: () = assert!(TRAP_BYTES_MAX <= u8::MAX as usize, "a trap's length fits");
const _: () = assert!(
    FAILURE_MESSAGE_BYTES_MAX + TRAP_BYTES_MAX + 6 + TRAILER_BYTES <= 2 * FAILURE_MESSAGE_BYTES_MAX,
    "a failure that is filled up fits"
);
const _: () = assert!(RUN_ARG_BYTES_MAX <= u16::MAX as usize, "an argument's length fits");
const _: () = assert!(SEALED_REQUEST_BYTES_MAX <= u32::MAX as usize, "chunks can be counted");
