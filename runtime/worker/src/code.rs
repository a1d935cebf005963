//! Compiled code: authentic, unchangeable, shared without a copy.

use std::fs::File;
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::fs::FileExt;
use std::sync::Arc;

use notrace_policy_promise::digest::Digest;
use notrace_runtime_jail::sealed::sealed_file;
use rustix::io::Errno;

/// Compiled code in a file that nobody can change. Cheap to clone; each worker maps it.
///
/// Made only from what our own compiler process has just made, or from bytes whose MAC under the
/// node's key was verified: loading code is trusting it.
#[derive(Clone)]
pub struct Code {
    module: Digest,
    file: Arc<File>,
    bytes: u64,
}

impl Code {
    /// Code from bytes that are known to be authentic, made of the module with this digest.
    ///
    /// # Errors  What the kernel said.
    pub(crate) fn from_authentic(module: Digest, bytes: &[u8]) -> Result<Self, Errno> {
        let file = Arc::new(File::from(sealed_file(bytes)?));
        Ok(Self { module, file, bytes: bytes.len() as u64 })
    }

    /// The digest of the module it was made of.
    pub fn module(&self) -> Digest {
        self.module
    }

    /// How many bytes the code has.
    pub fn bytes(&self) -> u64 {
        self.bytes
    }

    pub(crate) fn file(&self) -> BorrowedFd<'_> {
        self.file.as_fd()
    }

    pub(crate) fn copy(&self) -> Option<Vec<u8>> {
        let mut bytes = vec![0; usize::try_from(self.bytes).ok()?];
        self.file.read_exact_at(&mut bytes, 0).ok()?;
        Some(bytes)
    }
}

impl Code {
    /// The same with its first byte altered: for tests, which must see a worker refuse it.
    #[doc(hidden)]
    pub fn altered(&self) -> Result<Self, Errno> {
        let mut bytes = self.copy().ok_or(Errno::NOMEM)?;
        if let Some(first) = bytes.first_mut() {
            *first ^= 1;
        }
        Self::from_authentic(self.module, &bytes)
    }
}
