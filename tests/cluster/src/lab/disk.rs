//! A small disk of a host's own, so that it can be full without the machine's being full.

use std::fs::{self, File};
use std::io::{ErrorKind, Write as _};
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, anyhow};

use super::command;
use crate::limits::DISK_BYTES;

/// What takes up room.
const BALLAST: &str = "ballast";

/// A host's folder, on a disk of its own where that could be had.
pub struct Disk {
    folder: PathBuf,
    /// Why it is on the machine's own.
    shared: Option<String>,
}

impl Disk {
    /// A disk in memory, mounted at `folder`. What is on it survives processes, as a real one does.
    /// # Errors  The folder cannot be made.
    pub fn at(folder: &Path) -> Result<Self> {
        fs::create_dir_all(folder).context("a host's folder cannot be made")?;
        let size = format!("size={DISK_BYTES}");
        let place = folder.to_string_lossy();
        let mounted = command::run("mount", &["-t", "tmpfs", "-o", &size, "chaos", &place]);
        let shared = mounted.err().map(|error| format!("{error:#}"));
        Ok(Self { folder: folder.to_path_buf(), shared })
    }

    /// Nothing if it can be filled.
    /// # Errors  Why it cannot: it would be the machine's disk.
    pub fn can_be_filled(&self) -> Result<()> {
        match &self.shared {
            Some(why) => Err(anyhow!("{why}")),
            None => Ok(()),
        }
    }

    /// Takes up all the room that is left, to the last byte.
    /// # Errors  It is the machine's disk, or does not fill.
    pub fn fill(&self) -> Result<()> {
        self.can_be_filled()?;
        let mut ballast = File::create(self.folder.join(BALLAST)).context("no ballast")?;
        let zeros = vec![0; 1 << 20];
        for size in [zeros.len(), 4096, 1] {
            for _ in 0..=DISK_BYTES / 4096 {
                match ballast.write_all(zeros.get(..size).unwrap_or_default()) {
                    Ok(()) => {}
                    Err(error) if error.kind() == ErrorKind::StorageFull => break,
                    Err(error) => return Err(error).context("the disk cannot be filled"),
                }
            }
        }
        Ok(())
    }

    /// Gives the room back.
    /// # Errors  The ballast cannot be removed.
    pub fn clear(&self) -> Result<()> {
        match fs::remove_file(self.folder.join(BALLAST)) {
            Err(error) if error.kind() != ErrorKind::NotFound => Err(error.into()),
            _ => Ok(()),
        }
    }
}
