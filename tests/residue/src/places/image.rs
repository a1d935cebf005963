//! The blocks below a folder, as a disk has them: a file system in a file, mounted, and searched as
//! one long row of bytes, so that what was deleted is seen as well.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use notrace_tests_rig::process::until;
use rustix::fs::syncfs;
use tempfile::TempDir;

use crate::find::{Find, Place};
use crate::places::files;
use crate::search::Search;

const IMAGE_BYTES: u64 = 1 << 30;
/// How long processes may take to let go of it.
const DETACHED_MAX: Duration = Duration::from_secs(20);

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
        image.attach()?;
        Ok(image)
    }

    fn attach(&self) -> Result<()> {
        // A file system that finds itself broken takes nothing more.
        let options = ["-o", "loop,errors=remount-ro"];
        run(Command::new("mount").args(options).arg(self.blocks()).arg(self.root()))
    }

    async fn detach(&self) -> Result<()> {
        let mut last = None;
        let done = until(DETACHED_MAX, || {
            let tried = run(Command::new("umount").arg(self.root()));
            tried.map_err(|error| last = Some(error)).ok()
        });
        let done = done.await;
        done.map_err(|error| last.unwrap_or(error)).context("detaching the disk")
    }

    /// Lets the file system break: the kernel refuses to write to it from now on.
    ///
    /// Source: Linux, Documentation/ABI/testing/sysfs-fs-ext4 (`trigger_fs_error`).
    ///
    /// # Errors  The kernel has no such thing.
    pub fn fail(&self) -> Result<()> {
        let root = self.root().display().to_string();
        let mounts = std::fs::read_to_string("/proc/self/mounts")?;
        let mut lines = mounts.lines().map(|line| line.split(' ').collect::<Vec<_>>());
        let device = lines.find_map(|fields| match fields.as_slice() {
            [device, at, ..] if *at == root => device.strip_prefix("/dev/").map(str::to_owned),
            _ => None,
        });
        let device = device.context("it is not mounted")?;
        let trigger = format!("/sys/fs/ext4/{device}/trigger_fs_error");
        std::fs::write(trigger, "broken by the hunt").context("breaking the file system")
    }

    /// Mends and mounts it again. Nobody may be at it.
    ///
    /// # Errors  It cannot be mended.
    pub async fn mend(&self) -> Result<()> {
        self.detach().await?;
        let mut check = Command::new("e2fsck");
        let status = check.args(["-f", "-y"]).arg(self.blocks()).stdin(Stdio::null()).output()?;
        // 1: there was something to mend.
        ensure!(matches!(status.status.code(), Some(0 | 1)), "e2fsck: {}", status.status);
        self.attach()
    }

    /// Keeps what the disk has at this moment, written out or not.
    ///
    /// # Errors  There is no room.
    pub fn keep_as_it_is(&self) -> Result<()> {
        let mut copy = Command::new("cp");
        run(copy.args(["--sparse=always", "--reflink=never"]).args([self.blocks(), self.kept()]))
    }

    /// Goes on with the disk as it was [kept](Self::keep_as_it_is). Nobody may be at it.
    ///
    /// # Errors  It cannot be mounted.
    pub async fn power_up(&self) -> Result<()> {
        self.detach().await?;
        std::fs::rename(self.kept(), self.blocks())?;
        self.attach()
    }

    /// Looks through all blocks as they are, of a file system that may be broken, and of one that
    /// was kept.
    ///
    /// # Errors  They cannot be read.
    pub fn search_as_it_is(&self, search: &Search) -> Result<Vec<Find>> {
        let mut found = files::one(search, &self.blocks(), Place::Image)?;
        if self.kept().exists() {
            found.extend(files::one(search, &self.kept(), Place::Image)?);
        }
        Ok(found)
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

    fn kept(&self) -> PathBuf {
        self.folder.path().join("kept")
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
