//! Folders in memory, whose power can go.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use notrace_store_log::disk::{FaultyDisk, Survives};
use notrace_store_replica::{OpenError, Storage};

/// Folders in memory. Clones are the same ones.
#[derive(Clone, Default)]
pub(crate) struct Folders(Arc<Mutex<BTreeMap<String, FaultyDisk>>>);

impl Folders {
    /// What is left of all of them when the power goes.
    pub(crate) fn after_crash(&self, survives: Survives) -> Self {
        let folders = self.0.lock().unwrap();
        let crashed = folders.iter().map(|(name, disk)| (name.clone(), disk.after_crash(survives)));
        Self(Arc::new(Mutex::new(crashed.collect())))
    }
}

impl Storage for Folders {
    type Disk = FaultyDisk;

    fn folder(&self, name: &str) -> Result<FaultyDisk, OpenError> {
        Ok(self.0.lock().unwrap().entry(name.to_owned()).or_default().clone())
    }
}
