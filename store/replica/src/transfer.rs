//! Giving others what they lack, each in its turn and no faster than allowed.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use notrace_store_fabric::Fabric;
use notrace_store_fabric::mail::Letter;
use notrace_store_protocol::ids::{NodeId, ShardId, Version};
use notrace_store_protocol::machine::Place;
use notrace_store_protocol::message::{Fetch, Message, Part, Piece, Start, Write};
use notrace_store_protocol::time::Hlc;

use crate::clock::Clock;
use crate::encode::Purpose;
use crate::lane::Job;
use crate::lends::{Lent, Loan};
use crate::letters;
use crate::limits::TAIL_BYTES_MAX;
use crate::shard::Shard;
use crate::worker::Worker;

/// An answer that somebody waits for.
enum Wanted {
    Tail { fetch: Fetch, through: Version, line: Arc<Vec<Start>> },
    Chunk { fetch: Fetch, line: Arc<Vec<Start>> },
}

struct Question {
    to: NodeId,
    wanted: Wanted,
}

impl Wanted {
    fn shard(&self) -> ShardId {
        let (Self::Tail { fetch, .. } | Self::Chunk { fetch, .. }) = self;
        fetch.shard
    }
}

/// Who waits for what, one answer for each of them and each shard, and how much may be sent.
pub(crate) struct Donor {
    bytes_per_s: u64,
    /// In the order in which they came, so that everybody has its turn.
    open: VecDeque<Question>,
    /// Until when what was sent last counts.
    free_at: Duration,
}

impl Donor {
    pub(crate) fn new(bytes_per_s: u64) -> Self {
        Self { bytes_per_s: bytes_per_s.max(1), open: VecDeque::new(), free_at: Duration::ZERO }
    }

    pub(crate) fn ask_tail(
        &mut self,
        to: NodeId,
        fetch: Fetch,
        through: Version,
        line: Arc<Vec<Start>>,
    ) {
        self.ask(to, Wanted::Tail { fetch, through, line });
    }

    pub(crate) fn ask_chunk(&mut self, to: NodeId, fetch: Fetch, line: Arc<Vec<Start>>) {
        self.ask(to, Wanted::Chunk { fetch, line });
    }

    /// A question that is repeated keeps its turn.
    fn ask(&mut self, to: NodeId, wanted: Wanted) {
        let same = |open: &&mut Question| open.to == to && open.wanted.shard() == wanted.shard();
        match self.open.iter_mut().find(same) {
            Some(open) => open.wanted = wanted,
            None => self.open.push_back(Question { to, wanted }),
        }
    }

    pub(crate) fn forget(&mut self, node: NodeId) {
        self.open.retain(|open| open.to != node);
    }

    pub(crate) fn forget_all(&mut self) {
        self.open.clear();
    }

    /// When there is something to send.
    pub(crate) fn due(&self, now: Duration) -> Duration {
        if self.open.is_empty() { Duration::MAX } else { self.free_at.saturating_sub(now) }
    }

    fn next(&mut self, now: Duration) -> Option<Question> {
        if self.free_at > now {
            return None;
        }
        self.open.pop_front()
    }

    fn sent(&mut self, bytes: usize, now: Duration) {
        let micros = bytes as u64 * 1_000_000 / self.bytes_per_s;
        self.free_at = self.free_at.max(now) + Duration::from_micros(micros);
    }
}

impl Shard {
    pub(crate) fn forget_old_snapshot(&mut self, now: Duration) {
        self.snapshots.forget_old(now);
    }

    pub(crate) fn backlog(&self) -> u64 {
        self.lane.as_ref().map_or(0, |lane| lane.waiting())
    }
}

impl<F: Fabric, C: Clock> Worker<F, C> {
    /// Answers those who lack something, as far as the rate allows.
    pub(crate) fn donate(&mut self) {
        while let Some(Question { to, wanted }) = self.donor.next(self.now) {
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

    /// Where there is a log, its checkpoint is sent; otherwise a snapshot of what is in memory.
    fn give_chunk(&mut self, to: NodeId, fetch: Fetch, line: Arc<Vec<Start>>) {
        let now = self.now;
        let Some(shard) = self.shard(fetch.shard) else { return };
        if shard.is_durable() {
            return shard.ask(Job::Chunk(Loan { to, fetch, line }));
        }
        let begin = line.first().map_or(Version::ZERO, |start| start.through);
        let first = begin.max(fetch.have).max(shard.recent.base());
        let Some(snapshot) = shard.snapshots.find(fetch.resume, now, |version| version >= first)
        else {
            // It asks again, until there is one.
            if shard.is_at_rest() && shard.snapshots.has_room(now) {
                self.encode(fetch.shard, Purpose::Learners);
            }
            return;
        };
        let place = snapshot.place;
        let resume = fetch.resume.filter(|resume| resume.at == place.version);
        let chunk = resume.map_or(0, |resume| resume.chunk);
        let cut = snapshot.chunk(chunk);
        self.send_chunk(to, fetch.shard, &line, Lent { place, chunk, cut });
    }

    /// A log has the chunk that was wanted.
    pub(crate) fn lent(&mut self, loan: &Loan, lent: Lent) {
        let begin = loan.line.first().map_or(Version::ZERO, |start| start.through);
        if lent.place.version < begin {
            // The history that is remembered begins after it.
            return self.checkpoint(usize::from(loan.fetch.shard.0), Vec::new());
        }
        self.send_chunk(loan.to, loan.fetch.shard, &loan.line, lent);
    }

    fn send_chunk(&mut self, to: NodeId, shard: ShardId, line: &Arc<Vec<Start>>, lent: Lent) {
        let Lent { place, chunk, cut } = lent;
        let part = Part::Chunk { at: place, chunk, last: cut.is_last };
        self.send_piece(to, shard, line, part, cut.body);
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
}
