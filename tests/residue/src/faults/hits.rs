//! What happens to a node.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, ensure};
use rustix::fs::{FallocateFlags, fallocate, statvfs};
use rustix::process::{Pid, Signal, kill_process};

use crate::places::core_file;

/// Who is hit.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Victim {
    /// One that is at work, if there is any.
    Worker,
    Template,
    /// The first process of the workers' namespace: all others there end with it.
    Init,
    Node,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Hit {
    Signal(Victim, Signal),
    MemoryShort,
    DiskFull,
    DiskFails,
    PowerCut,
    ClientsGone,
}

/// Signals a process; whether it is to come again, because a handler of faults that looked at one
/// expects it back until it is gone.
pub(super) fn signal(id: u32, signal: Signal) -> Result<bool> {
    let pid = Pid::from_raw(id.cast_signed()).context("a process")?;
    // So that a crash would be written, if it could; where this is refused, it is one wall more.
    let _ = core_file::unbind(pid);
    Ok(kill_process(pid, signal).is_ok() && signal == Signal::SEGV)
}

/// Whether a process is there; one that ended and was not waited for has no program any more.
pub(super) fn is_there(id: u32) -> bool {
    fs::read_link(format!("/proc/{id}/exe")).is_ok()
}

/// The worker that computes, or one that does not.
pub(super) fn busiest(workers: &[u32]) -> Option<u32> {
    let ticks = |id: u32| {
        let stat = fs::read_to_string(format!("/proc/{id}/stat")).unwrap_or_default();
        let after = stat.rsplit_once(')').map(|(_, after)| after.to_owned()).unwrap_or_default();
        let mut fields = after.split_whitespace();
        let runs = fields.next() == Some("R");
        let used = fields.nth(10).and_then(|ticks| ticks.parse::<u64>().ok()).unwrap_or(0);
        (runs, used)
    };
    workers.iter().copied().max_by_key(|id| ticks(*id))
}

/// A room of memory that can be made too small: a control group.
///
/// Source: Linux, Documentation/admin-guide/cgroup-v1/memory.rst and cgroup-v2.rst.
pub(super) struct Room {
    folder: PathBuf,
    /// What it has, and what it may have.
    names: (&'static str, &'static str),
    free: &'static str,
}

impl Room {
    /// Puts these processes, and who they start, into one.
    ///
    /// # Errors  This user may not, or the kernel has none.
    pub(super) fn of(ids: &[u32]) -> Result<Self> {
        let name = format!("notrace-residue-{}", std::process::id());
        let (first, second) = (Path::new("/sys/fs/cgroup/memory"), Path::new("/sys/fs/cgroup"));
        let (base, names, free) = if first.is_dir() {
            (first, ("memory.usage_in_bytes", "memory.limit_in_bytes"), "-1")
        } else {
            (second, ("memory.current", "memory.max"), "max")
        };
        let folder = base.join(name);
        if !folder.is_dir() {
            fs::create_dir(&folder).context("a control group")?;
        }
        let room = Self { folder, names, free };
        ensure!(room.folder.join(names.1).exists(), "this kernel's groups do not bound memory");
        for id in ids {
            // One that has ended meanwhile needs no room.
            let _ = fs::write(room.folder.join("cgroup.procs"), id.to_string());
        }
        Ok(room)
    }

    /// From now on it has no more than it uses.
    pub(super) fn shrink(&self) -> Result<()> {
        let used = fs::read_to_string(self.folder.join(self.names.0))?;
        // The kernel refuses what it cannot reach at once; what it could is bounded.
        let _ = fs::write(self.folder.join(self.names.1), used.trim());
        Ok(())
    }

    pub(super) fn widen(&self) -> Result<()> {
        Ok(fs::write(self.folder.join(self.names.1), self.free)?)
    }
}

impl Drop for Room {
    fn drop(&mut self) {
        // Refused while somebody is in it; whoever comes next takes it over.
        let _ = fs::remove_dir(&self.folder);
    }
}

/// Fills a file system to its last block; the file that does.
pub(super) fn fill(folder: &Path) -> Result<PathBuf> {
    let path = folder.join("filler");
    let file = fs::File::create(&path)?;
    let about = statvfs(folder)?;
    let (mut at, mut size) = (0, about.f_bfree * about.f_frsize);
    while size >= about.f_frsize {
        match fallocate(&file, FallocateFlags::empty(), at, size) {
            Ok(()) => at += size,
            Err(_) => size /= 2,
        }
    }
    Ok(path)
}
