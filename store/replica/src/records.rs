//! The thread that writes down what a node must remember of its group. Only the last record counts,
//! so one that is overtaken while it waits is never written.

use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::thread::{self, JoinHandle};

use notrace_store_log::disk::Disk;
use notrace_store_protocol::effect::Durable;

use crate::limits::FULL_DISK_PAUSE;
use crate::reports::{Report, Reports};
use crate::storage::write_record;

/// The record that waits.
pub(crate) struct Records {
    next: Mutex<Next>,
    filled: Condvar,
}

#[derive(Default)]
struct Next {
    record: Option<(u64, Arc<Durable>)>,
    closed: bool,
}

impl Records {
    /// # Errors  What the system says.
    pub(crate) fn start<D: Disk>(
        disk: D,
        reports: Arc<Reports>,
    ) -> std::io::Result<(Arc<Self>, JoinHandle<()>)> {
        let records = Arc::new(Self { next: Mutex::new(Next::default()), filled: Condvar::new() });
        let ours = records.clone();
        let thread = thread::Builder::new().name("group record".into()).spawn(move || {
            while let Some((number, durable)) = ours.take() {
                if !ours.write(&disk, &durable) {
                    reports.push(Report::DiskFailed);
                    return;
                }
                reports.push(Report::Recorded(number));
            }
        })?;
        Ok((records, thread))
    }

    pub(crate) fn push(&self, number: u64, durable: Arc<Durable>) {
        self.next.lock().unwrap_or_else(PoisonError::into_inner).record = Some((number, durable));
        self.filled.notify_one();
    }

    pub(crate) fn close(&self) {
        self.next.lock().unwrap_or_else(PoisonError::into_inner).closed = true;
        self.filled.notify_one();
    }

    fn take(&self) -> Option<(u64, Arc<Durable>)> {
        let next = self.next.lock().unwrap_or_else(PoisonError::into_inner);
        let idle = |next: &mut Next| next.record.is_none() && !next.closed;
        let next = self.filled.wait_while(next, idle);
        next.unwrap_or_else(PoisonError::into_inner).record.take()
    }

    /// Writes it down; a full disk is tried again until it has room or the node ends.
    fn write<D: Disk>(&self, disk: &D, durable: &Durable) -> bool {
        loop {
            match write_record(disk, durable) {
                Ok(()) => return true,
                Err(error) if is_full(error.kind()) => {
                    let next = self.next.lock().unwrap_or_else(PoisonError::into_inner);
                    let waited = self.filled.wait_timeout(next, FULL_DISK_PAUSE);
                    if waited.map_or(true, |(next, _)| next.closed) {
                        return false;
                    }
                }
                Err(_) => return false,
            }
        }
    }
}

fn is_full(kind: std::io::ErrorKind) -> bool {
    matches!(kind, std::io::ErrorKind::StorageFull | std::io::ErrorKind::QuotaExceeded)
}
