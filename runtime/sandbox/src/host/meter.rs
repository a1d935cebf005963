//! How much memory a run has, and whether it was refused any.

use wasmtime::ResourceLimiter;

use crate::limits::{INSTANCES_MAX, MEMORIES_MAX, TABLES_MAX};
use crate::run::Limits;

/// Counts memory and tables, and refuses what goes beyond the run's limits. Whether a growth is
/// granted depends on the limits alone and never on the host, so a guest cannot probe the host.
pub(crate) struct Meter {
    memory: Gauge,
    table: Gauge,
    denied: bool,
}

struct Gauge {
    used: u64,
    peak: u64,
    max: u64,
    granted_last: u64,
}

impl Meter {
    pub(crate) fn new(limits: &Limits) -> Self {
        let gauge = |max| Gauge { used: 0, peak: 0, max, granted_last: 0 };
        Self {
            memory: gauge(limits.memory_bytes),
            table: gauge(limits.table_elements),
            denied: false,
        }
    }

    /// Whether the run asked for more than its limits.
    pub(crate) fn denied(&self) -> bool {
        self.denied
    }

    pub(crate) fn memory_peak_bytes(&self) -> u64 {
        self.memory.peak
    }
}

impl Gauge {
    fn grow(&mut self, current: usize, desired: usize) -> bool {
        let more = desired.saturating_sub(current) as u64;
        let used = self.used.saturating_add(more);
        if used > self.max {
            return false;
        }
        self.granted_last = more;
        self.used = used;
        self.peak = self.peak.max(used);
        true
    }

    fn undo(&mut self) {
        self.used = self.used.saturating_sub(core::mem::take(&mut self.granted_last));
    }
}

impl ResourceLimiter for Meter {
    fn memory_growing(
        &mut self,
        current: usize,
        desired: usize,
        maximum: Option<usize>,
    ) -> wasmtime::Result<bool> {
        // Beyond the module's own maximum the growth fails by itself, and is not our denial.
        if maximum.is_some_and(|maximum| desired > maximum) {
            return Ok(false);
        }
        let granted = self.memory.grow(current, desired);
        self.denied |= !granted;
        Ok(granted)
    }

    fn memory_grow_failed(&mut self, _: wasmtime::Error) -> wasmtime::Result<()> {
        self.memory.undo();
        Ok(())
    }

    fn table_growing(
        &mut self,
        current: usize,
        desired: usize,
        maximum: Option<usize>,
    ) -> wasmtime::Result<bool> {
        if maximum.is_some_and(|maximum| desired > maximum) {
            return Ok(false);
        }
        let granted = self.table.grow(current, desired);
        self.denied |= !granted;
        Ok(granted)
    }

    fn table_grow_failed(&mut self, _: wasmtime::Error) -> wasmtime::Result<()> {
        self.table.undo();
        Ok(())
    }

    fn instances(&self) -> usize {
        INSTANCES_MAX
    }

    fn memories(&self) -> usize {
        MEMORIES_MAX
    }

    fn tables(&self) -> usize {
        TABLES_MAX
    }
}
