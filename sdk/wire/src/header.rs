//! The names of our own headers.

/// The number of the group's view that an answer was given in. A client that sends the highest it
/// was told sees, at any node and also in causal pools, what it wrote and what it has seen.
pub const VIEW: &str = "Notrace-View";
/// An object that a run may read, `POOL/KEY`, percent-encoded like a path. Repeatable.
pub const OBJECT: &str = "Notrace-Object";
/// One argument of a run, percent-encoded like a path. Repeatable, in order.
pub const ARG: &str = "Notrace-Arg";
/// A label that the answer of a run is not to carry, which takes the right to declassify it.
/// Repeatable.
pub const DECLASSIFY: &str = "Notrace-Declassify";
/// How long a run may take, in milliseconds.
pub const TIMEOUT_MS: &str = "Notrace-Timeout-Ms";
/// Where the receipt of a run will be: a path as `/v1/receipts/{id}`.
pub const RECEIPT: &str = "Notrace-Receipt";
/// When a version was delivered: the hybrid logical time, as `MICROSECONDS.COUNTER` since 1970.
pub const TIME: &str = "Notrace-Time";
/// A client's own name for a mutation, so that a repeated one takes effect once.
pub const IDEMPOTENCY_KEY: &str = "Idempotency-Key";

/// The shortest and longest idempotency key, in bytes of printable ASCII.
pub const IDEMPOTENCY_KEY_BYTES: core::ops::RangeInclusive<usize> = 8..=128;
