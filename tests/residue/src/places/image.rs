//! The blocks below a folder, as a disk has them: a file system in a file, mounted, and searched as
//! one long row of bytes, so that what was deleted is seen as well.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context as _, Result, ensure};
use rustix::fs::syncfs;
use tempfile::TempDir;

use crate::find::{Find, Place};
use crate::places::files;
use crate::search::Search;

const IMAGE_BYTES: u64 = 1 << 30;

/// A mounted image. It goes away with its value.
pub struct Image {
    folder: TempDir,
}

impl Image {
    /// Makes an ext4 file system and mounts it.
    ///
    /// # Errors  This user may not, or the tools for it are missing.
    pub fn mount() -> Result<Self> {
        let folder = tempfile::tempdir()?;
        let image = Self { folder };
        File::create(image.blocks())?.set_len(IMAGE_BYTES)?;
        std::fs::create_dir(image.root())?;
        run(Command::new("mkfs.ext4").args(["-q", "-F"]).arg(image.blocks()))?;
        run(Command::new("mount").args(["-o", "loop"]).arg(image.blocks()).arg(image.root()))?;
        Ok(image)
    }

    /// Where it is mounted.
    pub fn root(&self) -> PathBuf {
        self.folder.path().join("root")
    }

    /// A new folder on it.
    ///
    /// # Errors  It is full.
    pub fn folder(&self, number: u32) -> Result<PathBuf> {
        let folder = self.root().join(format!("home-{number}"));
        std::fs::create_dir(&folder)?;
        Ok(folder)
    }

    /// Writes out what is kept in memory, so that what is deleted next has been on the disk.
    ///
    /// # Errors  It cannot be written.
    pub fn write_out(folder: &Path) -> Result<()> {
        syncfs(File::open(folder)?).context("writing out what is kept in memory")
    }

    fn blocks(&self) -> PathBuf {
        self.folder.path().join("blocks")
    }

    /// Looks through all blocks, those that belong to no file included.
    ///
    /// # Errors  They cannot be read.
    pub fn search(&self, search: &Search) -> Result<Vec<Find>> {
        Self::write_out(&self.root())?;
        let found = files::one(search, &self.blocks(), Place::Image)?;
        Ok(found.into_iter().map(|find| Find { at: "a block".to_owned(), ..find }).collect())
    }
}

impl Drop for Image {
    fn drop(&mut self) {
        let _ = run(Command::new("umount").arg("--lazy").arg(self.root()));
    }
}

fn run(command: &mut Command) -> Result<()> {
    let program = Path::new(command.get_program()).display().to_string();
    let output = command.stdin(Stdio::null()).output().with_context(|| program.clone())?;
    ensure!(output.status.success(), "{program}: {}", String::from_utf8_lossy(&output.stderr));
    Ok(())
}
