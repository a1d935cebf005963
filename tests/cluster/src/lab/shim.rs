//! A library that is loaded into a node before its own code: `shim/faults.c`.
//!
//! A wall clock cannot be moved for one host alone, since namespaces of time leave it out. And what
//! slows a disk takes a device of its own: here the kernel has neither `dm-delay` nor a way to
//! throttle a file system in memory. So both are done where the node asks the kernel.

use std::fs::{self, File};
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};

use super::command;

const SOURCE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/shim/faults.c");

/// The library.
pub struct Shim(PathBuf);

/// What one host's library is told, at any moment.
pub struct Control {
    library: PathBuf,
    path: PathBuf,
    file: File,
}

impl Shim {
    /// Compiles the library into `folder`.
    /// # Errors  There is no C compiler, or none for this system.
    pub fn compile(folder: &Path) -> Result<Self> {
        let library = folder.join("faults.so");
        let to = library.to_string_lossy();
        command::run("cc", &["-O2", "-Wall", "-shared", "-fPIC", "-o", &to, SOURCE])?;
        Ok(Self(library))
    }

    /// The library for one host: nothing is moved and nothing slow.
    /// # Errors  The file that it reads cannot be made.
    pub fn control(&self, folder: &Path, host: usize) -> Result<Control> {
        let path = folder.join(format!("control-{host}"));
        fs::write(&path, [0; 16]).context("a control file")?;
        let file = File::options().write(true).open(&path).context("a control file")?;
        Ok(Control { library: self.0.clone(), path, file })
    }
}

impl Control {
    /// The environment of a process that the library is loaded into, as `NAME=VALUE`.
    pub fn variables(&self) -> impl Iterator<Item = String> {
        let library = format!("LD_PRELOAD={}", self.library.display());
        [library, format!("NOTRACE_CHAOS_CONTROL={}", self.path.display())].into_iter()
    }

    /// How long each synchronization waits, in microseconds.
    /// # Errors  The file cannot be written.
    pub fn sync_micros(&self, micros: u64) -> Result<()> {
        self.file.write_all_at(&micros.to_ne_bytes(), 8).context("a control file")
    }

    /// How far the wall clock is from where it belongs, in milliseconds.
    /// # Errors  The file cannot be written.
    pub fn clock_millis(&self, millis: i64) -> Result<()> {
        let nanos = millis.saturating_mul(1_000_000);
        self.file.write_all_at(&nanos.to_ne_bytes(), 0).context("a control file")
    }
}
