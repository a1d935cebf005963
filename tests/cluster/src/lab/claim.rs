//! A number for a lab, and the removal of all that goes by it.
//!
//! The claim is a lock on a file, which the kernel lets go when its owner ends, however it ends. So
//! whoever gets the lock knows that nobody uses what the number names, and removes it first.

use std::fs::{self, File};
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, bail};
use rustix::process::{Pid, Signal, kill_process};

use super::{command, network};
use crate::limits::LABS_MAX;

/// Where claims are, if this process may write there.
const MACHINE: &str = "/run/notrace-chaos";

/// A number that nobody else has, until the value is dropped.
pub struct Claim {
    number: u8,
    folder: PathBuf,
    _lock: File,
}

impl Claim {
    /// Takes the lowest free number, and removes what its last owner left; and what other owners
    /// left who were killed.
    /// # Errors  There is no folder to claim in, or no number free.
    pub fn take() -> Result<Self> {
        let base = base()?;
        let mut taken: Option<Self> = None;
        for number in 0..LABS_MAX {
            let path = base.join(format!("{number}.lock"));
            let folder = base.join(number.to_string());
            if taken.is_some() && !folder.exists() {
                continue;
            }
            let lock = File::create(&path).context("a lab's lock")?;
            if lock.try_lock().is_err() {
                continue;
            }
            remove(number, &folder);
            if taken.is_none() {
                fs::create_dir(&folder).context("a lab's folder cannot be made")?;
                taken = Some(Self { number, folder, _lock: lock });
            }
        }
        taken.with_context(|| format!("there are {LABS_MAX} labs already"))
    }

    /// The number.
    #[must_use]
    pub fn number(&self) -> u8 {
        self.number
    }

    /// A folder that goes with the claim.
    #[must_use]
    pub fn folder(&self) -> &Path {
        &self.folder
    }
}

impl Drop for Claim {
    fn drop(&mut self) {
        remove(self.number, &self.folder);
    }
}

fn base() -> Result<PathBuf> {
    let beside = notrace_tests_rig::node::binary()?.with_file_name("chaos");
    for base in [PathBuf::from(MACHINE), beside] {
        let made = fs::create_dir_all(&base).is_ok();
        if made && is_writable(&base) {
            return Ok(base);
        }
    }
    bail!("there is no folder for labs")
}

fn is_writable(folder: &Path) -> bool {
    let probe = folder.join(format!("probe-{}", std::process::id()));
    let written = File::create(&probe).is_ok();
    let _ = fs::remove_file(probe);
    written
}

/// Removes all that goes by this number. What is not there is no failure: often nothing is.
fn remove(number: u8, folder: &Path) {
    for namespace in network::namespaces_of(number) {
        let processes = command::run("ip", &["netns", "pids", &namespace]).unwrap_or_default();
        for pid in processes.split_whitespace().filter_map(|pid| pid.parse().ok()) {
            if let Some(pid) = Pid::from_raw(pid) {
                let _ = kill_process(pid, Signal::KILL);
            }
        }
        let _ = command::run("ip", &["netns", "del", &namespace]);
    }
    // The kernel removes a namespace's links when it gets to it: too late for the next lab.
    for link in network::links_of(number) {
        let _ = command::run("ip", &["link", "del", &link]);
    }
    let mounts = fs::read_to_string("/proc/self/mounts").unwrap_or_default();
    let below = format!("{}/", folder.display());
    let mounted = mounts.lines().filter_map(|line| line.split_whitespace().nth(1));
    for place in mounted.filter(|place| place.starts_with(&below)) {
        let _ = command::run("umount", &["-l", place]);
    }
    let _ = fs::remove_dir_all(folder);
}
