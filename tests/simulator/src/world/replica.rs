//! What one node holds of one shard: the updates it applied, and the machine they made.

use notrace_store_protocol::ids::Version;
use notrace_store_protocol::machine::Place;
use notrace_store_protocol::message::Start;
use notrace_store_protocol::time::Hlc;

use super::sends::{Op, Sent};

/// An update as it stands in a log.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Entry {
    pub(crate) version: Version,
    pub(crate) time: Hlc,
    pub(crate) payload: u32,
    /// A digest of it and of everything before it.
    pub(crate) digest: u64,
}

impl Entry {
    /// The entry of an update that follows on this one.
    pub(crate) fn after(before: Option<&Entry>, place: Place, payload: u32) -> Self {
        let past = before.map_or(0, |entry| entry.digest);
        let mixed = past.rotate_left(17)
            ^ place.version.to_wire().wrapping_mul(0x9e37_79b9_7f4a_7c15)
            ^ place.time.to_wire().wrapping_mul(0xc2b2_ae3d_27d4_eb4f)
            ^ u64::from(payload).wrapping_mul(0x1656_67b1_9e37_79f9);
        let digest = (mixed ^ (mixed >> 29)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        Self { version: place.version, time: place.time, payload, digest }
    }

    pub(crate) fn place(&self) -> Place {
        Place { version: self.version, time: self.time }
    }
}

/// A log in memory, and what its updates made.
#[derive(Clone, Default, Debug)]
pub(crate) struct Replica {
    pub(crate) entries: Vec<Entry>,
    pub(crate) line: Vec<Start>,
    /// The last update that only a checkpoint holds.
    pub(crate) trimmed: Option<Place>,
    registers: Vec<u64>,
    sessions: Vec<(u32, u64)>,
}

impl Replica {
    /// The last update, or the place before all.
    pub(crate) fn last(&self) -> Place {
        self.entries.last().map_or(Place::ZERO, Entry::place)
    }

    /// How many updates there are up to this one; nothing if it is not here.
    pub(crate) fn count_to(&self, version: Version) -> Option<usize> {
        if version == Version::ZERO {
            return Some(0);
        }
        let at = self.entries.binary_search_by_key(&version, |entry| entry.version).ok()?;
        Some(at + 1)
    }

    /// Appends an update and applies it; the machine's reply.
    pub(crate) fn apply(&mut self, entry: Entry, sent: &Sent) -> u64 {
        self.entries.push(entry);
        self.execute(sent.op)
    }

    /// Applies an operation unless its session has seen it.
    fn execute(&mut self, op: Op) -> u64 {
        let Op::Register { client, number, register, write } = op else { return 0 };
        if self.sessions.len() <= client {
            self.sessions.resize(client + 1, (0, 0));
        }
        let at = register as usize;
        if self.registers.len() <= at {
            self.registers.resize(at + 1, 0);
        }
        let session = &mut self.sessions[client];
        if number > session.0 {
            if let Some(value) = write {
                self.registers[at] = value;
            }
            *session = (number, self.registers[at]);
        }
        session.1
    }

    /// Replaces everything.
    pub(crate) fn become_of(&mut self, entries: Vec<Entry>, line: Vec<Start>, sends: &[Sent]) {
        self.entries = entries;
        self.line = line;
        self.execute_all(sends);
    }

    /// Cuts off everything after an update.
    pub(crate) fn cut(&mut self, to: Version, sends: &[Sent]) {
        self.entries.truncate(self.entries.partition_point(|entry| entry.version <= to));
        self.line.retain(|start| start.through <= to);
        self.execute_all(sends);
    }

    fn execute_all(&mut self, sends: &[Sent]) {
        self.registers.clear();
        self.sessions.clear();
        for at in 0..self.entries.len() {
            self.execute(sends[self.entries[at].payload as usize].op);
        }
    }
}
