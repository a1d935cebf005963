//! The disk of a node at work, and what it hands to learners or takes from donors.

use std::sync::Arc;

use notrace_store_protocol::event::Event;
use notrace_store_protocol::ids::{Life, NodeId, ShardId, Version};
use notrace_store_protocol::journal::{Agreed, Journal, agreed_on};
use notrace_store_protocol::layout::Mode;
use notrace_store_protocol::machine::Place;
use notrace_store_protocol::message::{Fetch, Message, Part, Piece, Resume, Start, Write};
use notrace_store_protocol::time::Hlc;

use super::World;
use super::disk::Job;
use super::links::{Load, Parcel};
use super::node::index;
use super::queue::Happening;
use super::replica::Entry;
use crate::checks::{Verdict, violated};

/// Updates in one answer to a learner, and in one chunk of a snapshot.
const TAIL_MAX: usize = 6;
const CHUNK: usize = 5;

impl World {
    /// Gives a lane of a node's disk something to do.
    pub(super) fn ask_disk(&mut self, at: usize, lane: usize, job: Job) {
        let (least, most) = self.plan.shape.sync;
        let node = &mut self.nodes[at];
        let took = self.random.within(least, most.max(least)) * node.disk.slowness;
        let lanes = &mut node.disk.lanes[lane];
        lanes.last = lanes.last.max(self.now) + took;
        lanes.jobs.push_back(job);
        let done = lanes.last;
        self.queue.push(done, Happening::Disk { node: at, lane, life: node.life });
    }

    /// Asks for a sync, one at a time for each log.
    pub(super) fn ask_sync(&mut self, at: usize, shard: usize, _through: Version) {
        if self.mode(shard) != Mode::Durable {
            return;
        }
        let node = &mut self.nodes[at];
        let log = &mut node.disk.logs[shard];
        if std::mem::replace(&mut log.syncing, true) {
            log.again = true;
            return;
        }
        let (change, through) = (log.written(), node.replicas[shard].last().version);
        self.ask_disk(at, shard, Job::Sync { shard, change, through });
    }

    pub(super) fn disk_done(&mut self, at: usize, lane: usize, life: Life) -> Verdict {
        if self.nodes[at].life != life || self.nodes[at].group.is_none() {
            return Ok(());
        }
        if self.is_missed(at, Happening::Disk { node: at, lane, life }) {
            return Ok(());
        }
        let Some(job) = self.nodes[at].disk.lanes[lane].jobs.pop_front() else { return Ok(()) };
        match job {
            Job::Record { number, durable } => {
                if let Some(echo) = &durable.echo {
                    self.checks.split.accepted(at, echo);
                }
                self.nodes[at].disk.durable = Some(durable);
                self.step(at, Event::Recorded { number })
            }
            Job::Sync { shard, change, through } => {
                let log = &mut self.nodes[at].disk.logs[shard];
                log.sync_to(change);
                log.syncing = false;
                if std::mem::take(&mut log.again) {
                    self.ask_sync(at, shard, through);
                }
                self.step(at, Event::Synced { shard: ShardId(shard as u16), through })
            }
            Job::Stored { shard, last, resume } => {
                if resume.is_none() {
                    self.ask_sync(at, shard, last.version);
                }
                self.step(at, Event::Stored { shard: ShardId(shard as u16), last, resume })
            }
            Job::Answer { to, fetch, tail, line } => {
                match tail {
                    Some(through) => self.answer_tail(at, to, fetch, through, &line),
                    None => self.answer_chunk(at, to, fetch, &line),
                }
                Ok(())
            }
        }
    }

    fn answer_tail(
        &mut self,
        at: usize,
        to: NodeId,
        fetch: Fetch,
        through: Version,
        line: &Arc<Vec<Start>>,
    ) {
        let shard = usize::from(fetch.shard.0);
        let node = &self.nodes[at];
        let trimmed = node.replicas[shard].trimmed.map_or(Version::ZERO, |place| place.version);
        let replica = &node.replicas[shard];
        if through == fetch.have {
            let last = Place { version: through, time: Hlc::ZERO };
            let part = Part::Tail { after: through, through: last, delivered: through };
            let piece = Piece { shard: fetch.shard, line: line.clone(), part };
            return self.post_piece(at, to, piece, Arc::from([]));
        }
        // Meanwhile the log may have been cut or forgotten what was asked for: then no answer.
        let (Some(begin), false) = (replica.count_to(fetch.have), fetch.have < trimmed) else {
            return;
        };
        let whole = replica.entries.partition_point(|entry| entry.version <= through);
        let end = whole.min(begin + TAIL_MAX).max(begin);
        let entries: Arc<[Entry]> = replica.entries[begin..end].into();
        let before = begin.checked_sub(1).map_or(Place::ZERO, |at| replica.entries[at].place());
        let last = entries.last().map_or(before, Entry::place);
        let part = Part::Tail { after: fetch.have, through: last, delivered: through };
        self.post_piece(at, to, Piece { shard: fetch.shard, line: line.clone(), part }, entries);
    }

    fn answer_chunk(&mut self, at: usize, to: NodeId, fetch: Fetch, line: &Arc<Vec<Start>>) {
        let shard = usize::from(fetch.shard.0);
        let node = &self.nodes[at];
        let replica = &node.replicas[shard];
        let first = line.first().map_or(Version::ZERO, |start| start.through);
        let checkpoint = replica.trimmed.filter(|it| it.version >= first);
        let latest = checkpoint.unwrap_or_else(|| replica.last());
        let named = fetch.resume.and_then(|resume| {
            let count = replica.count_to(resume.at)?;
            Some((replica.entries.get(count.checked_sub(1)?)?.place(), resume.chunk))
        });
        // A donor keeps a snapshot for a while; then the learner begins with a newer one.
        let keeps = self.random.chance(900);
        let (place, chunk) = named.filter(|_| keeps).unwrap_or((latest, 0));
        let Some(count) = self.nodes[at].replicas[shard].count_to(place.version) else { return };
        let begin = (chunk as usize * CHUNK).min(count);
        let end = (begin + CHUNK).min(count);
        let entries: Arc<[Entry]> = self.nodes[at].replicas[shard].entries[begin..end].into();
        let part = Part::Chunk { at: place, chunk, last: end == count };
        self.post_piece(at, to, Piece { shard: fetch.shard, line: line.clone(), part }, entries);
    }

    fn post_piece(&mut self, at: usize, to: NodeId, piece: Piece, entries: Arc<[Entry]>) {
        let write = Write::Message(Message::Piece(piece));
        self.say(|| format!("{}    => {} {write:?}", at + 1, to.number()));
        self.post(at, index(to), Parcel::Write(write, Load::Entries(entries)));
    }

    /// Stores what came with a piece.
    pub(super) fn store(&mut self, at: usize, piece: &Piece) -> Verdict {
        let shard = usize::from(piece.shard.0);
        let entries = match &self.load {
            Load::Entries(entries) => entries.clone(),
            _ => Arc::from([]),
        };
        let resume = match piece.part {
            Part::Back { to } => {
                self.nodes[at].partial[shard] = None;
                self.cut_back(at, shard, to)?;
                None
            }
            Part::Tail { after, .. } => {
                self.nodes[at].partial[shard] = None;
                // Meanwhile the log may have moved; then the answer is of no use.
                if after == self.nodes[at].replicas[shard].last().version {
                    self.append_tail(at, piece.shard, &entries)?;
                }
                None
            }
            Part::Chunk { at: place, chunk, last } => {
                self.store_chunk(at, piece, (place, chunk, last), &entries)?
            }
        };
        self.adopt(at, shard, &piece.line);
        let last = self.nodes[at].replicas[shard].last();
        self.ask_disk(at, shard, Job::Stored { shard, last, resume });
        Ok(())
    }

    fn append_tail(&mut self, at: usize, shard: ShardId, entries: &[Entry]) -> Verdict {
        self.checks.transferred(shard, entries)?;
        let (node, shard) = (&mut self.nodes[at], usize::from(shard.0));
        for entry in entries {
            let sent = &self.sends[entry.payload as usize];
            node.replicas[shard].apply(*entry, sent);
            if self.plan.shape.shards[shard].mode == Mode::Durable {
                node.disk.logs[shard].append(*entry);
            }
        }
        Ok(())
    }

    fn store_chunk(
        &mut self,
        at: usize,
        piece: &Piece,
        (place, chunk, last): (Place, u32, bool),
        entries: &[Entry],
    ) -> Result<Option<Resume>, crate::checks::Violation> {
        let shard = usize::from(piece.shard.0);
        let durable = self.mode(shard) == Mode::Durable;
        let node = &mut self.nodes[at];
        let here = Resume { at: place.version, chunk };
        let mut whole = match node.partial[shard].take() {
            Some((resume, whole)) if resume == here => whole,
            _ if chunk == 0 => Vec::new(),
            _ => return Ok(None),
        };
        whole.extend_from_slice(entries);
        if !last {
            let resume = Resume { at: place.version, chunk: chunk + 1 };
            node.partial[shard] = Some((resume, whole));
            return Ok(Some(resume));
        }
        self.checks.transferred(piece.shard, &whole)?;
        if durable {
            node.disk.logs[shard].replace(whole.clone(), place);
        }
        node.replicas[shard].become_of(whole, Vec::new(), &self.sends);
        node.replicas[shard].trimmed = Some(place);
        self.checks.forget(at, Some(shard));
        Ok(None)
    }

    /// Everything after an update is cut off.
    fn cut_back(&mut self, at: usize, shard: usize, to: Version) -> Verdict {
        let node = &mut self.nodes[at];
        let replica = &mut node.replicas[shard];
        if to == Version::ZERO {
            replica.trimmed = None;
        }
        if replica.trimmed.is_some_and(|trimmed| trimmed.version > to) {
            let text = format!("node {} is to go back to {to}, before a checkpoint", at + 1);
            return violated("durability", text);
        }
        replica.cut(to, &self.sends);
        if self.plan.shape.shards[shard].mode == Mode::Durable {
            node.disk.logs[shard].cut(to);
        }
        self.checks.forget(at, Some(shard));
        Ok(())
    }

    /// Takes over a donor's line, as the protocol's own picture of the log does.
    fn adopt(&mut self, at: usize, shard: usize, line: &[Start]) {
        let node = &mut self.nodes[at];
        let replica = &mut node.replicas[shard];
        let last = replica.last();
        if agreed_on(line, last.version) != Agreed::Same {
            return;
        }
        let mut journal = Journal::restored(last, Version::ZERO, replica.line.clone());
        journal.adopt(line);
        if journal.line() != replica.line {
            replica.line = journal.line().to_vec();
            if self.plan.shape.shards[shard].mode == Mode::Durable {
                node.disk.logs[shard].note_line(replica.line.clone());
            }
        }
    }

    /// A node makes a checkpoint of what is settled.
    pub(super) fn checkpoint(&mut self, at: usize, shard: usize) -> Verdict {
        let node = &mut self.nodes[at];
        let place = node.stable[shard];
        let replica = &mut node.replicas[shard];
        let newer = replica.trimmed.is_none_or(|trimmed| trimmed.version < place.version);
        let there = replica.count_to(place.version).is_some();
        if !newer || !there || place == Place::ZERO || node.group.is_none() || node.paused {
            return Ok(());
        }
        replica.trimmed = Some(place);
        if self.plan.shape.shards[shard].mode == Mode::Durable {
            node.disk.logs[shard].trimmed = Some(place);
        }
        let through = place.version;
        self.step(at, Event::Trimmed { shard: ShardId(shard as u16), through })
    }
}
