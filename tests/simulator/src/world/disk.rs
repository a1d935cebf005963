//! A node's disk: what was written, how much of it is safe, and what is left after a crash.

use std::collections::VecDeque;
use std::sync::Arc;

use notrace_store_protocol::effect::Durable;
use notrace_store_protocol::ids::{NodeId, Version};
use notrace_store_protocol::machine::Place;
use notrace_store_protocol::message::{Fetch, Resume, Start};

use super::replica::Entry;
use crate::plan::{Loss, Micros};
use crate::random::Random;

/// A write to a log that is not known to be safe.
#[derive(Clone, Debug)]
enum Change {
    Append(Entry),
    Begin(Start),
    Cut(Version),
    Line(Vec<Start>),
    Replace(Vec<Entry>, Place),
}

/// The log of one shard.
#[derive(Clone, Default, Debug)]
pub(crate) struct Log {
    /// What is safe.
    pub(crate) entries: Vec<Entry>,
    pub(crate) line: Vec<Start>,
    /// How many changes are safe, and those that are not.
    safe: u64,
    changes: VecDeque<Change>,
    /// The last update that only a checkpoint covers.
    pub(crate) trimmed: Option<Place>,
    pub(crate) syncing: bool,
    pub(crate) again: bool,
}

impl Log {
    pub(crate) fn append(&mut self, entry: Entry) {
        self.changes.push_back(Change::Append(entry));
    }

    pub(crate) fn begin(&mut self, start: Start) {
        self.changes.push_back(Change::Begin(start));
    }

    pub(crate) fn cut(&mut self, to: Version) {
        self.changes.push_back(Change::Cut(to));
    }

    /// The starts of epochs are these from now on.
    pub(crate) fn note_line(&mut self, line: Vec<Start>) {
        self.changes.push_back(Change::Line(line));
    }

    /// A snapshot takes the place of everything.
    pub(crate) fn replace(&mut self, entries: Vec<Entry>, at: Place) {
        self.changes.push_back(Change::Replace(entries, at));
    }

    /// The number of the last change so far.
    pub(crate) fn written(&self) -> u64 {
        self.safe + self.changes.len() as u64
    }

    /// Everything up to this change is safe.
    pub(crate) fn sync_to(&mut self, change: u64) {
        while self.safe < change {
            match self.changes.pop_front() {
                None => return,
                Some(Change::Append(entry)) => self.entries.push(entry),
                Some(Change::Begin(start)) => self.line.push(start),
                Some(Change::Cut(to)) => {
                    let end = self.entries.partition_point(|entry| entry.version <= to);
                    self.entries.truncate(end);
                    self.line.retain(|start| start.through <= to);
                    self.trimmed = self.trimmed.filter(|_| to != Version::ZERO);
                }
                Some(Change::Line(line)) => self.line = line,
                Some(Change::Replace(entries, at)) => {
                    self.entries = entries;
                    self.line.clear();
                    self.trimmed = Some(at);
                }
            }
            self.safe += 1;
        }
    }

    /// What is left of it.
    fn crash(&mut self, loss: Loss, random: &mut Random) {
        let kept = match loss {
            Loss::Kept => self.written(),
            Loss::Torn => random.within(self.safe, self.written()),
            Loss::Lost => return *self = Self::default(),
        };
        self.sync_to(kept);
        self.changes.clear();
        (self.syncing, self.again) = (false, false);
    }

    pub(crate) fn last(&self) -> Place {
        self.entries.last().map_or(Place::ZERO, Entry::place)
    }
}

/// Something that the disk is asked to do.
#[derive(Clone, Debug)]
pub(crate) enum Job {
    Record { number: u64, durable: Arc<Durable> },
    Sync { shard: usize, change: u64, through: Version },
    Stored { shard: usize, last: Place, resume: Option<Resume> },
    Answer { to: NodeId, fetch: Fetch, tail: Option<Version>, line: Arc<Vec<Start>> },
}

/// A queue of jobs, done in order. Each log has one, and the records.
#[derive(Clone, Default, Debug)]
pub(crate) struct Lane {
    pub(crate) jobs: VecDeque<Job>,
    pub(crate) last: Micros,
}

/// The disk of one node.
#[derive(Clone, Debug)]
pub(crate) struct Disk {
    pub(crate) durable: Option<Arc<Durable>>,
    pub(crate) logs: Vec<Log>,
    /// One for each log, and the last one for the records.
    pub(crate) lanes: Vec<Lane>,
    pub(crate) slowness: u64,
}

impl Disk {
    pub(crate) fn new(shards: usize) -> Self {
        Self {
            durable: None,
            logs: vec![Log::default(); shards],
            lanes: vec![Lane::default(); shards + 1],
            slowness: 1,
        }
    }

    /// What is left after a crash. A record that was under way is there or not.
    pub(crate) fn crash(&mut self, loss: Loss, random: &mut Random) -> Vec<Arc<Durable>> {
        let mut recorded = Vec::new();
        if let Some(lane) = self.lanes.last_mut() {
            let made = random.below(lane.jobs.len() as u64 + 1) as usize;
            for job in lane.jobs.drain(..).take(made) {
                if let Job::Record { durable, .. } = job {
                    recorded.push(durable.clone());
                    self.durable = Some(durable);
                }
            }
        }
        if loss == Loss::Lost {
            recorded.clear();
            self.durable = None;
        }
        for log in &mut self.logs {
            log.crash(loss, random);
        }
        for lane in &mut self.lanes {
            *lane = Lane::default();
        }
        recorded
    }
}
