//! What the log needs of a disk: one folder of flat names.
//!
//! Two implementations pass the same suite: [`FileDisk`] is a folder, [`FaultyDisk`] is memory that
//! loses what was not synced, tears writes, fills up and fails when told to.

mod faulty;
mod files;

use std::io::{self, ErrorKind, IoSlice};

use crate::limits::PARTS_MAX;

pub use faulty::{FaultyDisk, Survives};
pub use files::FileDisk;

/// A folder. Clones are handles to the same one.
pub trait Disk: Clone + Send + Sync + 'static {
    /// An open file.
    type File: DiskFile;

    /// The names in the folder, in no order.
    /// # Errors  What the system says.
    fn list(&self) -> io::Result<Vec<String>>;

    /// Makes an empty file that only its owner can read.
    /// # Errors  What the system says; [`ErrorKind::AlreadyExists`] if the name is taken.
    fn create(&self, name: &str) -> io::Result<Self::File>;

    /// Opens a file that is there.
    /// # Errors  What the system says.
    fn open(&self, name: &str) -> io::Result<Self::File>;

    /// Gives a file another name, replacing what had it.
    /// # Errors  What the system says.
    fn rename(&self, from: &str, to: &str) -> io::Result<()>;

    /// Removes a file.
    /// # Errors  What the system says.
    fn remove(&self, name: &str) -> io::Result<()>;

    /// How many more bytes the disk can take, as far as it can tell; others may take them first.
    /// # Errors  What the system says.
    fn room(&self) -> io::Result<u64>;

    /// Makes all names durable, and that they are gone where they are.
    /// # Errors  What the system says.
    fn sync_names(&self) -> io::Result<()>;
}

/// A file of a [`Disk`].
pub trait DiskFile: Send + 'static {
    /// How long the file is.
    /// # Errors  What the system says.
    fn length(&self) -> io::Result<u64>;

    /// Reads at `offset`, perhaps less than asked; 0 bytes at the end.
    /// # Errors  What the system says.
    fn read_at(&self, offset: u64, into: &mut [u8]) -> io::Result<usize>;

    /// Writes `parts` one after the other at `offset`, perhaps less than asked.
    /// # Errors  What the system says.
    fn write_at(&mut self, offset: u64, parts: &[IoSlice<'_>]) -> io::Result<usize>;

    /// Cuts the file off, or extends it with zeros.
    /// # Errors  What the system says.
    fn truncate(&mut self, length: u64) -> io::Result<()>;

    /// Makes content and length durable.
    /// # Errors  What the system says; then what was written since the last sync may be lost, and
    /// a later success does not mean otherwise.
    fn sync(&mut self) -> io::Result<()>;

    /// Fills `into` from `offset`.
    /// # Errors  What the system says; [`ErrorKind::UnexpectedEof`] if the file ends before.
    fn read_exact_at(&self, mut offset: u64, mut into: &mut [u8]) -> io::Result<()> {
        while !into.is_empty() {
            match self.read_at(offset, into) {
                Ok(0) => return Err(ErrorKind::UnexpectedEof.into()),
                Ok(read) => {
                    offset += read as u64;
                    into = into.get_mut(read..).unwrap_or_default();
                }
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    /// Writes all of `parts` at `offset`. Returns where they end.
    /// # Errors  What the system says; then some of it may be written.
    fn write_all_at(&mut self, mut offset: u64, mut parts: &mut [IoSlice<'_>]) -> io::Result<u64> {
        IoSlice::advance_slices(&mut parts, 0);
        while !parts.is_empty() {
            let now = parts.get(..parts.len().min(PARTS_MAX)).unwrap_or_default();
            match self.write_at(offset, now) {
                Ok(0) => return Err(ErrorKind::WriteZero.into()),
                Ok(written) => {
                    offset += written as u64;
                    IoSlice::advance_slices(&mut parts, written);
                }
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(offset)
    }
}
