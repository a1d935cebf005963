//! The file that the kernel writes of a process that crashes.
//!
//! The hunt raises the bound on such files from outside, as an operator could, so that what is
//! tested is not the bound but whether the process can be dumped at all.

use std::fs;
use std::path::Path;

use anyhow::{Context as _, Result, ensure};
use rustix::process::{Pid, Resource, Rlimit, Signal, kill_process, prlimit};

use crate::canary::{Canary, What};
use crate::find::{Find, Place};
use crate::places::files;
use crate::search::Search;
use crate::sleeper::Sleeper;

/// Whether crashes are written to a file where the process is, and not handed to a program.
pub fn is_written_here() -> bool {
    let pattern = fs::read_to_string("/proc/sys/kernel/core_pattern").unwrap_or_default();
    !pattern.trim().is_empty() && !pattern.starts_with(['|', '/'])
}

/// Crashes a process, whose folder is `folder`. It has to be waited for before one looks.
///
/// # Errors  It is gone.
pub fn crash(id: u32) -> Result<()> {
    let pid = Pid::from_raw(id.cast_signed()).context("a process")?;
    // Where this is refused, the bound is one wall more.
    let _ = unbind(pid);
    // A fault that is only signalled is passed on by handlers of faults, who expect it back.
    kill_process(pid, Signal::ABORT).context("crashing it")
}

/// Lifts a process's bound on core files.
///
/// # Errors  This user may not.
pub fn unbind(pid: Pid) -> Result<()> {
    let any = Rlimit { current: None, maximum: None };
    prlimit(Some(pid), Resource::Core, any).map(drop).context("lifting the bound on core files")
}

/// Looks through the core files in `folder`, and removes them.
///
/// # Errors  They cannot be read.
pub fn collect(search: &Search, folder: &Path) -> Result<Vec<Find>> {
    let mut finds = Vec::new();
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        if path.file_name().is_some_and(|name| name.to_string_lossy().starts_with("core")) {
            finds.extend(files::one(search, &path, Place::CoreFile)?);
            fs::remove_file(path)?;
        }
    }
    Ok(finds)
}

/// Whether a process that anybody may dump leaves a file in which its canary is found.
///
/// # Errors  There is no such file, or the canary is not in it.
pub fn control(folder: &Path) -> Result<()> {
    let canary = Canary::text(What::Control)?;
    let mut sleeper = Sleeper::start(&canary, folder)?;
    crash(sleeper.id())?;
    sleeper.wait()?;
    let finds = collect(&Search::of([&canary])?, folder)?;
    ensure!(!finds.is_empty(), "a process that may be dumped left no canary in a core file");
    Ok(())
}
