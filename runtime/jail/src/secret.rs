//! Secret memory: pages the kernel has taken out of its own map of memory.
//!
//! What lies in `memfd_secret` pages cannot be read by root through `/proc`, is never swapped, is
//! in no core file, and is zeroed by the kernel when it is freed, however the process ended. Where
//! the kernel lacks it, locked memory that stays out of core files takes its place, and says so.

use std::os::fd::{AsFd, BorrowedFd, FromRawFd, OwnedFd, RawFd};

use rustix::fs::{MemfdFlags, ftruncate, memfd_create};
use rustix::io::Errno;

use crate::limits::SECRET_BYTES_MAX;
use crate::memory::Mapping;
use crate::process::check;

/// Secret memory of this process alone, zeroed when it is dropped.
pub struct SecretBytes {
    mapping: Mapping,
    secret: bool,
}

impl SecretBytes {
    /// `length` zero bytes of secret memory. Costs whole pages and some 50 µs.
    ///
    /// # Errors  What the kernel said; `RLIMIT_MEMLOCK` bounds the total of an unprivileged user.
    pub fn new(length: usize) -> Result<Self, Errno> {
        let (file, mapping, secret) = map_new(length)?;
        drop(file);
        Ok(Self { mapping, secret })
    }

    /// Lends the bytes for one call.
    pub fn reveal<R>(&self, read: impl FnOnce(&[u8]) -> R) -> R {
        read(self.mapping.lend())
    }

    /// Lends the bytes for one call that may change them.
    pub fn reveal_mut<R>(&mut self, change: impl FnOnce(&mut [u8]) -> R) -> R {
        change(self.mapping.lend_mut())
    }

    /// Whether these are `memfd_secret` pages, and not merely locked ones.
    pub fn is_secret_memory(&self) -> bool {
        self.secret
    }
}

impl Drop for SecretBytes {
    fn drop(&mut self) {
        self.mapping.wipe();
    }
}

/// A fixed number of bytes in secret memory, such as one key.
pub struct Secret<const N: usize>(SecretBytes);

impl<const N: usize> Secret<N> {
    /// `N` zero bytes of secret memory.
    ///
    /// # Errors  As [`SecretBytes::new`].
    pub fn new() -> Result<Self, Errno> {
        SecretBytes::new(N).map(Self)
    }

    /// Lends the bytes for one call.
    pub fn reveal<R>(&self, read: impl FnOnce(&[u8]) -> R) -> R {
        self.0.reveal(read)
    }

    /// Lends the bytes for one call that may change them.
    pub fn reveal_mut<R>(&mut self, change: impl FnOnce(&mut [u8]) -> R) -> R {
        self.0.reveal_mut(change)
    }

    /// Whether these are `memfd_secret` pages.
    pub fn is_secret_memory(&self) -> bool {
        self.0.is_secret_memory()
    }
}

/// Secret memory that one other process may map as well. Bytes are copied in and out, never lent.
pub struct SharedSecret {
    file: OwnedFd,
    mapping: Mapping,
    secret: bool,
}

impl SharedSecret {
    /// `length` zero bytes.
    ///
    /// # Errors  As [`SecretBytes::new`].
    pub fn new(length: usize) -> Result<Self, Errno> {
        let (file, mapping, secret) = map_new(length)?;
        Ok(Self { file, mapping, secret })
    }

    /// What to send to the process that is to share it.
    pub fn file(&self) -> BorrowedFd<'_> {
        self.file.as_fd()
    }

    /// Copies `bytes` to `offset`. `None` if they do not fit; then nothing was copied.
    pub fn put(&mut self, offset: usize, bytes: &[u8]) -> Option<()> {
        self.mapping.copy_in(offset, bytes)
    }

    /// Zeroes all of it, and tells how many bytes that were.
    pub fn wipe(&mut self) -> usize {
        self.mapping.wipe();
        self.mapping.bytes()
    }

    /// Whether these are `memfd_secret` pages, and not merely locked ones.
    pub fn is_secret_memory(&self) -> bool {
        self.secret
    }
}

impl Drop for SharedSecret {
    fn drop(&mut self) {
        self.mapping.wipe();
    }
}

fn map_new(length: usize) -> Result<(OwnedFd, Mapping, bool), Errno> {
    if length == 0 || length > SECRET_BYTES_MAX {
        return Err(Errno::INVAL);
    }
    let made = secret_file().and_then(|file| sized(file, length));
    #[cfg(feature = "planted-leaks")]
    let made = made.and_then(|made| if crate::leak::is(22) { Err(Errno::NOSYS) } else { Ok(made) });
    match made {
        Ok((file, mapping)) => Ok((file, mapping, true)),
        Err(_) => {
            let file = memfd_create("secret", MemfdFlags::CLOEXEC)?;
            let (file, mapping) = sized(file, length)?;
            // The host may allow too little locked memory; the fence that is missing says so.
            let _ = mapping.keep_in_memory();
            Ok((file, mapping, false))
        }
    }
}

fn sized(file: OwnedFd, length: usize) -> Result<(OwnedFd, Mapping), Errno> {
    ftruncate(&file, length as u64)?;
    let mapping = Mapping::of(&file, length)?;
    Ok((file, mapping))
}

fn secret_file() -> Result<OwnedFd, Errno> {
    // SAFETY: takes only a number.
    let number = check(unsafe { libc::syscall(libc::SYS_memfd_secret, libc::O_CLOEXEC) })?;
    let number = RawFd::try_from(number).map_err(|_| Errno::BADF)?;
    // SAFETY: the kernel has just made this descriptor for us.
    Ok(unsafe { OwnedFd::from_raw_fd(number) })
}

/// The other side of shared memory: what a worker maps, and then closes the file of.
pub struct Shared(Mapping);

impl Shared {
    /// Maps the first `length` bytes of `file` and closes it. The file must be that long.
    ///
    /// # Errors  What the kernel said.
    pub fn map(file: OwnedFd, length: usize) -> Result<Self, Errno> {
        Mapping::of(&file, length).map(Self)
    }

    /// Copies bytes out. `None` if the range is not inside.
    pub fn read(&self, offset: usize, into: &mut [u8]) -> Option<()> {
        self.0.copy_out(offset, into)
    }

    /// Copies bytes in. `None` if the range is not inside.
    pub fn write(&mut self, offset: usize, bytes: &[u8]) -> Option<()> {
        self.0.copy_in(offset, bytes)
    }

    /// Zeroes all of it.
    pub fn wipe(&mut self) {
        self.0.wipe();
    }

    /// How many bytes are mapped.
    pub fn length(&self) -> usize {
        self.0.bytes()
    }
}

#[cfg(test)]
mod secret_memory {
    use super::*;

    #[test]
    fn is_shared_through_its_file_and_wiped() {
        let mut ours = SharedSecret::new(4096).unwrap();
        let theirs = Shared::map(ours.file().try_clone_to_owned().unwrap(), 4096).unwrap();
        ours.put(7, b"key").unwrap();
        let mut seen = [0; 3];
        theirs.read(7, &mut seen).unwrap();
        assert_eq!(&seen, b"key");
        assert_eq!(ours.wipe(), 4096);
        theirs.read(7, &mut seen).unwrap();
        assert_eq!(seen, [0; 3]);
    }

    #[test]
    fn cannot_be_read_through_proc_even_by_root() {
        let mut ours = SecretBytes::new(4096).unwrap();
        let at = ours.reveal_mut(|bytes| {
            bytes.fill(0x5A);
            bytes.as_ptr() as u64
        });
        let memory = std::fs::File::open("/proc/self/mem").unwrap();
        let mut seen = [0; 16];
        let read = std::os::unix::fs::FileExt::read_at(&memory, &mut seen, at);
        assert_eq!(read.is_err(), ours.is_secret_memory());
    }

    #[test]
    fn refuses_ranges_that_do_not_fit() {
        let mut ours = SharedSecret::new(64).unwrap();
        assert!(ours.put(62, b"abc").is_none());
        assert!(ours.put(usize::MAX, b"abc").is_none());
        assert!(SecretBytes::new(0).is_err());
        assert!(SecretBytes::new(SECRET_BYTES_MAX + 1).is_err());
    }
}
