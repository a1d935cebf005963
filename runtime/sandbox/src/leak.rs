//! Leaks that are planted on purpose, so that the hunt for leaks can be shown to find each kind.
//! Only in a build with the feature `planted-leaks`; `tests/residue` has the table.

use core::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Mutex, PoisonError};

#[cfg(not(debug_assertions))]
compile_error!("planted leaks are for tests of the hunt; a release build may not have them");

static CHOSEN: AtomicU32 = AtomicU32::new(0);
static KEPT: Mutex<Vec<Vec<u8>>> = Mutex::new(Vec::new());

/// Plants a leak.
pub fn choose(number: u32) {
    CHOSEN.store(number, Ordering::Relaxed);
}

pub(crate) fn is(number: u32) -> bool {
    CHOSEN.load(Ordering::Relaxed) == number
}

/// Keeps a copy for as long as the process lives.
pub(crate) fn keep(bytes: &[u8]) {
    KEPT.lock().unwrap_or_else(PoisonError::into_inner).push(bytes.to_vec());
}

/// Never drops a value.
#[expect(clippy::disallowed_methods, reason = "what is forgotten is never wiped, as is the intent")]
pub(crate) fn forget<T>(value: T) {
    core::mem::forget(value);
}
