//! The wall clock, read in one place.

use std::time::{SystemTime, UNIX_EPOCH};

use notrace_store_protocol::time::Hlc;

/// Microseconds since the Unix epoch, as the system has it now.
#[expect(clippy::disallowed_methods, reason = "the node is a shell, and this is its one clock")]
pub(crate) fn unix_micros() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    since.map_or(0, |since| since.as_micros() as u64)
}

/// The same as a reading of the store's clock.
pub(crate) fn wall() -> Hlc {
    Hlc::from_unix_micros(unix_micros())
}
