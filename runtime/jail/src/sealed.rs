//! Files in memory that nobody can change any more.

use std::fs::File;
use std::io::Write;
use std::os::fd::OwnedFd;

use rustix::fs::{MemfdFlags, SealFlags, fcntl_add_seals, memfd_create};
use rustix::io::Errno;

/// `bytes` in an anonymous file that can be mapped, and neither written, resized nor executed as a
/// program. Whoever is sent it may map it without a copy and rely on its content.
///
/// # Errors  What the kernel said.
pub fn sealed_file(bytes: &[u8]) -> Result<OwnedFd, Errno> {
    let file = File::from(memory_file()?);
    (&file).write_all(bytes).map_err(|_| Errno::NOMEM)?;
    let file = OwnedFd::from(file);
    fcntl_add_seals(
        &file,
        SealFlags::WRITE | SealFlags::SHRINK | SealFlags::GROW | SealFlags::SEAL,
    )?;
    Ok(file)
}

/// An empty anonymous file, for what passes between two processes.
///
/// # Errors  What the kernel said.
pub fn memory_file() -> Result<OwnedFd, Errno> {
    let flags = MemfdFlags::CLOEXEC | MemfdFlags::ALLOW_SEALING;
    // Before Linux 6.3 there is no `NOEXEC_SEAL`, and some hosts refuse files without it.
    memfd_create("notrace", flags | MemfdFlags::NOEXEC_SEAL)
        .or_else(|_| memfd_create("notrace", flags))
}

#[cfg(test)]
mod a_sealed_file {
    use super::*;
    use std::os::unix::fs::FileExt;

    #[test]
    fn reads_back_and_takes_no_change() {
        let file = File::from(sealed_file(b"code").unwrap());
        let mut seen = [0; 4];
        file.read_exact_at(&mut seen, 0).unwrap();
        assert_eq!(&seen, b"code");
        assert!(file.write_at(b"x", 0).is_err());
        assert!(file.set_len(2).is_err());
        assert!(file.set_len(9).is_err());
    }
}
