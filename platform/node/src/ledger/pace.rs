//! When epochs close: a thread that sleeps until there is something to publish.
//!
//! The first receipt of an epoch sets its end; somebody who waits for one moves the end to now, but
//! never closer than [`EPOCH_GAP`] to the last one, so that many who wait share a signature. With
//! nothing pending the thread sleeps until the next file of records has to go, which is hours away.

use std::cmp::Ordering;
use std::fs::File;
use std::io;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError, mpsc};
use std::time::{Duration, Instant};

use notrace_policy_promise::ledger::Hash;
use tokio::sync::{oneshot, watch};

use super::disk::Disk;
use super::limits::{CLOSE_TRIES_MAX, EPOCH_GAP, PENDING_MAX, RETRY_AFTER};
use super::log::Log;
use super::record::{ReceiptId, Record};
use super::shelf::Head;
use super::{AppendError, now_minute};

/// What the ledger and its thread share.
pub(super) struct Desk {
    queue: Mutex<Queue>,
    wake: Condvar,
}

struct Queue {
    /// What the next epoch takes, from leaf `first` on.
    pending: Vec<Record>,
    first: u64,
    /// What the thread is publishing now; empty when it is not.
    leaving: Arc<[Record]>,
    since: Option<Instant>,
    wanted: bool,
    closing: bool,
    failing: Option<io::ErrorKind>,
    adopting: Option<Adopting>,
}

/// Leaves to take in of which only the entries are known, and the root of the tree that they make.
pub(super) struct Adopting {
    pub(super) root: Hash,
    pub(super) entries: mpsc::Receiver<Vec<[u8; 32]>>,
    /// Told whether they did.
    pub(super) done: oneshot::Sender<bool>,
}

/// What the thread does next.
enum Work {
    Epoch(Arc<[Record]>),
    Adopt(Adopting),
}

/// The monotonic clock of this thread's decisions.
#[expect(clippy::disallowed_methods, reason = "the ledger's thread is a shell: it decides when")]
fn now() -> Instant {
    Instant::now()
}

impl Desk {
    pub(super) fn new(size: u64) -> Self {
        let queue = Queue {
            pending: Vec::new(),
            first: size,
            leaving: Arc::new([]),
            since: None,
            wanted: false,
            closing: false,
            failing: None,
            adopting: None,
        };
        Self { queue: Mutex::new(queue), wake: Condvar::new() }
    }

    fn lock(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn append(&self, record: Record) -> Result<ReceiptId, AppendError> {
        let mut queue = self.lock();
        queue.open()?;
        let id = record.id(queue.first + queue.pending.len() as u64);
        queue.pending.push(record);
        if queue.since.is_none() {
            queue.since = Some(now());
            drop(queue);
            self.wake.notify_one();
        }
        Ok(id)
    }

    /// Puts a record in its place at the end of the log, and has it published soon.
    pub(super) fn follow(&self, index: u64, record: Record) -> Result<(), AppendError> {
        let mut queue = self.lock();
        queue.open()?;
        match index.cmp(&queue.end()) {
            Ordering::Less => return Ok(()),
            Ordering::Equal => {}
            // Whoever follows has to begin where the log ends.
            Ordering::Greater => return Err(AppendError::Failing(io::ErrorKind::InvalidData)),
        }
        queue.pending.push(record);
        queue.since.get_or_insert_with(now);
        queue.wanted = true;
        drop(queue);
        self.wake.notify_one();
        Ok(())
    }

    /// The leaf that comes next.
    pub(super) fn end(&self) -> u64 {
        self.lock().end()
    }

    pub(super) fn adopt(&self, adopting: Adopting) {
        self.lock().adopting = Some(adopting);
        self.wake.notify_one();
    }

    pub(super) fn check(&self) -> Result<(), AppendError> {
        self.lock().open()
    }

    /// Whether the receipt is on its way; with `hurry`, its epoch closes as soon as it may.
    pub(super) fn holds(&self, id: &ReceiptId, hurry: Option<Duration>) -> bool {
        let mut queue = self.lock();
        if !queue.holds(id) {
            return false;
        }
        if hurry.is_some() && !queue.wanted {
            queue.wanted = true;
            drop(queue);
            self.wake.notify_one();
        }
        true
    }

    pub(super) fn close(&self) {
        self.lock().closing = true;
        self.wake.notify_one();
    }

    fn sleep<'a>(
        &'a self,
        queue: MutexGuard<'a, Queue>,
        until: Option<Duration>,
    ) -> MutexGuard<'a, Queue> {
        match until {
            None => self.wake.wait(queue).unwrap_or_else(PoisonError::into_inner),
            Some(time) => {
                let woken = self.wake.wait_timeout(queue, time);
                woken.unwrap_or_else(PoisonError::into_inner).0
            }
        }
    }
}

impl Queue {
    fn open(&self) -> Result<(), AppendError> {
        if self.closing {
            return Err(AppendError::Closed);
        }
        if let Some(kind) = self.failing {
            return Err(AppendError::Failing(kind));
        }
        let full = self.pending.len() + self.leaving.len() >= PENDING_MAX;
        if full { Err(AppendError::Full) } else { Ok(()) }
    }

    fn end(&self) -> u64 {
        self.first + self.pending.len() as u64
    }

    fn holds(&self, id: &ReceiptId) -> bool {
        let leaving = self.first - self.leaving.len() as u64;
        let in_queue = |first: u64, records: &[Record]| {
            let place = id.index().checked_sub(first);
            let record = place.and_then(|place| records.get(place as usize));
            record.is_some_and(|record| record.id(id.index()) == *id)
        };
        in_queue(self.first, &self.pending) || in_queue(leaving, &self.leaving)
    }

    /// How long until the epoch may close; none if nothing is pending.
    fn due(&self, now: Instant, last: Option<Instant>, epoch: Duration) -> Option<Duration> {
        let since = self.since?;
        if self.closing {
            return Some(Duration::ZERO);
        }
        let soonest = last.map_or(now, |last| last + EPOCH_GAP);
        let end = if self.wanted { soonest } else { (since + epoch).max(soonest) };
        Some(end.saturating_duration_since(now))
    }

    fn take(&mut self) -> Arc<[Record]> {
        self.leaving = std::mem::take(&mut self.pending).into();
        self.first += self.leaving.len() as u64;
        (self.since, self.wanted) = (None, false);
        self.leaving.clone()
    }
}

/// The thread's life. Returns when the ledger was closed and everything is published, or when
/// closing it failed too often.
pub(super) fn run<D: Disk>(
    mut log: Log<D>,
    desk: &Desk,
    heads: &watch::Sender<Arc<Head>>,
    epoch: Duration,
    _lock: File,
) {
    let mut last = None;
    while let Some(work) = next_work(&log, desk, last, epoch) {
        match work {
            Work::Epoch(batch) => {
                if !publish(&mut log, desk, heads, &batch) {
                    return;
                }
                last = Some(now());
                log.expire(now_minute());
            }
            Work::Adopt(adopting) => adopt(&mut log, desk, heads, adopting),
        }
    }
}

/// What the disk refuses is for whoever asked to try again.
fn adopt<D: Disk>(
    log: &mut Log<D>,
    desk: &Desk,
    heads: &watch::Sender<Arc<Head>>,
    Adopting { root, entries, done }: Adopting,
) {
    let adopted = log.adopt_to(root, entries.into_iter()).ok().flatten();
    let is_adopted = adopted.is_some();
    if let Some(head) = adopted {
        let mut queue = desk.lock();
        queue.first = head.size();
        heads.send_replace(Arc::new(head));
    }
    // Whoever asked may have given up.
    let _ = done.send(is_adopted);
}

/// Waits for an epoch's end, or other work. `None` once the ledger is closed and nothing pends.
fn next_work<D: Disk>(
    log: &Log<D>,
    desk: &Desk,
    last: Option<Instant>,
    epoch: Duration,
) -> Option<Work> {
    let mut queue = desk.lock();
    loop {
        if queue.since.is_none()
            && let Some(adopting) = queue.adopting.take()
        {
            return Some(Work::Adopt(adopting));
        }
        match queue.due(now(), last, epoch) {
            Some(Duration::ZERO) => return Some(Work::Epoch(queue.take())),
            Some(rest) => queue = desk.sleep(queue, Some(rest)),
            None if queue.closing => return None,
            None => {
                let expiry = log.records.next_expiry();
                let minutes = expiry.map(|expiry| expiry.saturating_sub(now_minute()));
                if minutes == Some(0) {
                    drop(queue);
                    log.expire(now_minute());
                    queue = desk.lock();
                    // What could not be removed is tried again, but not in a loop.
                    let rest = log.records.next_expiry().map(|_| Duration::from_secs(60));
                    if queue.since.is_none() && !queue.closing {
                        queue = desk.sleep(queue, rest);
                    }
                } else {
                    let rest = minutes.map(|minutes| Duration::from_secs(u64::from(minutes) * 60));
                    queue = desk.sleep(queue, rest);
                }
            }
        }
    }
}

/// Publishes `batch`, trying again while the disk refuses. Meanwhile nothing new is taken.
fn publish<D: Disk>(
    log: &mut Log<D>,
    desk: &Desk,
    heads: &watch::Sender<Arc<Head>>,
    batch: &Arc<[Record]>,
) -> bool {
    let mut tries_closing = 0;
    loop {
        match log.close_epoch(batch.clone(), now_minute()) {
            Ok(head) => {
                // Under the lock, so that a receipt is always in the queue or under the head, and
                // whoever saw the head finds the queue open again.
                let mut queue = desk.lock();
                heads.send_replace(Arc::new(head));
                queue.leaving = Arc::new([]);
                queue.failing = None;
                return true;
            }
            Err(error) => {
                let mut queue = desk.lock();
                queue.failing = Some(error.kind());
                tries_closing += u32::from(queue.closing);
                if tries_closing >= CLOSE_TRIES_MAX {
                    return false;
                }
                drop(desk.sleep(queue, Some(RETRY_AFTER)));
            }
        }
    }
}
