//! How somebody who lacks a part of a shard gets it: it asks, one question at a time, and gets the
//! next piece. Nobody waits for it, nothing is pushed at it, and an interruption costs one piece.
//!
//! The learner's own log says what to ask for, so a question can be repeated, and put to anybody
//! else, at any time. A log that left the agreed history is first cut back to it; one that ends
//! before the donor's log begins is replaced by a snapshot, in chunks. What is agreed in a log that
//! is on a disk is never taken out of it on the way: a restart may count on that log.
//!
//! A snapshot is named by its last update alone, and one begun at a donor may be completed by
//! another: members in the same state make the same snapshot and cut it into the same chunks.
//!
//! Source: learner catch-up as in Ongaro, "Consensus: Bridging Theory and Practice" (2014), §4.2.1,
//! instead of Derecho's transfer of whole objects while the view stands still.

#[cfg(test)]
mod answers;
#[cfg(test)]
mod rig;
#[cfg(test)]
mod spec;

use std::sync::Arc;

use crate::effect::Effect;
use crate::event::Now;
use crate::ids::{NodeId, ShardId, Version};
use crate::journal::{Agreed, Journal, agreed_on, is_line};
use crate::limits::Limits;
use crate::machine::Place;
use crate::mark::{Mark, Marks};
use crate::message::{Fetch, Message, Part, Peer, Piece, Resume, Start, Write};

/// Questions to one donor without an answer before the next one is asked.
pub const SILENCES_MAX: u32 = 3;

/// Repeats that double the wait for an answer; it stays as long after more.
const REPEATS_TOLD: u32 = 3;

/// A piece on its way into the log.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
struct Storing {
    part: Part,
    line: Arc<Vec<Start>>,
}

/// Somebody who lacks a part of a shard.
///
/// To be kept while [`Learner::is_storing`]; otherwise it can be dropped at any time. A new one
/// goes on from the log, but begins an unfinished snapshot anew.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct Learner {
    shard: ShardId,
    donor: Option<NodeId>,
    /// What was asked and when, until it is answered.
    asked: Option<(Fetch, u64)>,
    /// Questions that the donor left open; [`SILENCES_MAX`] too if it proved to be of no use.
    silences: u32,
    /// Questions without an answer since the last one that had one, to whomever: each makes the
    /// next one wait longer, because a donor that is slow only gets slower by being asked.
    repeats: u32,
    /// The answer is being stored.
    storing: Option<Storing>,
    resume: Option<Resume>,
    /// A question about the snapshot under way was repeated, or its donor replaced.
    interrupted: bool,
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
            repeats: 0,
            storing: None,
            resume: None,
            interrupted: false,
            caught_up: false,
            rests_until: 0,
            marks: Marks::default(),
        }
    }

    /// Whether the last answer that counted brought the log to all that its donor had delivered
    /// when it gave it: to a lag of none at that moment.
    #[must_use]
    pub fn caught_up(&self) -> bool {
        self.caught_up
    }

    /// Whether something is on its way into the log, so that [`Learner::stored`] will be told.
    #[must_use]
    pub fn is_storing(&self) -> bool {
        self.storing.is_some()
    }

    /// The rare paths walked.
    #[must_use]
    pub fn marks(&self) -> Marks {
        self.marks
    }

    /// Asks the next question, or the last one again, or the next donor: one question at a time,
    /// and the same one not before [`Limits::ask_again`], which doubles with each repeat.
    pub fn advance(
        &mut self,
        now: Now,
        donors: &[NodeId],
        journal: &Journal,
        limits: &Limits,
        out: &mut Vec<Effect>,
    ) {
        if self.storing.is_some() {
            return;
        }
        if self.donor.is_some_and(|donor| !donors.contains(&donor)) {
            self.turn_to(None);
        }
        let patience = limits.ask_again.saturating_mul(1 << self.repeats.min(REPEATS_TOLD));
        match self.asked {
            Some((_, at)) if now.micros.saturating_sub(at) < patience => return,
            Some(_) => {
                self.silences += 1;
                self.repeats += 1;
                self.interrupted |= self.resume.is_some();
            }
            None if now.micros < self.rests_until => return,
            None => {}
        }
        if self.silences >= SILENCES_MAX {
            self.turn_to(self.after_donor(donors));
        }
        // Those who lack many shards begin with different donors.
        let first = usize::from(self.shard.0).checked_rem(donors.len()).unwrap_or_default();
        let Some(donor) = self.donor.or_else(|| donors.get(first).copied()) else { return };
        self.donor = Some(donor);
        let fetch = Fetch { shard: self.shard, have: journal.last().version, resume: self.resume };
        self.asked = Some((fetch, now.micros));
        self.rests_until = now.micros.saturating_add(limits.ask_again);
        out.push(Effect::Write { to: donor, write: Write::Message(Message::Fetch(fetch)) });
    }

    fn after_donor(&self, donors: &[NodeId]) -> Option<NodeId> {
        let at = donors.iter().position(|node| Some(*node) == self.donor)?;
        donors.iter().cycle().nth(at + 1).copied()
    }

    fn turn_to(&mut self, donor: Option<NodeId>) {
        self.interrupted |= self.resume.is_some() && donor != self.donor;
        self.donor = donor;
        self.asked = None;
        self.silences = 0;
    }

    /// A piece came; it is stored if it answers what was asked.
    pub fn arrived(&mut self, from: Peer, piece: &Piece, journal: &Journal, out: &mut Vec<Effect>) {
        let Some((fetch, _)) = self.asked.filter(|_| self.donor == Some(from.node)) else { return };
        let asked = piece.shard == self.shard && fetch.have == journal.last().version;
        if !asked || self.storing.is_some() || !is_line(&piece.line) {
            return;
        }
        let newest = piece.line.last().map(|start| start.since);
        let known = journal.line().last().map(|start| start.since);
        if known > newest || agreed_on(&piece.line, fetch.have) == Agreed::Ahead {
            // The donor lags behind this log's own history; it cannot help now.
            self.asked = None;
            self.silences = SILENCES_MAX;
            return;
        }
        if !fits(&fetch, piece) {
            return;
        }
        let part = match piece.part {
            Part::Tail { after, through, delivered } if through.version == after => {
                // Nothing to store; it is asked again after a rest.
                self.asked = None;
                (self.silences, self.repeats) = (0, 0);
                self.caught_up = after >= delivered;
                return;
            }
            Part::Tail { .. } => piece.part,
            Part::Back { to } => {
                self.marks.set(Mark::CutBack);
                Part::Back { to: journal.cut_for(to) }
            }
            Part::Chunk { chunk, .. } => {
                self.marks.set(Mark::Snapshot);
                if chunk > 0 && self.interrupted {
                    self.marks.set(Mark::Resumed);
                }
                self.interrupted = false;
                piece.part
            }
        };
        self.asked = None;
        (self.silences, self.repeats) = (0, 0);
        self.storing = Some(Storing { part, line: Arc::clone(&piece.line) });
        let piece = Piece { shard: piece.shard, line: Arc::clone(&piece.line), part };
        out.push(Effect::Store { from, piece });
    }

    /// What came is in the log, which ends at `last` now, or beside it as a part of a snapshot that
    /// is not complete.
    pub fn stored(&mut self, last: Place, resume: Option<Resume>, journal: &mut Journal) {
        let stored = self.storing.take();
        let part = stored.as_ref().map(|stored| stored.part);
        let resume = resume.filter(|_| matches!(part, Some(Part::Chunk { last: false, .. })));
        if was_in_vain(part, last, resume, journal.last()) {
            // The disk refused, or the piece was none: after a rest another donor may do better.
            self.silences = SILENCES_MAX;
        } else if last != journal.last() || resume != self.resume {
            // The next question can be asked at once.
            self.rests_until = 0;
        }
        self.resume = resume;
        self.interrupted &= resume.is_some();
        match part {
            Some(Part::Chunk { at, last: true, .. }) if at == last => journal.replaced(last),
            _ if last.version < journal.last().version => journal.truncated(last),
            _ => journal.appended(last),
        }
        let line = stored.map(|stored| stored.line).unwrap_or_default();
        if agreed_on(&line, last.version) == Agreed::Same {
            journal.adopt(&line);
        }
        self.caught_up = match part {
            Some(Part::Tail { delivered, .. }) => last.version >= delivered,
            _ => false,
        };
    }
}

/// Whether nothing came of a piece that should have brought the log on.
fn was_in_vain(part: Option<Part>, last: Place, resume: Option<Resume>, before: Place) -> bool {
    match part {
        Some(Part::Tail { .. }) => last == before,
        Some(Part::Chunk { last: false, .. }) => resume.is_none(),
        Some(Part::Chunk { at, .. }) => last.version != at.version,
        Some(Part::Back { .. }) | None => false,
    }
}

/// Whether a piece is an answer to this question that can be right.
fn fits(fetch: &Fetch, piece: &Piece) -> bool {
    let agreed = agreed_on(&piece.line, fetch.have);
    let on_line = |version| agreed_on(&piece.line, version) == Agreed::Same;
    match piece.part {
        Part::Back { to } => agreed == Agreed::Back(to),
        Part::Tail { after, through, delivered } => {
            let empty = through.version == after;
            let grows = through.version > after && through.version <= delivered;
            agreed == Agreed::Same
                && after == fetch.have
                && on_line(through.version)
                && (empty || grows)
        }
        Part::Chunk { at, chunk, .. } => {
            // What is agreed in the log must be in what takes its place.
            let covers = match agreed {
                Agreed::Same => at.version >= fetch.have,
                Agreed::Back(to) => at.version >= to,
                Agreed::TooOld | Agreed::Ahead => true,
            };
            let next = match fetch.resume {
                Some(resume) if resume.at == at.version => resume.chunk == chunk,
                _ => chunk == 0,
            };
            covers && on_line(at.version) && next
        }
    }
}

/// Answers a learner's question from this node's log; `delivered` is the last update in it that
/// every member has received.
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
        // Nothing but the line, from which the learner sees that this node lags.
        Agreed::Ahead => out.push(Effect::SendTail { to, fetch, through: fetch.have, line }),
        Agreed::Same if fetch.have >= journal.trimmed() => {
            let through = delivered.max(fetch.have);
            out.push(Effect::SendTail { to, fetch, through, line });
        }
        Agreed::Back(back) if back >= journal.trimmed() => {
            marks.set(Mark::CutBack);
            let piece = Piece { shard: fetch.shard, line, part: Part::Back { to: back } };
            out.push(Effect::Write { to, write: Write::Message(Message::Piece(piece)) });
        }
        Agreed::Same | Agreed::Back(_) | Agreed::TooOld => {
            marks.set(Mark::Snapshot);
            out.push(Effect::SendChunk { to, fetch, line });
        }
    }
    marks
}
