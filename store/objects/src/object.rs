//! One object: its versions, oldest first.

use std::collections::VecDeque;

use notrace_store_protocol::ids::Version;
use notrace_store_protocol::machine::Place;
use notrace_store_protocol::time::Hlc;

use crate::found::{At, ChangeKind, Found, HistoryEntry, Missing};
use crate::limits::{HISTORY_VERSIONS_MAX, VERSION_COST};
use crate::sealed::Sealed;

/// What a version holds.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum Content {
    Value(Sealed),
    Tombstone,
    /// Everything up to here is destroyed. Always the oldest entry.
    Shredded,
}

#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Entry {
    pub(crate) version: Version,
    pub(crate) time: Hlc,
    pub(crate) content: Content,
}

#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub(crate) struct Object {
    pub(crate) entries: VecDeque<Entry>,
    /// Whether there were entries older than the oldest.
    pub(crate) trimmed: bool,
}

/// What came off an object, for the sums of its pool.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(crate) struct Shed {
    pub(crate) values: u64,
    pub(crate) ciphertext: u64,
    pub(crate) cost: u64,
}

impl Entry {
    pub(crate) fn at(place: Place, content: Content) -> Self {
        Self { version: place.version, time: place.time, content }
    }

    pub(crate) fn kind(&self) -> ChangeKind {
        match self.content {
            Content::Value(_) => ChangeKind::Put,
            Content::Tombstone => ChangeKind::Delete,
            Content::Shredded => ChangeKind::Shred,
        }
    }

    pub(crate) fn value(&self) -> Option<&Sealed> {
        match &self.content {
            Content::Value(value) => Some(value),
            Content::Tombstone | Content::Shredded => None,
        }
    }

    pub(crate) fn plain_len(&self) -> u64 {
        self.value().map_or(0, |value| value.plain_len)
    }

    pub(crate) fn sums(&self) -> Shed {
        let ciphertext = self.value().map_or(0, |value| value.ciphertext.len() as u64);
        let values = u64::from(self.value().is_some());
        Shed { values, ciphertext, cost: VERSION_COST + ciphertext }
    }
}

impl Shed {
    pub(crate) fn add(&mut self, other: Shed) {
        self.values += other.values;
        self.ciphertext += other.ciphertext;
        self.cost += other.cost;
    }
}

impl Object {
    /// The entry of the current value, if there is one.
    pub(crate) fn live(&self) -> Option<&Entry> {
        self.entries.back().filter(|entry| entry.value().is_some())
    }

    pub(crate) fn get(&self, at: At) -> Result<Found<'_>, Missing> {
        let end = match at {
            At::Latest => self.entries.len(),
            At::Version(version) => self.entries.partition_point(|entry| entry.version <= version),
            At::Time(time) => self.entries.partition_point(|entry| entry.time <= time),
        };
        let entry = end.checked_sub(1).and_then(|last| self.entries.get(last));
        let Some(entry) = entry else { return Err(self.before_the_oldest()) };
        match &entry.content {
            Content::Value(value) => Ok(Found { version: entry.version, time: entry.time, value }),
            Content::Tombstone => Err(Missing::ObjectUnknown),
            Content::Shredded => Err(Missing::Shredded),
        }
    }

    fn before_the_oldest(&self) -> Missing {
        match self.entries.front().map(Entry::kind) {
            Some(ChangeKind::Shred) => Missing::Shredded,
            _ if self.trimmed => Missing::Trimmed,
            _ => Missing::ObjectUnknown,
        }
    }

    pub(crate) fn history(&self) -> Vec<HistoryEntry> {
        let told = self.entries.iter().map(|entry| HistoryEntry {
            version: entry.version,
            time: entry.time,
            kind: entry.kind(),
            plain_len: entry.plain_len(),
        });
        told.collect()
    }

    /// Adds the newest entry and lets go of the oldest when there are too many.
    pub(crate) fn push(&mut self, entry: Entry) -> Shed {
        self.entries.push_back(entry);
        if self.entries.len() <= HISTORY_VERSIONS_MAX {
            return Shed::default();
        }
        self.trimmed = true;
        self.entries.pop_front().map_or(Shed::default(), |oldest| oldest.sums())
    }

    /// Destroys all versions and remembers that.
    pub(crate) fn shred(&mut self, place: Place) -> Shed {
        let mut shed = Shed::default();
        self.entries.drain(..).for_each(|entry| shed.add(entry.sums()));
        self.entries.push_back(Entry::at(place, Content::Shredded));
        shed
    }

    /// Destroys what was written before `cutoff`.
    pub(crate) fn retire(&mut self, cutoff: Hlc) -> Shed {
        let mut shed = Shed::default();
        let old = self.entries.partition_point(|entry| entry.time < cutoff);
        self.trimmed |= old > 0;
        self.entries.drain(..old).for_each(|entry| shed.add(entry.sums()));
        shed
    }
}
