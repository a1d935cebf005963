//! The thread that writes down what a node must remember of its group. Only the last record counts,
//! so one that is overtaken while it waits is never written.

use std::io::ErrorKind;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};

use notrace_store_log::disk::Disk;
use notrace_store_protocol::effect::Durable;
use notrace_store_protocol::ids::Life;

use crate::limits::FULL_DISK_PAUSE;
use crate::reports::{Report, Reports};
use crate::storage::write_record;

/// The record that waits.
pub(crate) struct Records {
    next: Mutex<Next>,
    filled: Condvar,
}

struct Waiting {
    life: Life,
    number: u64,
    durable: Arc<Durable>,
}

/// What came of writing it down.
enum Written {
    Safe,
    Failed(ErrorKind),
    /// The node ended before the disk had room.
    Closed,
}

#[derive(Default)]
struct Next {
    record: Option<Waiting>,
    /// One was taken, and is not on the disk yet.
    writing: bool,
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
            while let Some(Waiting { life, number, durable }) = ours.take() {
                match ours.write(&disk, &durable) {
                    Written::Safe => {}
                    Written::Failed(kind) => return reports.push(Report::DiskFailed { kind }),
                    Written::Closed => return,
                }
                ours.next().writing = false;
                reports.push(Report::Recorded { life, number });
            }
        })?;
        Ok((records, thread))
    }

    fn next(&self) -> MutexGuard<'_, Next> {
        self.next.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn push(&self, life: Life, number: u64, durable: Arc<Durable>) {
        self.next().record = Some(Waiting { life, number, durable });
        self.filled.notify_one();
    }

    /// Whether all that was pushed is on the disk.
    pub(crate) fn is_idle(&self) -> bool {
        let next = self.next();
        next.record.is_none() && !next.writing
    }

    pub(crate) fn close(&self) {
        self.next().closed = true;
        self.filled.notify_one();
    }

    fn take(&self) -> Option<Waiting> {
        let idle = |next: &mut Next| next.record.is_none() && !next.closed;
        let next = self.filled.wait_while(self.next(), idle);
        let mut next = next.unwrap_or_else(PoisonError::into_inner);
        next.writing = next.record.is_some();
        next.record.take()
    }

    /// Writes it down; a full disk is tried again until it has room or the node ends.
    fn write<D: Disk>(&self, disk: &D, durable: &Durable) -> Written {
        loop {
            match write_record(disk, durable) {
                Ok(()) => return Written::Safe,
                Err(error) if is_full(error.kind()) => {
                    let waited = self.filled.wait_timeout(self.next(), FULL_DISK_PAUSE);
                    if waited.map_or(true, |(next, _)| next.closed) {
                        return Written::Closed;
                    }
                }
                Err(error) => return Written::Failed(error.kind()),
            }
        }
    }
}

fn is_full(kind: ErrorKind) -> bool {
    matches!(kind, ErrorKind::StorageFull | ErrorKind::QuotaExceeded)
}

#[cfg(test)]
mod the_record {
    use notrace_store_log::disk::FaultyDisk;

    use super::*;

    fn durable() -> Arc<Durable> {
        let (born, life) = (Life(1), Life(1));
        Arc::new(Durable { born, life, view: None, promised: None, echo: None })
    }

    #[test]
    fn is_awaited_until_the_last_one_is_on_the_disk() {
        let records = Records { next: Mutex::default(), filled: Condvar::new() };
        assert!(records.is_idle());
        records.push(Life(1), 1, durable());
        assert!(!records.is_idle(), "it waits");
        let taken = records.take().unwrap();
        assert_eq!(taken.number, 1);
        assert!(!records.is_idle(), "it is being written");
    }

    #[test]
    fn is_done_once_it_is_told_that_the_last_one_was() {
        let reports = Arc::new(Reports::new(std::task::Waker::noop().clone()));
        let (records, thread) = Records::start(FaultyDisk::default(), reports.clone()).unwrap();
        records.push(Life(1), 7, durable());
        let written = loop {
            if let Some(Report::Recorded { life, number }) = reports.take().pop() {
                break (life, number);
            }
            std::thread::yield_now();
        };
        assert_eq!(written, (Life(1), 7));
        assert!(records.is_idle());
        records.close();
        thread.join().unwrap();
    }
}
