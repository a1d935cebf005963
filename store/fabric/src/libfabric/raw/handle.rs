//! What libfabric opened.

use std::ffi::c_int;
use std::mem::ManuallyDrop;
use std::ptr::NonNull;

use libfabric_sys as sys;

/// What libfabric answers when something failed: an error number, as a positive one.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Code(pub(crate) i32);

/// Zero, or why not.
pub(super) fn check(result: c_int) -> Result<(), Code> {
    if result == 0 { Ok(()) } else { Err(Code(result.saturating_neg())) }
}

/// An object of libfabric, which is closed when this is dropped.
pub(super) struct Handle<T>(NonNull<T>);

impl<T> Handle<T> {
    /// Takes over what a call that opens something has left, if it answered zero.
    /// # Safety
    /// Then `opened` is null or leads to an open object, of which the first field is its `fid`, and
    /// which nobody else closes.
    pub(super) unsafe fn own(result: c_int, opened: *mut T) -> Result<Self, Code> {
        check(result)?;
        NonNull::new(opened).map(Self).ok_or(Code(0))
    }

    pub(super) fn get(&self) -> *mut T {
        self.0.as_ptr()
    }

    pub(super) fn fid(&self) -> *mut sys::fid {
        self.0.as_ptr().cast()
    }

    /// Closes it; whether libfabric has let go of it.
    pub(super) fn close(self) -> bool {
        let this = ManuallyDrop::new(self);
        // SAFETY: it is open, and the wrapper keeps it from being closed again.
        unsafe { sys::inline_fi_close(this.fid()) == 0 }
    }
}

impl<T> Drop for Handle<T> {
    fn drop(&mut self) {
        // SAFETY: it is open, and nothing can name it after this.
        unsafe { sys::inline_fi_close(self.fid()) };
    }
}
