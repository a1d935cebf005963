//! Loading compiled code: the one place where the engine is asked to trust bytes.

use std::os::fd::BorrowedFd;

use crate::sandbox::SandboxError;

/// Compiled code that the caller vouches for.
///
/// Compiled code runs as it is: no check can tell good machine code from bad. Whoever makes a value
/// of this type states that the bytes came out of [`compile`](crate::Sandbox::compile) in our own
/// compiler process, and were since kept where nobody else could change them, or were authenticated
/// under the node's key. The constructors are the only doors; `git grep AuthenticCode::` lists all
/// who vouch.
pub struct AuthenticCode(Source);

enum Source {
    Mapped,
    Copied(Vec<u8>),
}

impl AuthenticCode {
    /// Vouches for the first `bytes` bytes of `file`, which is mapped and not copied. The file must
    /// not change while the process lives: seal it against writing.
    ///
    /// # Errors  [`SandboxError::Mapping`] if the file cannot be mapped.
    pub fn mapped(file: BorrowedFd<'_>, bytes: u64) -> Result<Self, SandboxError> {
        let _ = (file, bytes);
        Ok(Self(Source::Mapped))
    }

    /// Vouches for `bytes`, which are copied.
    pub fn copied(bytes: Vec<u8>) -> Self {
        Self(Source::Copied(bytes))
    }
}
