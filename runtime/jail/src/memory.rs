//! Mapped memory, in and out of which bytes are only copied, and the wiping of stacks.

use std::os::fd::AsFd;
use std::ptr::NonNull;
use std::sync::atomic::{AtomicUsize, Ordering, compiler_fence};

use rustix::io::Errno;
use rustix::mm::{Advice, MapFlags, ProtFlags, madvise, mlock, mmap, munmap};

use crate::limits::STACK_BYTES_MAX;
use crate::process::check;

const PAGE_BYTES: usize = 4096;

/// A mapping of a file, shared with whoever else maps it. Another process may change it at any
/// instant, so it is never lent as a reference.
pub(crate) struct Mapping {
    at: NonNull<u8>,
    bytes: usize,
}

// SAFETY: the mapping belongs to the process, not to a thread, and is moved as a whole.
unsafe impl Send for Mapping {}
// SAFETY: through a shared reference bytes are only copied out, or lent by `SecretBytes`, whose
// exclusive access is what changes them.
unsafe impl Sync for Mapping {}

impl Mapping {
    pub(crate) fn of(file: impl AsFd, bytes: usize) -> Result<Self, Errno> {
        let access = ProtFlags::READ | ProtFlags::WRITE;
        // SAFETY: a new mapping at an address of the kernel's choice, so none of ours is replaced.
        let at = unsafe {
            mmap(core::ptr::null_mut(), bytes, access, MapFlags::SHARED, file.as_fd(), 0)
        }?;
        let at = NonNull::new(at.cast()).ok_or(Errno::FAULT)?;
        Ok(Self { at, bytes })
    }

    pub(crate) fn bytes(&self) -> usize {
        self.bytes
    }

    /// Keeps it out of swap and of core files, as far as the host lets us.
    pub(crate) fn keep_in_memory(&self) -> Result<(), Errno> {
        // SAFETY: the range is this mapping; the advice changes no content.
        unsafe { madvise(self.at.as_ptr().cast(), self.bytes, Advice::LinuxDontDump) }?;
        // SAFETY: the range is this mapping.
        unsafe { mlock(self.at.as_ptr().cast(), self.bytes) }
    }

    pub(crate) fn copy_out(&self, offset: usize, into: &mut [u8]) -> Option<()> {
        let from = self.place(offset, into.len())?;
        // SAFETY: `place` checked that the whole source lies in the mapping; `into` is not in it.
        unsafe { core::ptr::copy_nonoverlapping(from, into.as_mut_ptr(), into.len()) };
        Some(())
    }

    pub(crate) fn copy_in(&mut self, offset: usize, from: &[u8]) -> Option<()> {
        let into = self.place(offset, from.len())?;
        // SAFETY: `place` checked that the whole target lies in the mapping; `from` is not in it.
        unsafe { core::ptr::copy_nonoverlapping(from.as_ptr(), into, from.len()) };
        Some(())
    }

    pub(crate) fn wipe(&mut self) {
        // SAFETY: the range is this mapping.
        unsafe { core::ptr::write_bytes(self.at.as_ptr(), 0, self.bytes) };
        compiler_fence(Ordering::SeqCst);
    }

    /// Lends the memory. Only for mappings of which no other process has the file.
    pub(crate) fn lend(&self) -> &[u8] {
        // SAFETY: mapped, initialised by the kernel, and changed only through `&mut self`.
        unsafe { core::slice::from_raw_parts(self.at.as_ptr(), self.bytes) }
    }

    /// Lends the memory for changing. Only for mappings of which no other process has the file.
    pub(crate) fn lend_mut(&mut self) -> &mut [u8] {
        // SAFETY: as for `lend`, and exclusive by `&mut self`.
        unsafe { core::slice::from_raw_parts_mut(self.at.as_ptr(), self.bytes) }
    }

    fn place(&self, offset: usize, bytes: usize) -> Option<*mut u8> {
        let end = offset.checked_add(bytes)?;
        (end <= self.bytes).then(|| self.at.as_ptr().wrapping_add(offset))
    }
}

impl Drop for Mapping {
    fn drop(&mut self) {
        // SAFETY: the range is this mapping, and nothing lent from it outlives `self`.
        let _ = unsafe { munmap(self.at.as_ptr().cast(), self.bytes) };
    }
}

/// Zeroes the part of this thread's stack that is below the caller and was used before, and its
/// signal stack. Pages that were never touched are found by `mincore` and left alone, so the cost
/// follows what was used.
#[inline(never)]
pub fn wipe_stack() {
    let mut here = 0u8;
    wipe_signal_stack();
    wipe_below(&raw mut here);
    cover();
}

/// Where the signal stack is that processes of ours have, and how long; the first is 0 for none.
static SIGNAL_STACK: [AtomicUsize; 2] = [const { AtomicUsize::new(0) }; 2];

/// Remembers this thread's signal stack for those that are forked from here: once they are
/// settled they can no longer ask for it.
pub(crate) fn note_signal_stack() {
    // SAFETY: all zeroes are a value of this plain struct.
    let mut stack: libc::stack_t = unsafe { core::mem::zeroed() };
    // SAFETY: the kernel only tells what the stack is, into a struct that lives for the call.
    let asked = check(unsafe { libc::sigaltstack(core::ptr::null(), &raw mut stack) });
    if asked.is_ok() && stack.ss_flags & libc::SS_DISABLE == 0 {
        let [at, bytes] = &SIGNAL_STACK;
        at.store(stack.ss_sp as usize, Ordering::Relaxed);
        bytes.store(stack.ss_size, Ordering::Relaxed);
    }
}

/// Zeroes the signal stack, on which the registers lie of whatever a signal interrupted: a guest
/// that trapped was seen to leave sixteen bytes of its input there. Nothing is on it now.
fn wipe_signal_stack() {
    const PAGES: usize = 16;
    let [start, bytes] = SIGNAL_STACK.each_ref().map(|half| half.load(Ordering::Relaxed));
    let (mut at, end) = (start.next_multiple_of(PAGE_BYTES), start.saturating_add(bytes));
    let mut resident = [0u8; PAGES];
    while start != 0 && at + PAGE_BYTES <= end {
        let pages = ((end - at) / PAGE_BYTES).min(PAGES);
        let place = core::ptr::without_provenance_mut::<libc::c_void>(at);
        // SAFETY: the kernel writes one byte per page into `resident`, which has at least as many.
        let asked =
            check(unsafe { libc::mincore(place, pages * PAGE_BYTES, resident.as_mut_ptr()) });
        for (page, _) in resident.iter().take(pages).enumerate().filter(|(_, it)| **it & 1 == 1) {
            if asked.is_ok() {
                wipe_page(at + page * PAGE_BYTES);
            }
        }
        at += pages * PAGE_BYTES;
    }
}

/// Zeroes the pages right below the caller, where the frames of the search itself were.
#[inline(never)]
fn cover() {
    let mut near = [0u8; 4 * PAGE_BYTES];
    core::hint::black_box(&mut near);
}

/// Zeroes resident stack pages from one page below `here` downwards.
#[inline(never)]
fn wipe_below(here: *mut u8) {
    const PAGES: usize = 16;
    // The pages in between hold the frames of this function and of those it calls.
    let mut top = (here as usize & !(PAGE_BYTES - 1)) - 2 * PAGE_BYTES;
    let lowest = top.saturating_sub(STACK_BYTES_MAX);
    let mut resident = [0u8; PAGES];
    while top > lowest {
        let low = top - PAGES * PAGE_BYTES;
        let at = core::ptr::without_provenance_mut::<libc::c_void>(low);
        // SAFETY: the kernel writes one byte per page into `resident`, which has as many.
        let asked = check(unsafe { libc::mincore(at, PAGES * PAGE_BYTES, resident.as_mut_ptr()) });
        // The end of the mapping: what is below is not stack, or was never grown into.
        if asked.is_err() || resident.iter().all(|page| page & 1 == 0) {
            return wipe_edge(low, top);
        }
        for (page, _) in resident.iter().enumerate().filter(|(_, page)| *page & 1 == 1) {
            wipe_page(low + page * PAGE_BYTES);
        }
        top = low;
    }
}

/// The last pages above the end of the stack's mapping, found one by one.
fn wipe_edge(low: usize, mut top: usize) {
    let mut resident = [0u8; 1];
    while top > low {
        top -= PAGE_BYTES;
        let at = core::ptr::without_provenance_mut::<libc::c_void>(top);
        // SAFETY: the kernel writes one byte, which `resident` has.
        let asked = check(unsafe { libc::mincore(at, PAGE_BYTES, resident.as_mut_ptr()) });
        if asked.is_err() || resident.iter().all(|page| page & 1 == 0) {
            return;
        }
        wipe_page(top);
    }
}

fn wipe_page(at: usize) {
    let page = core::ptr::with_exposed_provenance_mut::<u8>(at);
    // SAFETY: the page is a resident part of this thread's stack, below every live frame, or of its
    // signal stack while it is not on it.
    unsafe { core::ptr::write_bytes(page, 0, PAGE_BYTES) };
    compiler_fence(Ordering::SeqCst);
}

#[cfg(test)]
mod a_stack {
    use super::*;

    /// Fills a deep frame, and leaves it behind.
    #[inline(never)]
    fn leave(mark: u8) -> usize {
        let mut frame = [mark; 64 * 1024];
        core::hint::black_box(&mut frame);
        frame.as_ptr() as usize
    }

    /// How many of the bytes that were left still are as they were left. The uppermost are not
    /// looked at: return addresses of the wiping itself lie there, and their bytes may be any.
    #[inline(never)]
    fn count(at: usize, mark: u8) -> usize {
        let bytes = core::ptr::with_exposed_provenance::<u8>(at);
        let read = |offset: usize| {
            // SAFETY: the place is in a frame that was just left, so in this thread's stack.
            unsafe { bytes.wrapping_add(offset).read_volatile() }
        };
        (0..40 * 1024).filter(|offset| read(*offset) == mark).count()
    }

    #[test]
    fn keeps_what_was_on_it_until_it_is_wiped() {
        let at = leave(0xA7);
        assert!(count(at, 0xA7) > 36 * 1024, "the control must find what was left");
        let at = leave(0xA7);
        wipe_stack();
        assert_eq!(count(at, 0xA7), 0);
    }
}
