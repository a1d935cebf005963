//! Any system call and any place in memory, as somebody has them who took a process over.

use core::ffi::c_long;

use rustix::io::Errno;

use crate::process::check;

/// Makes the system call. What pointers among the arguments point to is the caller's business: this
/// is for processes that are made to be lost.
///
/// # Errors  What the kernel said.
pub fn call(number: c_long, with: [usize; 6]) -> Result<usize, Errno> {
    let [a, b, c, d, e, f] = with;
    // SAFETY: none can be given, which is the point: a test's process tries here what only broken
    // code would, and what it breaks is itself.
    let value = check(unsafe { libc::syscall(number, a, b, c, d, e, f) })?;
    usize::try_from(value).map_err(|_| Errno::RANGE)
}

/// Copies `bytes` to an address that some call returned.
pub fn poke(address: usize, bytes: &[u8]) {
    let place = core::ptr::with_exposed_provenance_mut::<u8>(address);
    // SAFETY: as for `call`; the address is of memory that this process has just mapped.
    unsafe { core::ptr::copy_nonoverlapping(bytes.as_ptr(), place, bytes.len()) };
}

/// Copies bytes from an address that some call returned.
pub fn peek(address: usize, bytes: &mut [u8]) {
    let place = core::ptr::with_exposed_provenance::<u8>(address);
    // SAFETY: as for `poke`.
    unsafe { core::ptr::copy_nonoverlapping(place, bytes.as_mut_ptr(), bytes.len()) };
}

/// Faults, as code does that is broken.
pub fn fault() {
    let nowhere = core::ptr::without_provenance_mut::<u8>(8);
    // SAFETY: none; the process ends here.
    unsafe { nowhere.write_volatile(1) };
}
