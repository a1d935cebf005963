//! Exactly once: which requests of whom were applied, and where. A piece of ordered state that a
//! machine embeds and changes only while it applies a command, so every replica's is the same.
//!
//! A client opens a session with an ordered command and numbers its requests in it, from 1. It may
//! have [`WINDOW`] of them under way, in any order, and may send each as often as it likes: one is
//! applied, the others are told where. A number that has fallen out of the window is refused, never
//! applied, because what became of it is no longer known.
//!
//! A session that is not used for as long as its lease ends. The identity of a session is made from
//! the place of the command that opened it, and no two commands have the same place; so no identity
//! is ever given out again, none comes into being by being used, and a request that turns up after
//! its session has ended is refused for ever. Whoever comes back opens another session, and knows
//! of the requests whose answers it missed that it does not know.
//!
//! Source: Ongaro, "Consensus: Bridging Theory and Practice" (2014), §6.3; the window is ours.

mod codec;
mod record;
#[cfg(test)]
mod spec;

use std::collections::{BTreeMap, BTreeSet};

use crate::ids::Version;
use crate::machine::Place;
use crate::time::Hlc;
use record::Record;

/// Requests of one session whose places are remembered, and so how many of them may be under way:
/// a client sends no number before it knows what became of the one this many before it.
pub const WINDOW: u64 = 64;
/// Sessions of one table, at most. A full table of full windows takes under 30 MiB.
pub const SESSIONS_MAX: u32 = 16_384;
/// Ended sessions that one command lets go of, at most. One command opens one at most, so this is
/// more than there is to do in the long run.
const SWEPT_MAX: usize = 2;

/// Names a session, in the shard that opened it: the version of the command that did, then a number
/// that its client chose.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct SessionId(u128);

impl SessionId {
    const fn opened_at(version: Version, nonce: u64) -> Self {
        Self((version.to_wire() as u128) << 64 | nonce as u128)
    }

    /// Where the session was opened.
    #[must_use]
    pub const fn opened(self) -> Version {
        Version::from_wire((self.0 >> 64) as u64)
    }

    /// The 128-bit form.
    #[must_use]
    pub const fn to_wire(self) -> u128 {
        self.0
    }

    /// The identity of this 128-bit form. Every value is one, though not of a session.
    #[must_use]
    pub const fn from_wire(wire: u128) -> Self {
        Self(wire)
    }
}

/// How many sessions there may be, and for how long. The same at every replica: a table brings its
/// terms along, and only an ordered command could change them.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Terms {
    /// Sessions at once; what exceeds [`SESSIONS_MAX`] does not count.
    pub sessions_max: u32,
    /// How long a session lives without being used, in microseconds of ordered time.
    pub lease_micros: u64,
}

impl Terms {
    /// As many as there can be, for a day.
    pub const USUAL: Terms =
        Terms { sessions_max: SESSIONS_MAX, lease_micros: 24 * 60 * 60 * 1_000_000 };
}

/// What is to be done with a request.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Admit {
    /// Apply it: it was not applied before, and from now on it counts as applied here.
    Fresh,
    /// Do not apply it: it was, there.
    Repeat(Place),
    /// Refuse it: its number has left the window, or is 0, and whether it was applied is forgotten.
    Stale,
    /// Refuse it: there is no such session, or not any more.
    NoSession,
}

/// What became of a request, as far as this replica has come in the order.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Asked {
    /// It was applied.
    Applied(Place),
    /// It was not applied up to here, and may still be: it can be under way. To send it again
    /// settles it.
    NotYet,
    /// Its number has left the window, or there is no such session here.
    Forgotten,
}

/// The table has as many sessions as it may, and none has ended. Nothing was opened.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct SessionsFull;

impl core::fmt::Display for SessionsFull {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str("there are as many sessions as there may be")
    }
}

impl core::error::Error for SessionsFull {}

/// The session table.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct Sessions {
    terms: Terms,
    records: BTreeMap<SessionId, Record>,
    /// The same, by the time they were last used.
    by_use: BTreeSet<(Hlc, SessionId)>,
}

impl Sessions {
    /// No sessions yet.
    #[must_use]
    pub const fn new(terms: Terms) -> Self {
        Self { terms, records: BTreeMap::new(), by_use: BTreeSet::new() }
    }

    /// How many sessions the table holds; some of them may have ended.
    #[must_use]
    pub fn len(&self) -> usize {
        self.records.len()
    }

    /// Whether it holds none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.records.is_empty()
    }

    /// Opens a session, for the command at this place. Who sends that command twice has two, and
    /// leaves one to its lease. The nonce is the client's and best random, so that nobody else hits
    /// upon its session by counting.
    /// # Errors  [`SessionsFull`]; a session that is open is never given up for another.
    pub fn open(&mut self, nonce: u64, place: Place) -> Result<SessionId, SessionsFull> {
        self.sweep(place.time);
        let id = SessionId::opened_at(place.version, nonce);
        let sessions_max = self.terms.sessions_max.min(SESSIONS_MAX) as usize;
        if !self.records.contains_key(&id) {
            if self.records.len() >= sessions_max {
                return Err(SessionsFull);
            }
            self.records.insert(id, Record::opened(place.time));
            self.by_use.insert((place.time, id));
        }
        Ok(id)
    }

    /// Ends a session before its lease does. Its requests are refused from now on.
    pub fn close(&mut self, session: SessionId, place: Place) {
        if let Some(record) = self.records.remove(&session) {
            self.by_use.remove(&(record.used(), session));
        }
        self.sweep(place.time);
    }

    /// Judges the request that the command at this place carries, and renews the session's lease.
    /// Costs time in the logarithm of the sessions, and at most in [`WINDOW`].
    pub fn admit(&mut self, session: SessionId, number: u64, place: Place) -> Admit {
        self.sweep(place.time);
        let Some(record) = self.records.get_mut(&session) else { return Admit::NoSession };
        // The sweep may not have come as far as this one yet.
        if has_ended(&self.terms, record.used(), place.time) {
            return Admit::NoSession;
        }
        self.by_use.remove(&(record.used(), session));
        let admit = record.admit(number, place);
        self.by_use.insert((record.used(), session));
        admit
    }

    /// What became of a request, for a client that never heard. Reads this replica's state, so it
    /// is as fresh as that is.
    #[must_use]
    pub fn place_of(&self, session: SessionId, number: u64) -> Asked {
        self.records.get(&session).map_or(Asked::Forgotten, |record| record.place_of(number))
    }

    /// Lets go of sessions that have ended, those unused for longest first.
    fn sweep(&mut self, now: Hlc) {
        for _ in 0..SWEPT_MAX {
            let Some((used, id)) = self.by_use.first().copied() else { return };
            if !has_ended(&self.terms, used, now) {
                return;
            }
            self.by_use.pop_first();
            self.records.remove(&id);
        }
    }
}

/// Judged by the order's time alone, so that all replicas agree. Where that leaps ahead, sessions
/// end early, which costs their clients a new one and no request its uniqueness.
fn has_ended(terms: &Terms, used: Hlc, now: Hlc) -> bool {
    now.unix_micros().saturating_sub(used.unix_micros()) > terms.lease_micros
}
