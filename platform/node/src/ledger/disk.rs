//! What the ledger does to files, one step at a time, so that a test can stop it at every step.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, FileExt, OpenOptionsExt};
use std::path::Path;

/// Who may read a file.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Readers {
    /// Everybody who gets into the folder: it is the public log.
    All,
    /// The node alone.
    Owner,
}

impl Readers {
    fn file_mode(self) -> u32 {
        match self {
            Readers::All => 0o644,
            Readers::Owner => 0o600,
        }
    }

    fn dir_mode(self) -> u32 {
        match self {
            Readers::All => 0o755,
            Readers::Owner => 0o700,
        }
    }
}

/// The steps. Nothing is durable before its `sync`, no name before its folder's `sync_dir`.
pub(super) trait Disk: Send + 'static {
    /// Makes a folder; one that is there is fine.
    fn make_dir(&self, path: &Path, readers: Readers) -> io::Result<()>;
    /// Makes or replaces a file's contents.
    fn write(&self, path: &Path, bytes: &[u8]) -> io::Result<()>;
    /// Writes into a file of the node's own, making it if need be.
    fn write_at(&self, path: &Path, offset: u64, bytes: &[u8]) -> io::Result<()>;
    /// Cuts a file off.
    fn truncate(&self, path: &Path, length: u64) -> io::Result<()>;
    /// Makes a file's contents durable.
    fn sync(&self, path: &Path) -> io::Result<()>;
    /// Makes the names in a folder durable.
    fn sync_dir(&self, path: &Path) -> io::Result<()>;
    /// Gives a file another name, in place of the file that has it.
    fn rename(&self, from: &Path, to: &Path) -> io::Result<()>;
    /// Removes a file.
    fn remove(&self, path: &Path) -> io::Result<()>;
    /// Removes a folder with all that is in it; one that is not there is fine.
    fn remove_dir(&self, path: &Path) -> io::Result<()>;
}

/// The file system.
pub(super) struct Files;

impl Disk for Files {
    fn make_dir(&self, path: &Path, readers: Readers) -> io::Result<()> {
        DirBuilder::new().recursive(true).mode(readers.dir_mode()).create(path)
    }

    fn write(&self, path: &Path, bytes: &[u8]) -> io::Result<()> {
        let mode = Readers::All.file_mode();
        let mut options = OpenOptions::new();
        options.write(true).create(true).truncate(true).mode(mode).open(path)?.write_all(bytes)
    }

    fn write_at(&self, path: &Path, offset: u64, bytes: &[u8]) -> io::Result<()> {
        let mode = Readers::Owner.file_mode();
        let mut options = OpenOptions::new();
        let file = options.write(true).create(true).truncate(false).mode(mode).open(path)?;
        file.write_all_at(bytes, offset)
    }

    fn truncate(&self, path: &Path, length: u64) -> io::Result<()> {
        OpenOptions::new().write(true).open(path)?.set_len(length)
    }

    fn sync(&self, path: &Path) -> io::Result<()> {
        File::open(path)?.sync_data()
    }

    fn sync_dir(&self, path: &Path) -> io::Result<()> {
        File::open(path)?.sync_all()
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        fs::rename(from, to)
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        fs::remove_file(path)
    }

    fn remove_dir(&self, path: &Path) -> io::Result<()> {
        match fs::remove_dir_all(path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
            done => done,
        }
    }
}
