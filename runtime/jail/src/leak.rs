//! Leaks that are planted on purpose, so that the hunt for leaks can be shown to find each kind.
//!
//! They are there only in a build with the feature `planted-leaks`, which no release build can
//! have; and of those that are there only the one whose number a variable of the environment names.
//! `tests/residue` has the table of all of them. What is here is what needs system calls.

use core::alloc::{GlobalAlloc, Layout};
use core::sync::atomic::{AtomicU32, Ordering};
use std::alloc::System;
use std::process::Command;

use rustix::io::Errno;

use crate::process::check;

#[cfg(not(debug_assertions))]
compile_error!("planted leaks are for tests of the hunt; a release build may not have them");

/// Names the leak.
const VARIABLE: &str = "NOTRACE_PLANTED";
/// Before the variable was read.
const UNREAD: u32 = u32::MAX;

static CHOSEN: AtomicU32 = AtomicU32::new(UNREAD);

/// Whether this leak is the one that is planted.
pub fn is(number: u32) -> bool {
    chosen() == number
}

/// The leak that is planted; 0 for none.
pub fn chosen() -> u32 {
    match CHOSEN.load(Ordering::Relaxed) {
        UNREAD => read(),
        number => number,
    }
}

#[expect(clippy::disallowed_methods, reason = "a test chooses the leak from outside")]
fn read() -> u32 {
    let number = std::env::var(VARIABLE).ok().and_then(|text| text.parse().ok()).unwrap_or(0);
    CHOSEN.store(number, Ordering::Relaxed);
    number
}

/// Lets a process of ours, whose environment is empty, have the same leak.
pub fn pass_on(command: &mut Command) {
    command.env(VARIABLE, chosen().to_string());
}

/// What memory comes from and goes back to, in place of an allocator that wipes.
pub struct Allocator<A>(pub A);

/// Whether memory goes back as it is. Read here without allocating: before the variable was read,
/// nothing was sent to this process.
fn is_careless() -> bool {
    matches!(CHOSEN.load(Ordering::Relaxed), 1 | 12)
}

// SAFETY: both allocators take memory from the system's and give it back to it with the layout they
// are told, so that either may give back what the other took.
unsafe impl<A: GlobalAlloc> GlobalAlloc for Allocator<A> {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        // SAFETY: the caller upholds the same contract.
        unsafe { self.0.alloc(layout) }
    }

    unsafe fn dealloc(&self, memory: *mut u8, layout: Layout) {
        if is_careless() {
            // SAFETY: the caller upholds the same contract.
            return unsafe { System.dealloc(memory, layout) };
        }
        // SAFETY: the caller upholds the same contract.
        unsafe { self.0.dealloc(memory, layout) }
    }
}

/// A thread that waits for ever in a system call, with `bytes` in the registers of its arguments.
pub fn keep_in_registers(bytes: &[u8]) {
    let mut words =
        bytes.chunks_exact(8).map(|word| word.try_into().map_or(0, libc::c_long::from_le_bytes));
    let mut next = || words.next().unwrap_or(0);
    let [a, b, c, d, e] = [next(), next(), next(), next(), next()];
    std::thread::spawn(move || {
        // SAFETY: the call takes no argument and looks at none.
        unsafe { libc::syscall(libc::SYS_pause, a, b, c, d, e) }
    });
}

/// Shares rings of buffers with the kernel, and keeps them.
pub fn share_rings() {
    let mut parameters = [0_u8; 120];
    // SAFETY: the parameters are as large as the kernel's and live for the call.
    let made = unsafe { libc::syscall(libc::SYS_io_uring_setup, 4, parameters.as_mut_ptr()) };
    // The descriptor stays open: nothing owns it.
    let _ = check(made);
}

/// Lets the kernel merge this process's pages with equal ones of others.
pub fn let_pages_merge() -> Result<(), Errno> {
    // SAFETY: takes only numbers.
    check(unsafe { libc::prctl(libc::PR_SET_MEMORY_MERGE, 1, 0, 0, 0) }).map(drop)
}

/// Keeps a key in the user's keyring under a name that says what it was for.
pub fn keep_in_keyring(name: &str) {
    const USER_KEYRING: libc::c_long = -4;
    // Source: keyctl(2), `KEYCTL_SET_TIMEOUT`.
    const SET_TIMEOUT: libc::c_long = 15;
    const SECONDS: libc::c_long = 120;
    let Ok(name) = std::ffi::CString::new(name) else { return };
    let (kind, value) = (c"user".as_ptr(), b"x".as_ptr());
    // SAFETY: two strings with their ends and one byte, all alive for the call.
    let key = check(unsafe {
        libc::syscall(libc::SYS_add_key, kind, name.as_ptr(), value, 1_usize, USER_KEYRING)
    });
    if let Ok(key) = key {
        // Long enough for the hunt; what is left of a test should not stay on a machine.
        // SAFETY: takes only numbers.
        let _ = check(unsafe { libc::syscall(libc::SYS_keyctl, SET_TIMEOUT, key, SECONDS) });
    }
}
