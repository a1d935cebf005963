//! A disk that is a folder.

use std::io::{self, IoSlice};
use std::os::fd::OwnedFd;
use std::os::unix::fs::DirBuilderExt;
use std::path::Path;
use std::sync::Arc;

use rustix::fs::{self, AtFlags, Dir, FlockOperation, Mode, OFlags};
use rustix::io::Errno;

use super::{Disk, DiskFile};
use crate::error::{OpenError, opening};

/// A folder that is this process's alone. Everything below it has mode 0600.
#[derive(Clone)]
pub struct FileDisk(Arc<Folder>);

struct Folder {
    fd: OwnedFd,
    /// Its lock is held until the last handle is dropped.
    _lock: OwnedFd,
}

/// An open file of a [`FileDisk`].
pub struct File(OwnedFd);

const LOCK: &str = "lock";
const OWNER_ONLY: Mode = Mode::from_raw_mode(0o600);

impl FileDisk {
    /// Opens the folder `dir`, made if it is not there (mode 0700), and locks it.
    /// # Errors  [`OpenError::InUse`] if another process has; [`OpenError::Disk`].
    pub fn open(dir: &Path) -> Result<Self, OpenError> {
        let exists = dir.is_dir();
        if !exists {
            let mut builder = std::fs::DirBuilder::new();
            builder.recursive(true).mode(0o700).create(dir).map_err(opening("made"))?;
            let parent = dir.parent().filter(|parent| !parent.as_os_str().is_empty());
            let parent = open_dir(parent.unwrap_or(Path::new("."))).map_err(opening("opened"))?;
            fs::fsync(parent).map_err(|error| opening("synced")(error.into()))?;
        }
        let fd = open_dir(dir).map_err(opening("opened"))?;
        let flags = OFlags::RDWR | OFlags::CREATE | OFlags::CLOEXEC;
        let lock = fs::openat(&fd, LOCK, flags, OWNER_ONLY);
        let lock = lock.map_err(|error| opening("opened")(error.into()))?;
        match fs::flock(&lock, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => Ok(Self(Arc::new(Folder { fd, _lock: lock }))),
            Err(Errno::WOULDBLOCK) => Err(OpenError::InUse),
            Err(error) => Err(opening("locked")(error.into())),
        }
    }
}

fn open_dir(dir: &Path) -> io::Result<OwnedFd> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
    Ok(fs::open(dir, flags, Mode::empty())?)
}

impl Disk for FileDisk {
    type File = File;

    fn list(&self) -> io::Result<Vec<String>> {
        let mut names = Vec::new();
        for entry in Dir::read_from(&self.0.fd)? {
            let entry = entry?;
            names.extend(entry.file_name().to_str().ok().map(str::to_owned));
        }
        Ok(names)
    }

    fn create(&self, name: &str) -> io::Result<File> {
        let flags = OFlags::RDWR | OFlags::CREATE | OFlags::EXCL | OFlags::CLOEXEC;
        Ok(File(fs::openat(&self.0.fd, name, flags, OWNER_ONLY)?))
    }

    fn open(&self, name: &str) -> io::Result<File> {
        let flags = OFlags::RDWR | OFlags::CLOEXEC | OFlags::NOFOLLOW;
        Ok(File(fs::openat(&self.0.fd, name, flags, Mode::empty())?))
    }

    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        Ok(fs::renameat(&self.0.fd, from, &self.0.fd, to)?)
    }

    fn remove(&self, name: &str) -> io::Result<()> {
        Ok(fs::unlinkat(&self.0.fd, name, AtFlags::empty())?)
    }

    fn room(&self) -> io::Result<u64> {
        let room = fs::fstatvfs(&self.0.fd)?;
        Ok(room.f_bavail.saturating_mul(room.f_frsize))
    }

    fn sync_names(&self) -> io::Result<()> {
        Ok(fs::fsync(&self.0.fd)?)
    }
}

impl DiskFile for File {
    fn length(&self) -> io::Result<u64> {
        Ok(fs::fstat(&self.0)?.st_size.cast_unsigned())
    }

    fn read_at(&self, offset: u64, into: &mut [u8]) -> io::Result<usize> {
        Ok(rustix::io::pread(&self.0, into, offset)?)
    }

    fn write_at(&mut self, offset: u64, parts: &[IoSlice<'_>]) -> io::Result<usize> {
        Ok(rustix::io::pwritev(&self.0, parts, offset)?)
    }

    fn truncate(&mut self, length: u64) -> io::Result<()> {
        Ok(fs::ftruncate(&self.0, length)?)
    }

    fn sync(&mut self) -> io::Result<()> {
        Ok(fs::fdatasync(&self.0)?)
    }
}
