//! Every bound of sealed requests and answers, in bytes.

use notrace_policy_promise::limits::{
    ANSWER_BYTES_MAX, INPUT_BYTES_MAX, RUN_ARG_BYTES_MAX, RUN_ARGS_MAX,
};

use crate::stream::stream_bytes;

/// How much plaintext one chunk holds.
pub const CHUNK_BYTES: usize = 64 << 10;
/// How long the head of a sealed request is: version, epoch, nonce, encapsulated key, proof.
pub const HEAD_BYTES: usize = 1 + 8 + 32 + 32 + 16;
/// The longest message that a failed task's worker seals for its owner.
pub const FAILURE_MESSAGE_BYTES_MAX: usize = 64 << 10;

/// The most that stands in a request besides the input: each argument with its length, their
/// number, and the length of it all.
const ARGS_BYTES_MAX: usize = RUN_ARGS_MAX * (RUN_ARG_BYTES_MAX + 2) + 2 + 4;

/// The largest sealed request.
pub const SEALED_REQUEST_BYTES_MAX: usize =
    HEAD_BYTES + stream_bytes(INPUT_BYTES_MAX + ARGS_BYTES_MAX);
/// The largest sealed answer.
pub const SEALED_ANSWER_BYTES_MAX: usize = sealed_answer_bytes(ANSWER_BYTES_MAX);
/// The largest sealed message of a failure.
pub const SEALED_FAILURE_BYTES_MAX: usize = 1 + stream_bytes(FAILURE_MESSAGE_BYTES_MAX + 5);

/// How long the sealed form of an answer of this length is.
#[must_use]
pub const fn sealed_answer_bytes(answer_bytes: usize) -> usize {
    1 + stream_bytes(answer_bytes)
}

const _: () = assert!(RUN_ARG_BYTES_MAX <= u16::MAX as usize, "an argument's length fits");
const _: () = assert!(SEALED_REQUEST_BYTES_MAX <= u32::MAX as usize, "chunks can be counted");
