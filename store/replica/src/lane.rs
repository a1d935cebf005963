//! The disk's side of one log: a thread that does what it is asked in order, and as many appends as
//! wait in one go, with one `fdatasync` behind them.
//!
//! The protocol's thread never waits for a disk, so a slow one makes updates durable late and
//! nobody suspected.

#[cfg(test)]
mod spec;

use std::collections::VecDeque;
use std::io::ErrorKind;
use std::sync::mpsc::Receiver;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};

use bytes::Bytes;
use futures_channel::oneshot;
use notrace_store_log::disk::Disk;
use notrace_store_log::{
    AppendError, CheckpointError as CheckpointFailed, Log, Mark, OpenError, Record, SyncError,
    write_checkpoint,
};
use notrace_store_protocol::ids::{Life, NodeId, ShardId, Version};
use notrace_store_protocol::machine::{Chunk, Place};
use notrace_store_protocol::message::{Fetch, Resume, Start};

use crate::background;
use crate::error::CheckpointError;
use crate::lends::{Decayed, Lends, Loan};
use crate::limits::{FULL_DISK_PAUSE, GROUP_BYTES};
use crate::line;
use crate::past::Past;
use crate::replica::write_first;
use crate::reports::{Report, Reports};
use crate::seats::Seat;

/// Somebody who asked for a checkpoint.
pub(crate) struct Asked {
    pub(crate) answer: oneshot::Sender<Result<(), CheckpointError>>,
    /// Of those that may wait.
    pub(crate) _seat: Seat,
}

/// What a log is asked to do.
pub(crate) enum Job {
    Append(Place, Bytes),
    Begin(Start),
    Sync {
        life: Life,
        through: Version,
    },
    /// Everything asked before is done and safe; then say that this life's log rests.
    Rest(Life),
    /// Cuts the log back, or to its beginning, and says what is left of it.
    Rewind(Version),
    Install {
        place: Place,
        line: Vec<Start>,
        state: Arc<Vec<u8>>,
    },
    /// Everything asked before is in the log; then say that it was stored.
    Stored {
        life: Life,
        last: Place,
        resume: Option<Resume>,
    },
    Checkpoint {
        place: Place,
        line: Vec<Start>,
        /// The state, once it is told.
        chunks: Receiver<Vec<Chunk>>,
        asked: Vec<Asked>,
    },
    /// The thread that writes a checkpoint, or removes what it supersedes, is through.
    Advanced,
    Tail {
        to: NodeId,
        fetch: Fetch,
        through: Version,
        line: Arc<Vec<Start>>,
        bytes_max: usize,
    },
    Chunk(Loan),
    Close,
}

/// What waits for the disk.
pub(crate) struct Lane {
    queue: Mutex<Queue>,
    filled: Condvar,
    /// Asks the disk how many more bytes it can take.
    measure: Box<dyn Fn() -> u64 + Send + Sync>,
}

#[derive(Default)]
struct Queue {
    jobs: VecDeque<Job>,
    bytes: u64,
    closed: bool,
    /// The thread waits, and has to be woken.
    waits: bool,
}

impl Lane {
    fn queue(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Asks for a job. An abandoned log is asked for nothing: what was dropped there would be
    /// missing before it.
    pub(crate) fn push(&self, job: Job) {
        let mut queue = self.queue();
        if queue.closed {
            return;
        }
        // Updates are asked to be safe once all that were delivered together are here, and are
        // written in one go then, unless they are many.
        let mut more_follows = false;
        if let Job::Append(_, bytes) = &job {
            queue.bytes += bytes.len() as u64;
            more_follows = queue.bytes < GROUP_BYTES;
        }
        queue.jobs.push_back(job);
        // A thread that is at work looks again by itself, and to wake it costs a system call.
        let wakes = queue.waits && !more_follows;
        queue.waits &= more_follows;
        drop(queue);
        if wakes {
            self.filled.notify_one();
        }
    }

    /// How many bytes wait.
    pub(crate) fn waiting(&self) -> u64 {
        self.queue().bytes
    }

    /// How many more bytes the disk can take, besides those that wait.
    pub(crate) fn room(&self) -> u64 {
        (self.measure)().saturating_sub(self.waiting())
    }

    /// Nothing that waits is done any more.
    pub(crate) fn abandon(&self) {
        let mut queue = self.queue();
        queue.jobs.clear();
        (queue.bytes, queue.closed) = (0, true);
        self.filled.notify_one();
    }

    fn take(&self) -> VecDeque<Job> {
        let idle = |queue: &mut Queue| {
            queue.waits = queue.jobs.is_empty() && !queue.closed;
            queue.waits
        };
        let queue = self.filled.wait_while(self.queue(), idle);
        let mut queue = queue.unwrap_or_else(PoisonError::into_inner);
        if queue.closed && queue.jobs.is_empty() {
            queue.jobs.push_back(Job::Close);
        }
        std::mem::take(&mut queue.jobs)
    }

    fn done(&self, bytes: u64) {
        let mut queue = self.queue();
        queue.bytes -= bytes.min(queue.bytes);
    }

    /// Waits a little, unless the lane is abandoned meanwhile; whether it was.
    fn pause(&self) -> bool {
        let still = |queue: &mut Queue| !queue.closed;
        let waited = self.filled.wait_timeout_while(self.queue(), FULL_DISK_PAUSE, still);
        waited.map_or(true, |(queue, _)| queue.closed)
    }
}

/// The thread's own.
struct Worker<D: Disk> {
    shard: ShardId,
    disk: D,
    log: Log<D>,
    /// The state before the first update.
    first: Vec<Chunk>,
    lends: Lends<D>,
    lane: Arc<Lane>,
    reports: Arc<Reports>,
    work: Option<Work>,
}

type Written = Result<u64, CheckpointFailed>;
type Removed = Result<(), CheckpointFailed>;

/// A checkpoint that another thread is at.
struct Work {
    step: Step,
    asked: Vec<Asked>,
}

enum Step {
    Writing(Mark, JoinHandle<Written>),
    /// Removing what it supersedes, which a file system may take long for.
    Removing(JoinHandle<Removed>),
}

/// Why the thread ends before it is asked to.
enum Halt {
    /// The disk failed; what it holds is not known.
    Failed(ErrorKind),
    /// It was full until nobody waited any more.
    Abandoned,
}

impl Halt {
    fn of_sync(error: SyncError) -> Self {
        Self::Failed(error.kind)
    }
}

impl Lane {
    /// Starts the thread of a log.
    /// # Errors  What the system says.
    pub(crate) fn start<D: Disk>(
        shard: ShardId,
        disk: D,
        log: Log<D>,
        first: Vec<Chunk>,
        reports: Arc<Reports>,
    ) -> std::io::Result<(Arc<Self>, JoinHandle<()>)> {
        let measured = disk.clone();
        // A disk that cannot tell will refuse by itself when it is full.
        let measure = Box::new(move || measured.room().unwrap_or(u64::MAX));
        let (queue, filled) = (Mutex::default(), Condvar::new());
        let lane = Arc::new(Self { queue, filled, measure });
        let (lends, work) = (Lends::new(), None);
        let lane_of = lane.clone();
        let worker = Worker { shard, disk, log, first, lends, lane: lane_of, reports, work };
        let thread = thread::Builder::new().name(format!("log {}", shard.0)).spawn(move || {
            let mut worker = worker;
            if let Err(Halt::Failed(kind)) = worker.run() {
                worker.reports.push(Report::DiskFailed { kind });
            }
        })?;
        Ok((lane, thread))
    }
}

impl<D: Disk> Worker<D> {
    fn run(&mut self) -> Result<(), Halt> {
        loop {
            let mut jobs = self.lane.take();
            let mut sync = None;
            while let Some(job) = jobs.pop_front() {
                match job {
                    Job::Append(place, bytes) => {
                        let mut group = vec![(place, bytes)];
                        while let Some(Job::Append(..)) = jobs.front() {
                            if let Some(Job::Append(place, bytes)) = jobs.pop_front() {
                                group.push((place, bytes));
                            }
                        }
                        self.append(&group)?;
                    }
                    Job::Sync { life, through } => sync = Some((life, through)),
                    Job::Close => return self.end(),
                    other => self.act(other)?,
                }
            }
            if let Some((life, through)) = sync {
                self.log.sync().map_err(Halt::of_sync)?;
                self.report(Report::Synced { life, shard: self.shard, through });
            }
        }
    }

    fn report(&self, report: Report) {
        self.reports.push(report);
    }

    fn act(&mut self, job: Job) -> Result<(), Halt> {
        match job {
            Job::Begin(start) => {
                let (place, payload) = (line::place(&start), line::payload(&start));
                if place.version > self.log.last() {
                    self.append(&[(place, Bytes::copy_from_slice(&payload))])?;
                }
            }
            Job::Rewind(to) => self.rewind(to)?,
            Job::Install { place, line, state } => self.install(place, &line, state)?,
            Job::Stored { life, last, resume } => {
                self.report(Report::Stored { life, shard: self.shard, last, resume });
            }
            Job::Rest(life) => {
                self.log.sync().map_err(Halt::of_sync)?;
                self.report(Report::Rested { life, shard: self.shard });
            }
            Job::Checkpoint { place, line, chunks, asked } => {
                self.checkpoint(place, &line, chunks, asked)?;
            }
            Job::Advanced => self.advance_checkpoint(),
            Job::Tail { to, fetch, through, line, bytes_max } => {
                let updates = self.log.tail(fetch.have, through, bytes_max);
                let updates = updates.map_err(|error| Halt::Failed(error.kind()))?;
                let updates = updates.into_iter().map(|(place, it)| (place, it.into())).collect();
                self.report(Report::Tail { to, fetch, through, line, updates });
            }
            Job::Chunk(loan) => {
                let shard = self.shard;
                let lent = self.lends.chunk(&self.log, loan.fetch.resume);
                let lent = lent.map_err(|error| Halt::Failed(error.kind()))?;
                self.report(match lent {
                    Ok(lent) => Report::Lent { loan, lent },
                    Err(Decayed) => Report::Decayed { shard },
                });
            }
            Job::Append(..) | Job::Sync { .. } | Job::Close => {}
        }
        Ok(())
    }

    /// Appends a group. A full disk is tried again until it has room: what was delivered cannot be
    /// taken back.
    fn append(&mut self, group: &[(Place, Bytes)]) -> Result<(), Halt> {
        let records: Vec<_> =
            group.iter().map(|(place, payload)| Record { place: *place, payload }).collect();
        loop {
            match self.log.append(&records) {
                Ok(()) => break,
                Err(AppendError::OutOfSpace) if self.lane.pause() => return Err(Halt::Abandoned),
                Err(AppendError::OutOfSpace) => {}
                Err(AppendError::Disk { kind }) => return Err(Halt::Failed(kind)),
                Err(AppendError::TooLarge) => return Err(Halt::Failed(ErrorKind::InvalidInput)),
                Err(AppendError::Poisoned) => return Err(Halt::Failed(ErrorKind::Other)),
            }
        }
        let bytes = group.iter().map(|(_, payload)| payload.len() as u64).sum();
        self.lane.done(bytes);
        Ok(())
    }

    fn rewind(&mut self, to: Version) -> Result<(), Halt> {
        self.finish_checkpoint();
        // What left the history is lent to nobody.
        self.lends.clear();
        if to < self.log.trimmed() {
            self.log.clear().map_err(Halt::of_sync)?;
            // As at the very beginning: without a state no log opens that holds updates.
            let written = write_first(&self.disk, &self.first);
            written.map_err(|error| Halt::Failed(error.kind))?;
        } else {
            self.log.cut(to).map_err(Halt::of_sync)?;
        }
        let (mut past, config) = (Past::default(), self.log.config());
        let log = Log::open(self.disk.clone(), config, |found| past.take(found));
        self.log = log.map_err(|error| Halt::Failed(kind_of(error)))?;
        self.report(Report::Rewound { shard: self.shard, past });
        Ok(())
    }

    fn install(&mut self, place: Place, line: &[Start], state: Arc<Vec<u8>>) -> Result<(), Halt> {
        self.finish_checkpoint();
        self.lends.clear();
        if self.log.last() > place.version {
            // What the log has beyond the state is not agreed.
            let covers = place.version >= self.log.trimmed();
            let cut = if covers { self.log.cut(place.version) } else { self.log.clear() };
            cut.map_err(Halt::of_sync)?;
            if self.log.last() > place.version {
                self.log.clear().map_err(Halt::of_sync)?;
            }
        }
        let (line, disk) = (line::encode(line), self.disk.clone());
        let writing = background::begin("install", move || {
            write_checkpoint(&disk, place, &[&line[..], &state])
        });
        let writing = writing.map_err(|error| Halt::Failed(error.kind()))?;
        let lost = CheckpointFailed { kind: ErrorKind::Other };
        let written = writing.join().unwrap_or(Err(lost));
        let installed = written.and_then(|bytes| self.log.adopt(place, bytes));
        installed.map_err(|error| Halt::Failed(error.kind))
    }

    /// Begins to write a checkpoint, from shared bytes, while this thread goes on.
    fn checkpoint(
        &mut self,
        place: Place,
        line: &[Start],
        chunks: Receiver<Vec<Chunk>>,
        asked: Vec<Asked>,
    ) -> Result<(), Halt> {
        self.finish_checkpoint();
        let mark = self.log.mark(place.version).map_err(Halt::of_sync)?;
        let mut parts = vec![Chunk::Owned(line::encode(line))];
        let (lane, disk) = (self.lane.clone(), self.disk.clone());
        let thread = background::begin("checkpoint", move || {
            let untold = CheckpointFailed { kind: ErrorKind::Interrupted };
            let written = chunks.recv().map_err(|_| untold).and_then(|chunks| {
                parts.extend(chunks);
                write_checkpoint(&disk, place, &parts)
            });
            lane.push(Job::Advanced);
            written
        });
        match thread {
            Ok(thread) => self.work = Some(Work { step: Step::Writing(mark, thread), asked }),
            Err(error) => {
                tell(asked, Err(CheckpointFailed { kind: error.kind() }));
                self.report(Report::Trimmed { shard: self.shard, through: None });
            }
        }
        Ok(())
    }

    /// Waits for a checkpoint under way, if there is one, and for what it supersedes to be gone.
    fn finish_checkpoint(&mut self) {
        while self.work.is_some() {
            self.advance_checkpoint();
        }
    }

    /// Takes what the thread has done that is at a checkpoint, and has it do the next.
    fn advance_checkpoint(&mut self) {
        let Some(Work { step, asked }) = self.work.take() else { return };
        let lost = CheckpointFailed { kind: ErrorKind::Other };
        let removing = match step {
            Step::Writing(mark, thread) => {
                let written = thread.join().unwrap_or(Err(lost));
                written.and_then(|bytes| self.remove_superseded(mark, bytes))
            }
            Step::Removing(thread) => {
                return self.tell_checkpoint(asked, thread.join().unwrap_or(Err(lost)));
            }
        };
        match removing {
            Ok(thread) => self.work = Some(Work { step: Step::Removing(thread), asked }),
            Err(failed) => self.tell_checkpoint(asked, Err(failed)),
        }
    }

    fn remove_superseded(
        &mut self,
        mark: Mark,
        bytes: u64,
    ) -> Result<JoinHandle<Removed>, CheckpointFailed> {
        let failed = |kind| CheckpointFailed { kind };
        let old = self.log.checkpointed(mark, bytes).map_err(|error| failed(error.kind))?;
        let (lane, disk) = (self.lane.clone(), self.disk.clone());
        let thread = background::begin("trim", move || {
            let removed = old.remove(&disk).map_err(|error| failed(error.kind));
            lane.push(Job::Advanced);
            removed
        });
        thread.map_err(|error| failed(error.kind()))
    }

    fn tell_checkpoint(&mut self, asked: Vec<Asked>, done: Result<(), CheckpointFailed>) {
        let through = done.is_ok().then(|| self.log.trimmed());
        self.report(Report::Trimmed { shard: self.shard, through });
        tell(asked, done);
    }

    /// Everything that waited is done. A checkpoint in writing is waited for, and the log sealed.
    fn end(&mut self) -> Result<(), Halt> {
        self.finish_checkpoint();
        self.log.seal().map_err(Halt::of_sync)
    }
}

/// What a log that does not open again says of its disk.
fn kind_of(error: OpenError) -> ErrorKind {
    match error {
        OpenError::Disk { kind, .. } => kind,
        _ => ErrorKind::InvalidData,
    }
}

fn tell(asked: Vec<Asked>, result: Result<(), CheckpointFailed>) {
    for asked in asked {
        // Whoever does not wait any more need not be told.
        let _ = asked.answer.send(result.map_err(CheckpointError::Log));
    }
}
