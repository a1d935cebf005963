//! What a node's log of one shard holds, as far as the protocol has to know: up to where, how much
//! of it is safe, where it was trimmed, and on which history it lies.

use crate::ids::Version;
use crate::limits::LINE_MAX;
use crate::machine::Place;
use crate::message::Start;

/// A log of one shard.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct Journal {
    last: Place,
    synced: Version,
    trimmed: Version,
    line: Vec<Start>,
}

/// Whether somebody's last update lies on an agreed history.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Agreed {
    /// It does.
    Same,
    /// It does not; this is the last one before it that does.
    Back(Version),
    /// The history reaches back to here at most, so it cannot tell.
    TooOld,
    /// It is from an epoch that this history has not reached.
    Ahead,
}

impl Journal {
    /// The log of a shard that this node has never held.
    #[must_use]
    pub const fn empty() -> Self {
        let (last, zero) = (Place::ZERO, Version::ZERO);
        Self { last, synced: zero, trimmed: zero, line: Vec::new() }
    }

    /// A log found at the start: its last update, the last one that only a checkpoint holds, and
    /// the epochs that it noted, ascending.
    #[must_use]
    pub fn restored(last: Place, trimmed: Version, line: Vec<Start>) -> Self {
        Self { last, synced: last.version, trimmed, line }
    }

    /// The last update in it.
    #[must_use]
    pub const fn last(&self) -> Place {
        self.last
    }

    /// The last update that is on the disk, with all before it.
    #[must_use]
    pub const fn synced(&self) -> Version {
        self.synced
    }

    /// The last update that only a checkpoint holds.
    #[must_use]
    pub const fn trimmed(&self) -> Version {
        self.trimmed
    }

    /// The epochs that it crossed, ascending.
    #[must_use]
    pub fn line(&self) -> &[Start] {
        &self.line
    }

    /// An epoch began where the log ends.
    pub fn began(&mut self, start: Start) {
        assert!(start.through == self.last.version, "an epoch began off the end of the log");
        self.line.push(start);
        self.bound_line();
    }

    /// An update was handed to the log.
    pub fn appended(&mut self, last: Place) {
        assert!(last.version >= self.last.version, "a log that is appended to grows");
        self.last = last;
    }

    /// It is on the disk up to here. What was cut off since does not count.
    pub fn synced_to(&mut self, through: Version) {
        self.synced = self.synced.max(through.min(self.last.version));
    }

    /// Only a checkpoint holds what is up to here.
    pub fn trimmed_to(&mut self, through: Version) {
        self.trimmed = self.trimmed.max(through.min(self.last.version));
    }

    /// Everything after this was cut off.
    pub fn truncated(&mut self, last: Place) {
        self.last = last;
        self.synced = self.synced.min(last.version);
        self.trimmed = self.trimmed.min(last.version);
        self.line.retain(|start| start.since <= last.version.view());
    }

    /// A snapshot took the place of everything.
    pub fn replaced(&mut self, last: Place) {
        *self = Self { last, synced: Version::ZERO, trimmed: last.version, line: Vec::new() };
    }

    /// Takes over the part of a donor's history that lies before the log's end.
    pub fn adopt(&mut self, line: &[Start]) {
        let known = self.line.last().map(|start| start.since);
        let crossed = line
            .iter()
            .filter(|start| Some(start.since) > known && start.since <= self.last.version.view());
        let crossed: Vec<Start> = crossed.copied().collect();
        self.line.extend(crossed);
        if self.line.is_empty() {
            self.line.extend(line.first());
        }
        self.bound_line();
    }

    fn bound_line(&mut self) {
        let excess = self.line.len().saturating_sub(LINE_MAX);
        self.line.drain(..excess);
    }

    /// Whether an update lies on this log's history. One of the last epoch does, because there is
    /// nothing yet that could have cut it off.
    #[must_use]
    pub fn agreed(&self, have: Version) -> Agreed {
        let Some(newest) = self.line.last() else { return Agreed::TooOld };
        if have.view() > newest.since {
            return Agreed::Ahead;
        }
        if have == Version::ZERO {
            return Agreed::Same;
        }
        let after = self.line.partition_point(|start| start.since <= have.view());
        let Some(at) = after.checked_sub(1).and_then(|at| self.line.get(at)) else {
            return Agreed::TooOld;
        };
        let next = self.line.get(after);
        let end = next.map(|next| next.through);
        if at.since == have.view() && end.is_none_or(|end| have <= end) {
            return Agreed::Same;
        }
        // Of an epoch off the line nothing counts; of one on it, what its successor took over.
        let common = if at.since == have.view() { end } else { next.map(|it| it.through) };
        match common {
            Some(common) => Agreed::Back(common.min(have)),
            None => Agreed::Ahead,
        }
    }
}
