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
        for step in steps_to(dir, &|dir| dir.is_dir()) {
            match step {
                Step::Make(dir) => make(dir)?,
                Step::Sync(holder) => match open_dir(holder) {
                    // Who may not look into it has not made what is in it.
                    Err(error) if error.kind() == io::ErrorKind::PermissionDenied => {}
                    opened => {
                        let holder = opened.map_err(opening("opened"))?;
                        fs::fsync(holder).map_err(|error| opening("synced")(error.into()))?;
                    }
                },
            }
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

/// What it takes until a folder is there and stays there.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Step<'a> {
    Make(&'a Path),
    /// Makes safe which names are in it.
    Sync(&'a Path),
}

/// Each folder on the way that is not there is made in one that is safe, and is safe before the
/// next. So of those that are there only the last may have been made by somebody who was
/// interrupted before it was safe.
fn steps_to<'a>(dir: &'a Path, is_there: &dyn Fn(&Path) -> bool) -> Vec<Step<'a>> {
    let on_the_way = dir.ancestors().filter(|dir| !dir.as_os_str().is_empty());
    let missing: Vec<&Path> = on_the_way.take_while(|dir| !is_there(dir)).collect();
    let holder = |dir: &'a Path| match dir.parent() {
        Some(parent) if parent.as_os_str().is_empty() => Path::new("."),
        Some(parent) => parent,
        None => dir,
    };
    let there = missing.last().map_or(dir, |first| holder(first));
    let mut steps = vec![Step::Sync(holder(there))];
    for dir in missing.into_iter().rev() {
        steps.extend([Step::Make(dir), Step::Sync(holder(dir))]);
    }
    steps
}

fn make(dir: &Path) -> Result<(), OpenError> {
    match std::fs::DirBuilder::new().mode(0o700).create(dir) {
        // Another process was faster.
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
        made => made.map_err(opening("made")),
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

#[cfg(test)]
mod a_folder_that_is_made {
    use std::collections::BTreeSet;

    use super::*;

    /// Folders by path, and whether it is safe that they are there.
    #[derive(Clone)]
    struct Tree {
        there: BTreeSet<&'static str>,
        safe: BTreeSet<&'static str>,
    }

    const WAY: [&str; 4] = ["/data", "/data/node", "/data/node/store", "/data/node/store/shard-0"];

    impl Tree {
        fn take(&mut self, step: Step<'_>) {
            match step {
                Step::Make(dir) => {
                    let parent = dir.parent().unwrap();
                    assert!(self.has(parent), "made in nothing");
                    self.there.extend(WAY.iter().filter(|known| Path::new(known) == dir));
                }
                Step::Sync(dir) => {
                    let inside = self.there.iter().filter(|at| Path::new(at).parent() == Some(dir));
                    self.safe.extend(inside.copied().collect::<Vec<_>>());
                }
            }
        }

        fn has(&self, dir: &Path) -> bool {
            dir == Path::new("/") || self.there.iter().any(|at| Path::new(at) == dir)
        }
    }

    #[test]
    fn is_safe_with_all_above_it_whenever_the_one_before_was_interrupted() {
        let dir = Path::new(WAY[3]);
        let begun = Tree { there: BTreeSet::from([WAY[0]]), safe: BTreeSet::from([WAY[0]]) };
        let all = steps_to(dir, &|dir| begun.has(dir));
        for interrupted_at in 0..=all.len() {
            let mut tree = begun.clone();
            all.iter().take(interrupted_at).for_each(|step| tree.take(*step));
            let again = tree.clone();
            steps_to(dir, &|dir| again.has(dir)).into_iter().for_each(|step| tree.take(step));
            assert_eq!(tree.safe.len(), WAY.len(), "interrupted at {interrupted_at}");
        }
    }

    #[test]
    fn where_it_is_run_is_made_safe_there() {
        let steps = steps_to(Path::new("store"), &|dir| dir == Path::new("."));
        let here = Step::Sync(Path::new("."));
        assert_eq!(steps, [here, Step::Make(Path::new("store")), here]);
    }
}
