//! Memory that others than this program read and write: network cards, the kernel, other processes.
//! There is never a reference to it, only copies into it and out of it.

use std::ffi::c_void;
use std::ptr::{NonNull, null_mut};
use std::sync::atomic::{Ordering, fence};

use rustix::mm::{MapFlags, ProtFlags, mmap_anonymous, munmap};

pub(super) struct Pages {
    begin: NonNull<u8>,
    bytes: usize,
}

// SAFETY: the memory belongs to this value alone as far as this program goes.
unsafe impl Send for Pages {}

impl Pages {
    /// So many bytes, all of them zero. `None` for none, or where there is no memory.
    pub(super) fn new(bytes: usize) -> Option<Self> {
        let (may, kind) = (ProtFlags::READ | ProtFlags::WRITE, MapFlags::PRIVATE);
        // SAFETY: the kernel chooses where, so that nothing else is there.
        let begin = unsafe { mmap_anonymous(null_mut(), bytes, may, kind) };
        Some(Self { begin: NonNull::new(begin.ok()?.cast())?, bytes })
    }

    fn begin(&self) -> *mut c_void {
        self.begin.as_ptr().cast()
    }

    pub(super) fn len(&self) -> usize {
        self.bytes
    }

    /// Where the byte `at` is, if it and the `count - 1` after it are within.
    pub(super) fn place(&self, at: usize, count: usize) -> Option<*mut u8> {
        let within = at.checked_add(count).is_some_and(|end| end <= self.len());
        within.then(|| self.begin.as_ptr().wrapping_add(at))
    }

    /// Copies bytes in. Whether they fit.
    pub(super) fn put(&mut self, at: usize, bytes: &[u8]) -> bool {
        let Some(place) = self.place(at, bytes.len()) else { return false };
        // SAFETY: the place has room for so many, and no reference leads there.
        unsafe { place.copy_from_nonoverlapping(bytes.as_ptr(), bytes.len()) };
        true
    }

    /// Copies bytes out. Whether there are so many. What was written before the completion that
    /// told of it is seen; what is written meanwhile may be seen in part.
    pub(super) fn get(&self, at: usize, into: &mut [u8]) -> bool {
        let Some(place) = self.place(at, into.len()) else { return false };
        fence(Ordering::Acquire);
        // SAFETY: the place has so many bytes, and no reference leads there.
        unsafe { place.copy_to_nonoverlapping(into.as_mut_ptr(), into.len()) };
        true
    }
}

impl Drop for Pages {
    fn drop(&mut self) {
        // SAFETY: it was mapped so, and nothing can name it after this.
        let _ = unsafe { munmap(self.begin(), self.bytes) };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_come_out_as_they_went_in() {
        let mut pages = Pages::new(10_000).unwrap();
        let mut out = [1; 4];
        assert!(pages.get(9_996, &mut out));
        assert_eq!(out, [0; 4]);
        assert!(pages.put(9_997, b"abc") && pages.get(9_996, &mut out));
        assert_eq!(&out, b"\0abc");
        assert!(pages.put(10_000, b"") && pages.get(10_000, &mut []));
    }

    #[test]
    fn nothing_outside_is_touched() {
        let mut pages = Pages::new(100).unwrap();
        for (at, count) in [(100, 1), (99, 2), (0, 101), (usize::MAX, 1), (usize::MAX, 2)] {
            assert!(!pages.put(at, &vec![1; count]) && !pages.get(at, &mut vec![0; count]));
        }
        assert!(Pages::new(0).is_none() && Pages::new(usize::MAX).is_none());
    }
}
