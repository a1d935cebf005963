//! Giving others what they lack, no faster than allowed, and taking what others give.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use notrace_store_fabric::Fabric;
use notrace_store_fabric::mail::Letter;
use notrace_store_protocol::event::Event;
use notrace_store_protocol::ids::{NodeId, ShardId, Version};
use notrace_store_protocol::machine::Place;
use notrace_store_protocol::message::{Fetch, Message, Part, Piece, Resume, Start, Write};
use notrace_store_protocol::time::Hlc;

use crate::clock::Clock;
use crate::error::{CheckpointError, Failure};
use crate::lane::{Asked, Job};
use crate::letters;
use crate::limits::{SNAPSHOT_KEPT, TAIL_BYTES_MAX};
use crate::past::Past;
use crate::replica::replay;
use crate::shard::{Gathered, Shard};
use crate::worker::Worker;

/// An answer that somebody waits for.
enum Wanted {
    Tail { fetch: Fetch, through: Version, line: Arc<Vec<Start>> },
    Chunk { fetch: Fetch, line: Arc<Vec<Start>> },
}

/// Who waits for what, one answer for each of them and each shard, and how much may be sent.
pub(crate) struct Donor {
    bytes_per_s: u64,
    wanted: BTreeMap<(NodeId, ShardId), Wanted>,
    /// Until when what was sent last counts.
    free_at: Duration,
}

impl Donor {
    pub(crate) fn new(bytes_per_s: u64) -> Self {
        Self { bytes_per_s: bytes_per_s.max(1), wanted: BTreeMap::new(), free_at: Duration::ZERO }
    }

    pub(crate) fn ask_tail(
        &mut self,
        to: NodeId,
        fetch: Fetch,
        through: Version,
        line: Arc<Vec<Start>>,
    ) {
        self.wanted.insert((to, fetch.shard), Wanted::Tail { fetch, through, line });
    }

    pub(crate) fn ask_chunk(&mut self, to: NodeId, fetch: Fetch, line: Arc<Vec<Start>>) {
        self.wanted.insert((to, fetch.shard), Wanted::Chunk { fetch, line });
    }

    pub(crate) fn forget(&mut self, node: NodeId) {
        self.wanted.retain(|(to, _), _| *to != node);
    }

    pub(crate) fn forget_all(&mut self) {
        self.wanted.clear();
    }

    /// When there is something to send.
    pub(crate) fn due(&self, now: Duration) -> Duration {
        if self.wanted.is_empty() { Duration::MAX } else { self.free_at.saturating_sub(now) }
    }

    fn next(&mut self, now: Duration) -> Option<(NodeId, Wanted)> {
        if self.free_at > now {
            return None;
        }
        self.wanted.pop_first().map(|((to, _), wanted)| (to, wanted))
    }

    fn sent(&mut self, bytes: usize, now: Duration) {
        let micros = bytes as u64 * 1_000_000 / self.bytes_per_s;
        self.free_at = self.free_at.max(now) + Duration::from_micros(micros);
    }
}

impl Shard {
    pub(crate) fn forget_old_snapshot(&mut self, now: Duration) {
        self.snapshot.take_if(|snapshot| now.saturating_sub(snapshot.used) > SNAPSHOT_KEPT);
    }

    pub(crate) fn backlog(&self) -> u64 {
        self.lane.as_ref().map_or(0, |lane| lane.waiting())
    }
}

impl<F: Fabric, C: Clock> Worker<F, C> {
    /// Answers those who lack something, as far as the rate allows.
    pub(crate) fn donate(&mut self) {
        while let Some((to, wanted)) = self.donor.next(self.now) {
            match wanted {
                Wanted::Tail { fetch, through, line } => self.give_tail(to, fetch, through, line),
                Wanted::Chunk { fetch, line } => self.give_chunk(to, fetch, line),
            }
        }
    }

    fn give_tail(&mut self, to: NodeId, fetch: Fetch, through: Version, line: Arc<Vec<Start>>) {
        let Some(shard) = self.shard(fetch.shard) else { return };
        if through == fetch.have {
            return self.send_tail(to, fetch, through, &line, &[]);
        }
        match shard.recent.tail(fetch.have, through, TAIL_BYTES_MAX) {
            Some(updates) => self.send_tail(to, fetch, through, &line, &updates),
            None => {
                let bytes_max = TAIL_BYTES_MAX;
                shard.ask(Job::Tail { to, fetch, through, line, bytes_max });
            }
        }
    }

    /// Sends updates. Where there should be some and are none, the log has forgotten them since:
    /// then no answer, and the question will come again.
    pub(crate) fn send_tail(
        &mut self,
        to: NodeId,
        fetch: Fetch,
        delivered: Version,
        line: &Arc<Vec<Start>>,
        updates: &[(Place, Bytes)],
    ) {
        let nothing = Place { version: fetch.have, time: Hlc::ZERO };
        let through = match updates.last() {
            Some((place, _)) => *place,
            None if delivered == fetch.have => nothing,
            None => return,
        };
        let part = Part::Tail { after: fetch.have, through, delivered };
        self.send_piece(to, fetch.shard, line, part, letters::tail(updates));
    }

    fn give_chunk(&mut self, to: NodeId, fetch: Fetch, line: Arc<Vec<Start>>) {
        let now = self.now;
        let Some(shard) = self.shard(fetch.shard) else { return };
        let snapshot = shard.snapshot(fetch.resume.map(|resume| resume.at), now);
        let place = snapshot.place;
        let resume = fetch.resume.filter(|resume| resume.at == place.version);
        let chunk = resume.map_or(0, |resume| resume.chunk);
        let (bytes, last) = snapshot.chunk(chunk);
        let part = Part::Chunk { at: place, chunk, last };
        self.send_piece(to, fetch.shard, &line, part, vec![bytes.into()]);
    }

    fn send_piece(
        &mut self,
        to: NodeId,
        shard: ShardId,
        line: &Arc<Vec<Start>>,
        part: Part,
        body: Vec<Bytes>,
    ) {
        let sent: usize = body.iter().map(Bytes::len).sum();
        self.donor.sent(sent, self.now);
        let piece = Piece { shard, line: line.clone(), part };
        let head = letters::write(&Write::Message(Message::Piece(piece)));
        self.post(to, Letter { head, body });
    }

    /// Stores what came with a piece, in its order behind what the log has been asked before.
    pub(crate) fn store(&mut self, piece: &Piece) {
        let load = std::mem::take(&mut self.load);
        let Some(shard) = self.shard(piece.shard) else { return };
        match piece.part {
            Part::Back { to } => self.go_back(piece.shard, to),
            Part::Tail { after, .. } => {
                shard.partial = None;
                let updates = letters::read_tail(load).unwrap_or_default();
                // Meanwhile the log may have moved; then the answer is of no use.
                let follows = after == shard.last.version
                    && updates.first().is_some_and(|(place, _)| place.version > after);
                if follows {
                    self.store_tail(piece, updates);
                }
                self.stored(piece.shard, None);
            }
            Part::Chunk { at, chunk, last } => {
                let resume = match shard.gather(at.version, chunk, last, &load) {
                    Gathered::Nothing => None,
                    Gathered::Part(resume) => Some(resume),
                    Gathered::Whole(state) => {
                        if shard.become_of(at, Some(&state)) {
                            let reached = |start: &&Start| start.through <= at.version;
                            let line = piece.line.iter().filter(reached).copied().collect();
                            let state = Arc::new(state);
                            shard.ask(Job::Install { place: at, line, state });
                            shard.checkpoint.since = 0;
                            shard.trimmed = at.version;
                        }
                        None
                    }
                };
                self.stored(piece.shard, resume);
            }
        }
    }

    fn store_tail(&mut self, piece: &Piece, updates: Vec<(Place, Bytes)>) {
        let mut dropped = None;
        let Some(shard) = self.shard(piece.shard) else { return };
        for (place, bytes) in updates {
            shard.note_starts(&piece.line, place.version);
            dropped = shard.take(place, bytes, None).or(dropped);
        }
        shard.note_starts(&piece.line, Version::from_wire(u64::MAX));
        self.note_dropped(piece.shard, dropped);
    }

    fn stored(&mut self, id: ShardId, resume: Option<Resume>) {
        let life = self.life;
        let Some(shard) = self.shard(id) else { return };
        let last = shard.last;
        if shard.is_durable() {
            shard.ask(Job::Stored { life, last, resume });
            if resume.is_none() {
                shard.ask(Job::Sync { life, through: last.version });
            }
        } else {
            self.follows.push_back(Event::Stored { shard: id, last, resume });
        }
    }

    /// What the log has after an update left the agreed history.
    fn go_back(&mut self, id: ShardId, to: Version) {
        let Some(shard) = self.shard(id) else { return };
        shard.partial = None;
        if shard.is_durable() {
            // The machine cannot go back; it is made anew from what is left of the log.
            return shard.ask(Job::Rewind(to));
        }
        shard.become_of(Place::ZERO, None);
        self.stored(id, None);
    }

    pub(crate) fn rewound(&mut self, id: ShardId, past: Past) {
        let Some(shard) = self.shard(id) else { return };
        let (last, trimmed) = (past.last(), past.trimmed());
        if replay(&mut *shard.host, past).is_err() {
            return self.fail(Failure::Unreadable);
        }
        (shard.last, shard.trimmed) = (last, trimmed);
        shard.recent = crate::shard::Recent::after(last.version);
        shard.snapshot = None;
        self.stored(id, None);
    }

    pub(crate) fn checkpoint_if_due(&mut self, number: usize) {
        let Some(shard) = self.shards.get(number) else { return };
        let checkpoint = &shard.checkpoint;
        let due = self.config.checkpoint_bytes_min.max(checkpoint.bytes) + checkpoint.patience;
        if shard.is_durable() && checkpoint.writing.is_none() && checkpoint.since > due {
            self.checkpoint(number, Vec::new());
        }
    }

    /// Begins a checkpoint of what is applied now.
    pub(crate) fn checkpoint(&mut self, number: usize, asked: Vec<Asked>) {
        let Some(shard) = self.shards.get_mut(number) else { return };
        if !shard.is_durable() {
            for asked in asked {
                // Whoever does not wait any more need not be told.
                let _ = asked.answer.send(Err(CheckpointError::NoLog));
            }
            return;
        }
        if shard.checkpoint.writing.is_some() {
            return shard.checkpoint.asked.extend(asked);
        }
        let chunks = shard.host.snapshot();
        shard.checkpoint.bytes = chunks.iter().map(|chunk| chunk.as_ref().len() as u64).sum();
        shard.checkpoint.writing = Some(shard.checkpoint.since);
        let line = self.group.journal(shard.id).map(|it| it.line().to_vec()).unwrap_or_default();
        let reached = |start: &Start| start.through <= shard.last.version;
        let line = line.into_iter().filter(reached).collect();
        shard.ask(Job::Checkpoint { place: shard.last, line, chunks, asked });
    }

    /// Begins the one that somebody wanted while another was written.
    fn checkpoint_if_asked(&mut self, id: ShardId) {
        let Some(shard) = self.shard(id) else { return };
        let asked = std::mem::take(&mut shard.checkpoint.asked);
        if !asked.is_empty() {
            self.checkpoint(usize::from(id.0), asked);
        }
    }

    pub(crate) fn trimmed(&mut self, id: ShardId, through: Option<Version>) {
        let Some(shard) = self.shard(id) else { return };
        let begun = shard.checkpoint.writing.take().unwrap_or_default();
        match through {
            Some(through) => {
                shard.checkpoint.since = shard.checkpoint.since.saturating_sub(begun);
                shard.checkpoint.patience = 0;
                shard.trimmed = through;
                self.step(Event::Trimmed { shard: id, through });
            }
            None => shard.checkpoint.patience = shard.checkpoint.since,
        }
        self.checkpoint_if_asked(id);
    }
}
