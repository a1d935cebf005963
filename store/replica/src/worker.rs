//! The replica's thread: it alone appends, applies and answers.
//!
//! ```text
//! wait → append the batch → apply what was asked `delivered` and stands before the first that was
//! asked more → one fdatasync → apply the rest → answer
//! ```

use std::sync::{Arc, RwLockWriteGuard};
use std::thread::JoinHandle;
use std::time::Duration;
use std::{io, mem, thread};

use futures_channel::oneshot;
use notrace_store_log::disk::Disk;
use notrace_store_log::{AppendError, Log, Mark, Record, write_checkpoint};
use notrace_store_protocol::ids::{SeqNum, Version};
use notrace_store_protocol::machine::{Durability, Machine, Place};

use crate::clock::Clock;
use crate::error::{CheckpointError, SendError};
use crate::queue::Request;
use crate::replica::{ReplicaConfig, install_next_view};
use crate::replicated::{Delivered, Shared};

pub(crate) struct Worker<M: Machine, D: Disk, C> {
    shared: Arc<Shared<M>>,
    disk: D,
    log: Log<D>,
    /// The last update appended, or the view's beginning.
    last: Place,
    clock: C,
    config: ReplicaConfig,
    /// Since when something is appended that is not synced.
    unsynced_since: Option<Duration>,
    writing: Option<Writing>,
    /// Who asked for a checkpoint since the one in writing was begun.
    asked: Vec<oneshot::Sender<Result<(), CheckpointError>>>,
    /// Log bytes that a checkpoint waits for, over and above what is due, after one failed.
    patience: u64,
}

/// A checkpoint that another thread writes, from shared bytes, while this one goes on.
struct Writing {
    mark: Mark,
    thread: JoinHandle<()>,
    asked: Vec<oneshot::Sender<Result<(), CheckpointError>>>,
}

/// The disk failed; what it holds is not known. The replica stops rather than guess.
struct Failed;

impl<M: Machine, D: Disk, C: Clock> Worker<M, D, C> {
    pub(crate) fn start(
        shared: Arc<Shared<M>>,
        disk: D,
        log: Log<D>,
        last: Place,
        clock: C,
        config: ReplicaConfig,
    ) -> io::Result<()> {
        let end = AtEnd(shared.clone());
        let worker = Self {
            shared,
            disk,
            log,
            last,
            clock,
            config,
            unsynced_since: None,
            writing: None,
            asked: Vec::new(),
            patience: 0,
        };
        thread::Builder::new().name("replica".into()).spawn(move || {
            // Ends last, when the log is closed and its folder is free for the next replica.
            let _end = end;
            let mut worker = worker;
            // A failure has no other words than that the replica stopped.
            let _ = worker.run();
        })?;
        Ok(())
    }

    fn run(&mut self) -> Result<(), Failed> {
        loop {
            let work = self.shared.queue.wait(self.sync_due());
            self.asked.extend(work.checkpoints);
            if let Some(written) = work.written {
                self.checkpoint_ended(written);
            }
            let ends = work.closing && work.batch.is_empty();
            if !work.batch.is_empty() {
                self.order(work.batch)?;
            }
            if self.sync_due().is_some_and(|due| due.is_zero()) {
                self.sync()?;
            }
            if ends {
                return self.end();
            }
            self.begin_checkpoint_if_due()?;
        }
    }

    /// How long what was appended may still wait for its sync.
    fn sync_due(&self) -> Option<Duration> {
        let since = self.unsynced_since?;
        let waited = self.clock.elapsed().saturating_sub(since);
        Some(self.config.sync_lag_max.saturating_sub(waited))
    }

    /// Appends, syncs if anybody asked for that, applies, answers.
    fn order(&mut self, batch: Vec<Request<M>>) -> Result<(), Failed> {
        let mut ordered = self.append(batch)?;
        let durable = |(_, request): &(Place, Request<M>)| match request.durability {
            Durability::Delivered => false,
            Durability::MajorityDurable | Durability::AllDurable => true,
        };
        let first = ordered.iter().position(durable).unwrap_or(ordered.len());
        let rest = ordered.split_off(first);
        self.apply(ordered);
        if !rest.is_empty() {
            self.sync()?;
            self.apply(rest);
        }
        Ok(())
    }

    /// Puts the batch into the log: as one group, or one by one where the group does not fit, so
    /// that a large update that finds no room does not turn small ones away.
    fn append(&mut self, batch: Vec<Request<M>>) -> Result<Vec<(Place, Request<M>)>, Failed> {
        let wall = self.clock.wall();
        let left = SeqNum::MAX.number() - self.last.version.seq().number();
        if left < batch.len() as u64 {
            self.last = install_next_view(&mut self.log, self.last, wall).map_err(|_| Failed)?;
        }
        let (mut last, mut ordered) = (self.last, Vec::with_capacity(batch.len()));
        for request in batch {
            let seq = SeqNum::new(last.version.seq().number() + 1).ok_or(Failed)?;
            let version = Version::new(last.version.view(), seq);
            last = Place { version, time: last.time.tick(wall) };
            ordered.push((last, request));
        }
        match self.append_group(&ordered) {
            Ok(()) => Ok(ordered),
            Err(AppendError::OutOfSpace | AppendError::TooLarge) => self.append_each(ordered),
            Err(AppendError::Disk { .. } | AppendError::Poisoned) => Err(Failed),
        }
    }

    fn append_each(
        &mut self,
        group: Vec<(Place, Request<M>)>,
    ) -> Result<Vec<(Place, Request<M>)>, Failed> {
        let mut fitting = Vec::new();
        for one in group {
            match self.append_group(std::slice::from_ref(&one)) {
                Ok(()) => fitting.push(one),
                Err(AppendError::OutOfSpace) => answer(one.1, Err(SendError::OutOfSpace)),
                Err(AppendError::TooLarge) => answer(one.1, Err(SendError::TooLarge)),
                Err(AppendError::Disk { .. } | AppendError::Poisoned) => return Err(Failed),
            }
        }
        Ok(fitting)
    }

    fn append_group(&mut self, group: &[(Place, Request<M>)]) -> Result<(), AppendError> {
        let records: Vec<_> = group
            .iter()
            .map(|(place, request)| Record { place: *place, payload: &request.encoded })
            .collect();
        self.log.append(&records)?;
        self.last = group.last().map_or(self.last, |(place, _)| *place);
        if !self.log.is_synced() && self.unsynced_since.is_none() {
            self.unsynced_since = Some(self.clock.elapsed());
        }
        Ok(())
    }

    fn apply(&mut self, ordered: Vec<(Place, Request<M>)>) {
        let Some((last, _)) = ordered.last() else { return };
        let last = last.version;
        let mut answers = Vec::with_capacity(ordered.len());
        {
            let mut machine: RwLockWriteGuard<'_, M> = match self.shared.machine.write() {
                Ok(machine) => machine,
                Err(_) => unreachable!("only this thread could have spoilt the machine"),
            };
            for (place, request) in ordered {
                let reply = machine.apply(place, request.command);
                answers.push((request.answer, Delivered { place, reply }));
            }
        }
        self.shared.watchers.advance(last);
        for (answer, delivered) in answers {
            // Whoever does not wait any more loses the answer, not the update.
            let _ = answer.send(Ok(delivered));
        }
    }

    fn sync(&mut self) -> Result<(), Failed> {
        self.log.sync().map_err(|_| Failed)?;
        self.unsynced_since = None;
        Ok(())
    }

    fn begin_checkpoint_if_due(&mut self) -> Result<(), Failed> {
        let due = self.config.checkpoint_bytes_min.max(self.log.checkpoint_bytes()) + self.patience;
        let due = self.log.bytes_since_checkpoint() > due || !self.asked.is_empty();
        if self.writing.is_some() || !due {
            return Ok(());
        }
        let mark = self.log.mark().map_err(|_| Failed)?;
        self.unsynced_since = None;
        let chunks = match self.shared.machine.read() {
            Ok(machine) => machine.snapshot_chunks(),
            Err(_) => unreachable!("only this thread could have spoilt the machine"),
        };
        let (shared, disk, place) = (self.shared.clone(), self.disk.clone(), self.last);
        let thread = thread::Builder::new()
            .name("checkpoint".into())
            .spawn(move || shared.queue.wrote(write_checkpoint(&disk, place, &chunks)));
        let asked = mem::take(&mut self.asked);
        match thread {
            Ok(thread) => self.writing = Some(Writing { mark, thread, asked }),
            Err(error) => {
                self.patience = self.log.bytes_since_checkpoint();
                let kind = error.kind();
                tell(asked, Err(notrace_store_log::CheckpointError { kind }));
            }
        }
        Ok(())
    }

    fn checkpoint_ended(&mut self, written: Result<u64, notrace_store_log::CheckpointError>) {
        let Some(writing) = self.writing.take() else { return };
        // It has told its result, so it is about to end.
        let _ = writing.thread.join();
        let trimmed = written.and_then(|bytes| {
            let trimmed = self.log.checkpointed(writing.mark, bytes);
            trimmed.map_err(|error| notrace_store_log::CheckpointError { kind: error.kind })
        });
        self.patience = if trimmed.is_ok() { 0 } else { self.log.bytes_since_checkpoint() };
        tell(writing.asked, trimmed);
    }

    /// Everything that waited is done. A checkpoint in writing is waited for, and the log sealed.
    fn end(&mut self) -> Result<(), Failed> {
        while self.writing.is_some() {
            let written = self.shared.queue.wait_written();
            self.checkpoint_ended(written);
        }
        self.log.seal().map_err(|_| Failed)
    }
}

fn tell(
    asked: Vec<oneshot::Sender<Result<(), CheckpointError>>>,
    result: Result<(), notrace_store_log::CheckpointError>,
) {
    for asked in asked {
        // Whoever does not wait any more need not be told.
        let _ = asked.send(result.map_err(CheckpointError::Log));
    }
}

fn answer<M: Machine>(request: Request<M>, with: Result<Delivered<M::Reply>, SendError>) {
    // Whoever does not wait any more has not been promised anything.
    let _ = request.answer.send(with);
}

/// Tells everybody that the thread is gone, however it went.
struct AtEnd<M: Machine>(Arc<Shared<M>>);

impl<M: Machine> Drop for AtEnd<M> {
    fn drop(&mut self) {
        self.0.watchers.close();
        self.0.queue.stop();
    }
}
