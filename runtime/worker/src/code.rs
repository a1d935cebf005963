//! Compiled code: authentic, unchangeable, shared without a copy.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::Arc;

use notrace_runtime_jail::sealed::sealed_file;
use rustix::io::Errno;

/// Compiled code in a file that nobody can change. Cheap to clone; each worker maps it.
///
/// Made only from what our own compiler process has just made, or from bytes whose MAC under the
/// node's key was verified: loading code is trusting it.
#[derive(Clone)]
pub struct Code {
    file: Arc<OwnedFd>,
    bytes: u64,
}

impl Code {
    /// Code from bytes that are known to be authentic.
    ///
    /// # Errors  What the kernel said.
    pub(crate) fn from_authentic(bytes: &[u8]) -> Result<Self, Errno> {
        Ok(Self { file: Arc::new(sealed_file(bytes)?), bytes: bytes.len() as u64 })
    }

    pub(crate) fn file(&self) -> BorrowedFd<'_> {
        self.file.as_fd()
    }

    /// How many bytes the code has.
    pub fn bytes(&self) -> u64 {
        self.bytes
    }
}
impl Code {
    /// TEMP
    pub fn test() -> Self {
        Self::from_authentic(b"x").unwrap()
    }
}
