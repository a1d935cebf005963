//! Folders in memory, whose power can go, and that sync as slowly as they are told to.

use std::collections::BTreeMap;
use std::io::{self, IoSlice};
use std::sync::{Arc, Condvar, Mutex};

use notrace_store_log::disk::{Disk, DiskFile, FaultyDisk, Survives};
use notrace_store_replica::{OpenError, Storage};

/// Folders in memory. Clones are the same ones.
#[derive(Clone, Default)]
pub(crate) struct Disks(Arc<Mutex<BTreeMap<String, SlowDisk>>>);

impl Disks {
    /// What is left of all of them when the power goes.
    pub(crate) fn after_crash(&self, survives: Survives) -> Self {
        let disks = self.0.lock().unwrap();
        let crashed = disks.iter().map(|(name, disk)| {
            let gate = Arc::default();
            (name.clone(), SlowDisk { disk: disk.disk.after_crash(survives), gate })
        });
        Self(Arc::new(Mutex::new(crashed.collect())))
    }

    pub(crate) fn of(&self, name: &str) -> SlowDisk {
        self.0.lock().unwrap().entry(name.to_owned()).or_default().clone()
    }
}

impl Storage for Disks {
    type Disk = SlowDisk;

    fn folder(&self, name: &str) -> Result<SlowDisk, OpenError> {
        Ok(self.of(name))
    }
}

/// A disk in memory whose syncs wait until they may go on.
#[derive(Clone, Default)]
pub(crate) struct SlowDisk {
    pub(crate) disk: FaultyDisk,
    gate: Arc<Gate>,
}

#[derive(Default)]
struct Gate {
    state: Mutex<GateState>,
    changed: Condvar,
}

#[derive(Default)]
struct GateState {
    /// How many may still pass; any number unless it is said.
    permits: Option<u32>,
    waiting: u32,
}

impl SlowDisk {
    /// So many syncs go on, and then no other.
    pub(crate) fn allow(&self, permits: u32) {
        self.gate.state.lock().unwrap().permits = Some(permits);
        self.gate.changed.notify_all();
    }

    /// All syncs go on.
    pub(crate) fn allow_all(&self) {
        self.gate.state.lock().unwrap().permits = None;
        self.gate.changed.notify_all();
    }

    /// Waits until a sync waits.
    pub(crate) fn until_one_waits(&self) {
        let state = self.gate.state.lock().unwrap();
        let none = |state: &mut GateState| state.waiting == 0;
        drop(self.gate.changed.wait_while(state, none).unwrap());
    }
}

impl Gate {
    fn pass(&self) {
        let mut state = self.state.lock().unwrap();
        state.waiting += 1;
        self.changed.notify_all();
        let mut state = self.changed.wait_while(state, |state| state.permits == Some(0)).unwrap();
        state.waiting -= 1;
        state.permits = state.permits.map(|permits| permits - 1);
    }
}

pub(crate) struct SlowFile {
    file: <FaultyDisk as Disk>::File,
    gate: Arc<Gate>,
}

impl Disk for SlowDisk {
    type File = SlowFile;

    fn list(&self) -> io::Result<Vec<String>> {
        self.disk.list()
    }

    fn create(&self, name: &str) -> io::Result<SlowFile> {
        Ok(SlowFile { file: self.disk.create(name)?, gate: self.gate.clone() })
    }

    fn open(&self, name: &str) -> io::Result<SlowFile> {
        Ok(SlowFile { file: self.disk.open(name)?, gate: self.gate.clone() })
    }

    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        self.disk.rename(from, to)
    }

    fn remove(&self, name: &str) -> io::Result<()> {
        self.disk.remove(name)
    }

    fn room(&self) -> io::Result<u64> {
        self.disk.room()
    }

    fn sync_names(&self) -> io::Result<()> {
        self.disk.sync_names()
    }
}

impl DiskFile for SlowFile {
    fn length(&self) -> io::Result<u64> {
        self.file.length()
    }

    fn read_at(&self, offset: u64, into: &mut [u8]) -> io::Result<usize> {
        self.file.read_at(offset, into)
    }

    fn write_at(&mut self, offset: u64, parts: &[IoSlice<'_>]) -> io::Result<usize> {
        self.file.write_at(offset, parts)
    }

    fn truncate(&mut self, length: u64) -> io::Result<()> {
        self.file.truncate(length)
    }

    fn sync(&mut self) -> io::Result<()> {
        self.gate.pass();
        self.file.sync()
    }
}
