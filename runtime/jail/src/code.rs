//! Code that stays what it is: no page of it is unmapped, moved or changed (`mseal`).

use core::ffi::{c_int, c_void};
use core::ops::Range;

use rustix::io::Errno;

use crate::process::check;

const PAGE_BYTES: usize = 4096;

/// Whether the kernel can seal memory at all. Source: mseal(2), Linux 6.10.
pub(crate) fn can_seal() -> Result<(), Errno> {
    // SAFETY: an empty range; nothing is sealed.
    check(unsafe { libc::syscall(libc::SYS_mseal, 0, 0, 0) }).map(|_| ())
}

/// Seals the pages of `code`. Nothing undoes it but the end of the process.
pub(crate) fn seal(code: Range<*const u8>) -> Result<(), Errno> {
    let start = code.start as usize & !(PAGE_BYTES - 1);
    let length = (code.end as usize).saturating_sub(start).next_multiple_of(PAGE_BYTES);
    // SAFETY: the content of memory stays as it is, and so does every access to it; later attempts
    // to unmap it fail.
    check(unsafe { libc::syscall(libc::SYS_mseal, start, length, 0) }).map(|_| ())
}

/// Seals the code of this program and of the libraries it is linked with.
pub(crate) fn seal_program() -> Result<(), Errno> {
    let mut all: Result<(), Errno> = Ok(());
    // SAFETY: `visit` has the type that is asked for, and gets the pointer it expects; the list of
    // libraries does not change, because no other thread could.
    unsafe { libc::dl_iterate_phdr(Some(visit), (&raw mut all).cast()) };
    all
}

extern "C" fn visit(info: *mut libc::dl_phdr_info, _: usize, all: *mut c_void) -> c_int {
    // SAFETY: libc lends the description of one library for this call.
    let Some(info) = (unsafe { info.as_ref() }) else { return 0 };
    // SAFETY: this is what `seal_program` passed, which nobody else uses meanwhile.
    let Some(all) = (unsafe { all.cast::<Result<(), Errno>>().as_mut() }) else { return 0 };
    if is_kernels(info) {
        return 0;
    }
    // SAFETY: libc says that there are as many headers, which live as long as the library does.
    let headers = unsafe { core::slice::from_raw_parts(info.dlpi_phdr, info.dlpi_phnum.into()) };
    for header in headers.iter().filter(|header| header.p_type == libc::PT_LOAD) {
        if header.p_flags & libc::PF_X == 0 {
            continue;
        }
        let start = info.dlpi_addr.wrapping_add(header.p_vaddr) as usize;
        let start = core::ptr::without_provenance::<u8>(start);
        let end = start.wrapping_add(header.p_memsz as usize);
        *all = (*all).and(seal(start..end));
    }
    0
}

/// Whether this is the library that the kernel maps into every process, and guards itself.
fn is_kernels(info: &libc::dl_phdr_info) -> bool {
    if info.dlpi_name.is_null() {
        return false;
    }
    // SAFETY: libc gives a string with its end, for the time of the call.
    let name = unsafe { core::ffi::CStr::from_ptr(info.dlpi_name) };
    name.to_bytes().starts_with(b"linux-")
}
