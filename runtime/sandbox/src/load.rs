//! Loading compiled code: the one place where the engine is asked to trust bytes, and the only
//! `unsafe` of this crate.
#![expect(unsafe_code, reason = "machine code is trusted or it is not; no check can tell")]

use core::ops::Range;
use core::ptr::{self, NonNull};
use std::os::fd::BorrowedFd;

use rustix::fs::fstat;
use rustix::mm::{MapFlags, MprotectFlags, ProtFlags, mmap, mprotect};
use wasmtime::component::Component;
use wasmtime::{CustomCodeMemory, Engine};

use crate::sandbox::SandboxError;

/// The pages that code is aligned to in a compiled artefact, on every machine we build for.
const PAGE_BYTES: usize = 4096;

/// Compiled code that the caller vouches for.
///
/// Compiled code runs as it is: no check can tell good machine code from bad. Whoever makes a value
/// of this type states that the bytes came out of [`compile`](crate::Sandbox::compile) in our own
/// compiler process, and were since kept where nobody else could change them, or were authenticated
/// under the node's key. The two constructors are the only doors; `git grep AuthenticCode::` lists
/// all who vouch.
pub struct AuthenticCode(Source);

enum Source {
    Mapped(NonNull<[u8]>),
    Copied(Vec<u8>),
}

impl AuthenticCode {
    /// Vouches for the first `bytes` bytes of `file`, which are mapped and not copied. The file
    /// must not change while the process lives: seal it against writing. The mapping stays until
    /// the process ends, because the engine may hold on to code as long; a worker loads once.
    ///
    /// # Errors  [`SandboxError::Mapping`] if the file cannot be mapped, [`SandboxError::Foreign`]
    /// if it has fewer bytes.
    pub fn mapped(file: BorrowedFd<'_>, bytes: u64) -> Result<Self, SandboxError> {
        // Reading a mapping beyond the end of its file is a fault that nothing catches.
        let size = fstat(file).map_err(|errno| SandboxError::Mapping(errno.kind()))?.st_size;
        let length = usize::try_from(bytes).unwrap_or(0);
        if length == 0 || u64::try_from(size).unwrap_or(0) < bytes {
            return Err(SandboxError::Foreign);
        }
        let (protect, flags) = (ProtFlags::READ, MapFlags::PRIVATE);
        // SAFETY: a fresh mapping at an address of the kernel's choice overlaps nothing.
        let start = unsafe { mmap(ptr::null_mut(), length, protect, flags, file, 0) }
            .map_err(|errno| SandboxError::Mapping(errno.kind()))?;
        let start = NonNull::new(start.cast()).ok_or(SandboxError::Foreign)?;
        Ok(Self(Source::Mapped(NonNull::slice_from_raw_parts(start, length))))
    }

    /// Vouches for `bytes`, which are copied.
    pub fn copied(bytes: Vec<u8>) -> Self {
        Self(Source::Copied(bytes))
    }

    /// Where the code lies, if it is mapped: its pages are nobody else's.
    pub(crate) fn place(&self) -> Option<Range<*const u8>> {
        match &self.0 {
            Source::Mapped(memory) => {
                let start = memory.as_ptr().cast::<u8>().cast_const();
                Some(start..start.wrapping_add(memory.len()))
            }
            Source::Copied(_) => None,
        }
    }

    /// The code as the engine's.
    pub(crate) fn into_component(self, engine: &Engine) -> Result<Component, SandboxError> {
        let component = match &self.0 {
            // SAFETY: the caller vouched for the bytes; the mapping is private, is never unmapped,
            // and nothing here writes to it.
            Source::Mapped(memory) => unsafe { Component::deserialize_raw(engine, *memory) },
            // SAFETY: the caller vouched for the bytes.
            #[expect(clippy::disallowed_methods, reason = "the one place that is told to trust")]
            Source::Copied(bytes) => unsafe { Component::deserialize(engine, bytes) },
        };
        component.map_err(|_| SandboxError::Foreign)
    }
}

/// Code memory that is made executable: for processes that run tasks.
pub(crate) struct Executable;

/// Code memory that never becomes executable: for processes that only compile. They have no right
/// to map executable pages, and need none.
pub(crate) struct Inert;

impl CustomCodeMemory for Executable {
    fn required_alignment(&self) -> usize {
        PAGE_BYTES
    }

    fn publish_executable(&self, start: *const u8, length: usize) -> wasmtime::Result<()> {
        let length = length.next_multiple_of(PAGE_BYTES);
        let access = MprotectFlags::READ | MprotectFlags::EXEC;
        // SAFETY: the engine hands over the text of an artefact it holds, which starts on a page
        // and is followed by nothing on its last one; only its protection changes, never to
        // writable.
        unsafe { mprotect(start.cast_mut().cast(), length, access) }
            .map_err(|_| wasmtime::Error::msg("code memory"))
    }

    /// Code that was mapped stays as it is until the process ends, and may be sealed so; code that
    /// was copied is unmapped next.
    fn unpublish_executable(&self, _: *const u8, _: usize) -> wasmtime::Result<()> {
        Ok(())
    }
}

impl CustomCodeMemory for Inert {
    fn required_alignment(&self) -> usize {
        PAGE_BYTES
    }

    fn publish_executable(&self, _: *const u8, _: usize) -> wasmtime::Result<()> {
        Ok(())
    }

    fn unpublish_executable(&self, _: *const u8, _: usize) -> wasmtime::Result<()> {
        Ok(())
    }
}
