//! Taking what others give, and what is left of a log that was cut back. Machines are made of bytes
//! on a thread of their own: it may take seconds, in which a heartbeat must not stand still.

use std::sync::Arc;

use bytes::Bytes;
use notrace_store_fabric::Fabric;
use notrace_store_log::limits::RECORD_BYTES_MAX;
use notrace_store_protocol::event::Event;
use notrace_store_protocol::ids::{SeqNum, ShardId, Version};
use notrace_store_protocol::journal::{Agreed, agreed_on};
use notrace_store_protocol::machine::{Malformed, Place};
use notrace_store_protocol::message::{Part, Piece, Resume, Start};

use crate::background;
use crate::clock::Clock;
use crate::error::Failure;
use crate::host::Made;
use crate::lane::Job;
use crate::letters;
use crate::limits::TIME_MAX;
use crate::past::Past;
use crate::reports::Report;
use crate::shard::Shard;
use crate::snapshots::{Gathered, Position, in_one_piece};
use crate::worker::{Phase, Worker};

/// Where a machine that was made comes from.
pub(crate) enum Origin {
    /// What a donor gave.
    Donor {
        at: Place,
        line: Vec<Start>,
        state: Arc<Vec<u8>>,
        /// What the log had when it came.
        had: Place,
    },
    /// What is left of the log.
    Log { last: Place, trimmed: Version },
}

impl<F: Fabric, C: Clock> Worker<F, C> {
    /// Stores what came with a piece, in its order behind what the log has been asked before. What
    /// cannot be right is not stored, and the protocol asks another donor.
    pub(crate) fn store(&mut self, piece: Piece) {
        let load = std::mem::take(&mut self.load);
        let Some(shard) = self.shard(piece.shard) else { return };
        if shard.is_remade {
            // The protocol asks for no more than one thing at a time, and to go back.
            return shard.later.push_back((piece, load));
        }
        match piece.part {
            Part::Back { to } => self.go_back(piece.shard, to),
            Part::Tail { after, through, .. } => {
                shard.partial.forget();
                // Meanwhile the log may have moved; then the answer is of no use.
                if after == shard.last.version
                    && let Some(updates) = letters::read_tail(load)
                    && could_follow(shard.last, through, &updates, &piece.line)
                {
                    self.store_tail(&piece, updates);
                }
                self.stored(piece.shard, None);
            }
            Part::Chunk { at, chunk, last } => {
                let here = Resume { at: at.version, chunk };
                let position = if last { Position::Last } else { Position::Within };
                match shard.partial.gather(here, position, load) {
                    Gathered::Nothing => self.stored(piece.shard, None),
                    Gathered::Part(resume) => self.stored(piece.shard, Some(resume)),
                    Gathered::Whole(parts) => self.make_of(&piece, at, parts),
                }
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

    pub(crate) fn stored(&mut self, id: ShardId, resume: Option<Resume>) {
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
        shard.partial.forget();
        if shard.is_durable() {
            // The machine cannot go back; it is made anew from what is left of the log.
            (shard.is_remade, shard.was_cut) = (true, true);
            return shard.ask(Job::Rewind(to));
        }
        shard.become_first();
        self.stored(id, None);
    }

    /// Begins to make the machine of a state that a donor gave.
    fn make_of(&mut self, piece: &Piece, at: Place, parts: Vec<Bytes>) {
        if at.time.to_wire() > TIME_MAX {
            return self.stored(piece.shard, None);
        }
        let reached = |start: &&Start| start.through <= at.version;
        let line = piece.line.iter().filter(reached).copied().collect();
        let make = move |shard: &Shard| {
            let (maker, had) = (shard.host.maker(), shard.last);
            let make = move || {
                let state = in_one_piece(parts).ok_or(Malformed)?;
                let made = maker(at, &state, &[])?;
                Ok((made, Origin::Donor { at, line, state: Arc::new(state), had }))
            };
            Box::new(make) as Make
        };
        self.make(piece.shard, make);
    }

    /// What is left of a log that was cut back is here.
    pub(crate) fn rewound(&mut self, id: ShardId, past: Past) {
        let make = move |shard: &Shard| {
            let maker = shard.host.maker();
            let make = move || {
                let (last, trimmed) = (past.last(), past.trimmed());
                let (place, state) = past.state.ok_or(Malformed)?;
                let made = maker(place, &state, &past.updates)?;
                Ok((made, Origin::Log { last, trimmed }))
            };
            Box::new(make) as Make
        };
        self.make(id, make);
    }

    fn make(&mut self, id: ShardId, make: impl FnOnce(&Shard) -> Make) {
        let reports = self.reports.clone();
        let Some(shard) = self.shard(id) else { return };
        shard.is_remade = true;
        let make = make(shard);
        let begun = background::begin("restore", move || {
            let made = make();
            reports.push(Report::Made { shard: id, made });
        });
        if begun.is_err() {
            // A system without threads left is no place to be a member.
            self.fail(Failure::Thread);
        }
    }

    /// A machine was made, or could not be.
    pub(crate) fn made(&mut self, id: ShardId, made: Result<(Made, Origin), Malformed>) {
        let rests = matches!(self.phase, Phase::Resting(_));
        let Some(shard) = self.shard(id) else { return };
        let was_cut = shard.was_cut;
        (shard.is_remade, shard.was_cut) = (false, false);
        match made {
            Ok((machine, Origin::Log { last, trimmed })) => {
                shard.become_made(last, trimmed, machine);
            }
            // In its next life the member will ask anew for what it lacks; and if the log has gone
            // on meanwhile, it does not lack it.
            Ok((_, Origin::Donor { had, .. })) if rests || had != shard.last => {}
            Ok((machine, Origin::Donor { at, line, state, .. })) => {
                shard.become_made(at, at.version, machine);
                shard.checkpoint.since = 0;
                shard.ask(Job::Install { place: at, line, state });
            }
            // The log holds what the machine cannot read: it was not the donor's fault.
            Err(Malformed) if was_cut => return self.fail(Failure::Unreadable),
            Err(Malformed) => {}
        }
        if rests {
            return;
        }
        self.stored(id, None);
        while let Some(shard) = self.shard(id)
            && !shard.is_remade
            && let Some((piece, load)) = shard.later.pop_front()
        {
            self.load = load;
            self.store(piece);
        }
        self.checkpoint_if_asked(id);
        if self.is_in_a_life() {
            self.carry_out();
        }
    }
}

/// What a thread does to make a machine.
type Make = Box<dyn FnOnce() -> Result<(Made, Origin), Malformed> + Send>;

/// Whether these can be the updates after one and up to another on a shard's history.
fn could_follow(last: Place, through: Place, updates: &[(Place, Bytes)], line: &[Start]) -> bool {
    let (mut before, mut fits) = (last, !updates.is_empty());
    for (place, bytes) in updates {
        fits &= place.version > before.version && place.time > before.time;
        fits &= place.version.seq() > SeqNum::ZERO && place.time.to_wire() <= TIME_MAX;
        fits &= agreed_on(line, place.version) == Agreed::Same;
        fits &= bytes.len() <= RECORD_BYTES_MAX as usize;
        before = *place;
    }
    fits && before == through
}

#[cfg(test)]
mod a_tail {
    use notrace_store_protocol::ids::ViewId;
    use notrace_store_protocol::time::Hlc;

    use super::*;

    fn place(view: u32, seq: u64, time: u64) -> Place {
        let (view, seq) = (ViewId::new(view).unwrap(), SeqNum::new(seq).unwrap());
        Place { version: Version::new(view, seq), time: Hlc::from_wire(time) }
    }

    /// Epochs 1 and 4, the later of which goes on from the third update.
    fn line() -> Vec<Start> {
        let start = |since, through| Start { since: ViewId::new(since).unwrap(), through };
        vec![start(1, Version::ZERO), start(4, place(1, 3, 0).version)]
    }

    fn follows(places: &[Place]) -> bool {
        let updates: Vec<_> =
            places.iter().map(|place| (*place, Bytes::from_static(b"x"))).collect();
        let through = places.last().copied().unwrap_or(Place::ZERO);
        could_follow(place(1, 2, 20), through, &updates, &line())
    }

    #[test]
    fn that_goes_on_from_the_log_is_taken() {
        assert!(follows(&[place(1, 3, 30), place(4, 1, 40)]));
    }

    #[test]
    fn that_cannot_be_the_history_is_not() {
        assert!(!follows(&[]), "of nothing");
        assert!(!follows(&[place(1, 2, 30)]), "that does not rise");
        assert!(!follows(&[place(1, 3, 20)]), "whose time does not rise");
        assert!(!follows(&[place(1, 3, 30), place(4, 2, 50), place(4, 1, 60)]), "out of order");
        assert!(!follows(&[place(1, 4, 30), place(4, 1, 40)]), "with what was cut off");
        assert!(!follows(&[place(2, 1, 30), place(4, 1, 40)]), "of an epoch that never was");
        assert!(!follows(&[place(4, 0, 30)]), "that is no update");
        assert!(!follows(&[place(4, 1, u64::MAX)]), "after which no time can rise");
    }

    #[test]
    fn that_ends_elsewhere_than_it_says_is_not() {
        let updates = [(place(1, 3, 30), Bytes::from_static(b"x"))];
        assert!(!could_follow(place(1, 2, 20), place(4, 1, 40), &updates, &line()));
    }
}
