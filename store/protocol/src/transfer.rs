//! How somebody who lacks a part of a shard gets it: it asks, one question at a time, and gets the
//! next piece. Nobody waits for it, nothing is pushed at it, and an interruption costs one piece.
//!
//! Source: learner catch-up as in Ongaro, "Consensus: Bridging Theory and Practice" (2014), §4.2.1,
//! instead of Derecho's transfer of whole objects while the view stands still.

use std::sync::Arc;

use crate::effect::Effect;
use crate::event::Now;
use crate::ids::{NodeId, ShardId, Version};
use crate::journal::{Agreed, Journal};
use crate::limits::Limits;
use crate::machine::Place;
use crate::mark::{Mark, Marks};
use crate::message::{Fetch, Message, Part, Peer, Piece, Resume, Start, Write};

/// Questions to one donor without an answer before the next one is asked.
const SILENCES_MAX: u32 = 3;

/// A piece on its way into the log.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
struct Storing {
    part: Part,
    /// What the donor had delivered when it answered.
    delivered: Version,
    line: Arc<Vec<Start>>,
}

/// Somebody who lacks a part of a shard.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct Learner {
    shard: ShardId,
    donor: Option<NodeId>,
    /// What was asked and when, until it is answered and stored.
    asked: Option<(Fetch, u64)>,
    silences: u32,
    /// The answer is being stored.
    storing: Option<Storing>,
    resume: Option<Resume>,
    caught_up: bool,
    rests_until: u64,
    marks: Marks,
}

impl Learner {
    /// Knows nothing yet.
    #[must_use]
    pub fn new(shard: ShardId) -> Self {
        Self {
            shard,
            donor: None,
            asked: None,
            silences: 0,
            storing: None,
            resume: None,
            caught_up: false,
            rests_until: 0,
            marks: Marks::default(),
        }
    }

    /// Whether the last answer brought it to what its donor had delivered then.
    #[must_use]
    pub fn caught_up(&self) -> bool {
        self.caught_up
    }

    /// The rare paths walked.
    #[must_use]
    pub fn marks(&self) -> Marks {
        self.marks
    }

    /// Asks the next question, or the last one again.
    pub fn advance(
        &mut self,
        now: Now,
        donors: &[NodeId],
        journal: &Journal,
        limits: &Limits,
        out: &mut Vec<Effect>,
    ) {
        if self.donor.is_some_and(|donor| !donors.contains(&donor)) {
            self.turn_to(None);
        }
        if self.storing.is_some() {
            return;
        }
        match self.asked {
            Some((_, at)) if now.micros.saturating_sub(at) < limits.ask_again => return,
            Some(_) => self.silences += 1,
            None if now.micros < self.rests_until => return,
            None => {}
        }
        if self.silences >= SILENCES_MAX {
            let next = self.after_donor(donors);
            self.turn_to(next);
        }
        let Some(donor) = self.donor.or_else(|| donors.first().copied()) else { return };
        self.donor = Some(donor);
        let fetch = Fetch { shard: self.shard, have: journal.last().version, resume: self.resume };
        self.asked = Some((fetch, now.micros));
        self.rests_until = now.micros + limits.ask_again;
        let write = Write::Message(Message::Fetch(fetch));
        out.push(Effect::Write { to: donor, write });
    }

    fn after_donor(&self, donors: &[NodeId]) -> Option<NodeId> {
        let at = donors.iter().position(|node| Some(*node) == self.donor)?;
        donors.get((at + 1) % donors.len()).copied()
    }

    fn turn_to(&mut self, donor: Option<NodeId>) {
        self.donor = donor;
        self.asked = None;
        self.silences = 0;
    }

    /// A piece came; it is stored if it answers what was asked.
    pub fn arrived(&mut self, from: Peer, piece: &Piece, journal: &Journal, out: &mut Vec<Effect>) {
        let Some((fetch, _)) = self.asked.filter(|_| self.donor == Some(from.node)) else { return };
        if piece.shard != self.shard || self.storing.is_some() || !fits(&fetch, piece, journal) {
            return;
        }
        let delivered = match piece.part {
            Part::Back { to } => {
                self.marks.set(Mark::CutBack);
                self.resume = None;
                to
            }
            Part::Chunk { at, chunk, .. } => {
                self.marks.set(Mark::Snapshot);
                if chunk > 0 {
                    self.marks.set(Mark::Resumed);
                }
                at.version
            }
            Part::Tail { after, through, delivered } => {
                if through.version == after {
                    // Nothing new, so nothing to store; it will be asked again in a while.
                    self.answered(journal.last().version >= delivered);
                    return;
                }
                self.rests_until = 0;
                delivered
            }
        };
        self.storing = Some(Storing { part: piece.part, delivered, line: piece.line.clone() });
        out.push(Effect::Store { from, piece: piece.clone() });
    }

    fn answered(&mut self, caught_up: bool) {
        self.asked = None;
        self.silences = 0;
        self.caught_up = caught_up;
    }

    /// What came is in the log, or beside it as a part of a snapshot.
    pub fn stored(&mut self, last: Place, resume: Option<Resume>, journal: &mut Journal) {
        let Some(stored) = self.storing.take() else { return };
        if resume.is_none() {
            match stored.part {
                Part::Back { .. } => journal.truncated(last),
                Part::Chunk { .. } => journal.replaced(last),
                Part::Tail { .. } => journal.appended(last),
            }
            journal.adopt(&stored.line);
        }
        self.resume = resume;
        self.rests_until = 0;
        let all = matches!(stored.part, Part::Tail { .. }) && last.version >= stored.delivered;
        self.answered(all);
    }
}

/// Whether a piece is an answer to this question.
fn fits(fetch: &Fetch, piece: &Piece, journal: &Journal) -> bool {
    if fetch.have != journal.last().version {
        return false;
    }
    match piece.part {
        Part::Back { to } => to < fetch.have,
        Part::Tail { after, through, .. } => after == fetch.have && through.version >= after,
        Part::Chunk { at, chunk, .. } => match fetch.resume {
            Some(resume) if resume.at == at.version => resume.chunk == chunk,
            _ => chunk == 0,
        },
    }
}

/// Answers a learner's question from this node's log; `delivered` is the last update in it that
/// everybody who goes on will have.
pub fn answer(
    to: NodeId,
    fetch: &Fetch,
    journal: &Journal,
    delivered: Version,
    out: &mut Vec<Effect>,
) -> Marks {
    let mut marks = Marks::default();
    let line = Arc::new(journal.line().to_vec());
    let fetch = *fetch;
    match journal.agreed(fetch.have) {
        Agreed::Ahead => {}
        Agreed::TooOld => out.push(Effect::SendChunk { to, fetch, line }),
        Agreed::Same | Agreed::Back(_) if fetch.have < journal.trimmed() => {
            out.push(Effect::SendChunk { to, fetch, line });
        }
        Agreed::Back(back) if back < journal.trimmed() => {
            out.push(Effect::SendChunk { to, fetch, line });
        }
        Agreed::Back(back) => {
            marks.set(Mark::CutBack);
            let piece = Piece { shard: fetch.shard, line, part: Part::Back { to: back } };
            out.push(Effect::Write { to, write: Write::Message(Message::Piece(piece)) });
        }
        Agreed::Same => {
            let through = delivered.max(fetch.have);
            out.push(Effect::SendTail { to, fetch, through, line });
        }
    }
    marks
}
