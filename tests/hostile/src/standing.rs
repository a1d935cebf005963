//! What a node is made of while it stands, read from outside.

use std::fs;
use std::path::Path;

use anyhow::{Result, ensure};
use notrace_tests_rig::Node;

/// More than this above what it was at first, and something stays behind.
const DESCRIPTORS_MORE: usize = 16;
const PROCESSES_MORE: usize = 6;
const RESIDENT_BYTES_MORE: u64 = 128 << 20;

/// What a node holds at one moment.
#[derive(Clone, Copy, Debug)]
pub struct Standing {
    /// Open descriptors of its first process.
    pub descriptors: usize,
    /// Processes, itself and all that descend from it.
    pub processes: usize,
    /// Resident memory of its first process, bytes.
    pub resident_bytes: u64,
    /// Files of compiled code.
    pub codes: usize,
}

impl Standing {
    /// # Errors  The node is gone.
    pub fn of(node: &Node) -> Result<Self> {
        let id = node.process.id();
        let status = fs::read_to_string(format!("/proc/{id}/status"))?;
        let resident = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
        let resident =
            resident.and_then(|text| text.split_whitespace().next()?.parse::<u64>().ok());
        Ok(Self {
            descriptors: fs::read_dir(format!("/proc/{id}/fd"))?.count(),
            processes: node.process.tree().len(),
            resident_bytes: resident.unwrap_or(0) << 10,
            codes: files(&node.dir().join("cache")),
        })
    }

    /// Whether nothing came to stay since `before`.
    ///
    /// # Errors  Something did, and what.
    pub fn is_as(&self, before: &Self) -> Result<()> {
        ensure!(self.descriptors <= before.descriptors + DESCRIPTORS_MORE, "descriptors stay");
        ensure!(self.processes <= before.processes + PROCESSES_MORE, "processes stay");
        let most = before.resident_bytes + RESIDENT_BYTES_MORE;
        ensure!(self.resident_bytes <= most, "memory stays");
        ensure!(self.codes <= before.codes, "compiled code of tasks that are removed stays");
        Ok(())
    }
}

/// How many files are below a folder.
fn files(folder: &Path) -> usize {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    entries.map(|entry| if entry.path().is_dir() { files(&entry.path()) } else { 1 }).sum()
}
