//! Leaks that are planted on purpose, so that the hunt for leaks can be shown to find each kind.
//! Only in a build with the feature `planted-leaks`; `tests/residue` has the table.
//!
//! Most of what a worker could leave ends with it. So for those leaks workers do not end: they stay
//! as they are once they have answered, as a platform that keeps its instances warm would have it.

use std::fs::File;
use std::io::Write as _;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use notrace_runtime_jail::process::exit_now;
use notrace_runtime_jail::sealed::memory_file;
use notrace_runtime_jail::secret::Shared;
use rustix::fs::ftruncate;
use rustix::net::RecvFlags;

pub use notrace_runtime_jail::leak::*;

use crate::channel::{Doorbell, receive};
use crate::residue::Residue;

#[cfg(not(debug_assertions))]
compile_error!("planted leaks are for tests of the hunt; a release build may not have them");

/// Leaks of a worker that stays. The last is none: such a worker wiped everything.
const WARM: [u32; 6] = [10, 12, 13, 14, 17, 100];
const SHARED_BYTES: usize = 4096;

static HELD: Mutex<Vec<OwnedFd>> = Mutex::new(Vec::new());
static SHARED: Mutex<Option<Shared>> = Mutex::new(None);

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Whether workers stay.
pub(crate) fn is_warm() -> bool {
    WARM.contains(&chosen())
}

/// Stays until the supervisor is gone.
pub(crate) fn stay(doorbell: &OwnedFd) -> ! {
    let _ = receive::<Doorbell>(doorbell, RecvFlags::empty());
    exit_now(0)
}

/// Returns once a worker that stays has answered, or has ended all the same.
pub(crate) async fn answered(residue: &Residue) {
    while !residue.holds_answer() {
        let pause = tokio::time::sleep(Duration::from_millis(1));
        tokio::select! {
            () = residue.process().ended() => return,
            () = pause => {}
        }
    }
    // The answer's length is written last.
    tokio::time::sleep(Duration::from_millis(20)).await;
}

/// Keeps a descriptor open for as long as this process lives.
pub(crate) fn hold(descriptor: BorrowedFd<'_>) {
    locked(&HELD).extend(descriptor.try_clone_to_owned());
}

/// Puts `bytes` into a file in memory, as a pipe to a worker would have them.
pub(crate) fn hold_bytes(bytes: &[u8]) {
    let Ok(file) = memory_file() else { return };
    let mut file = File::from(file);
    let _ = file.write_all(bytes);
    hold(file.as_fd());
}

/// Makes memory that this process shares with all it forks.
pub(crate) fn share() {
    let made = memory_file().and_then(|file| {
        ftruncate(&file, SHARED_BYTES as u64)?;
        Shared::map(file, SHARED_BYTES)
    });
    *locked(&SHARED) = made.ok();
}

/// Puts the start of `bytes` where those see it that were and will be forked.
pub(crate) fn show(bytes: &[u8]) {
    let start = bytes.get(..SHARED_BYTES).unwrap_or(bytes);
    if let Some(shared) = &mut *locked(&SHARED) {
        let _ = shared.write(0, start);
    }
}
