//! What a node's log of one shard holds, as far as the protocol has to know: up to where, how much
//! of it is safe, where it was trimmed, and on which history it lies.
//!
//! A shard has one agreed history: epoch after epoch, each of which goes on from the last update
//! before it that was agreed on. A log may hold more of an epoch than its successor took over; that
//! is where it leaves the history. Whether it does is told from the starts of the epochs alone,
//! because two logs that hold the same version hold the same updates up to it.
//!
//! Source: the Log Matching Property of Ongaro and Ousterhout, "In Search of an Understandable
//! Consensus Algorithm" (2014), §5.3, with epochs for terms.

#[cfg(test)]
mod spec;

use crate::ids::Version;
use crate::limits::LINE_MAX;
use crate::machine::Place;
use crate::message::Start;

/// A log of one shard.
///
/// Whoever writes the log itself keeps the starts of its epochs in it and changes them as this type
/// does: [`Journal::began`], [`Journal::truncated`], [`Journal::replaced`], [`Journal::adopt`].
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
    /// It does not, and nothing after this does.
    Back(Version),
    /// The history does not reach back far enough to tell.
    TooOld,
    /// It is from an epoch that this history has not reached.
    Ahead,
}

/// Whether an update lies on the history with these starts, ascending. One of the last epoch does,
/// because there is nothing yet that could have cut it off.
#[must_use]
pub fn agreed_on(line: &[Start], have: Version) -> Agreed {
    if line.last().is_none_or(|newest| have.view() > newest.since) {
        return Agreed::Ahead;
    }
    let after = line.partition_point(|start| start.since <= have.view());
    match line.get(after).map(|next| next.through) {
        None => Agreed::Same,
        Some(end) if have > end => Agreed::Back(end),
        // The next epoch goes on from a later update of this very one.
        Some(end) if end.view() == have.view() => Agreed::Same,
        Some(_) => Agreed::TooOld,
    }
}

/// Whether these can be the starts of a shard's epochs.
#[must_use]
pub fn is_line(line: &[Start]) -> bool {
    let rises = |pair: &[Start]| match pair {
        [one, next] => one.since < next.since && one.through <= next.through,
        _ => true,
    };
    line.len() <= LINE_MAX
        && line.iter().all(|start| start.through.view() < start.since)
        && line.windows(2).all(rises)
}

impl Journal {
    /// The log of a shard that this node has never held.
    #[must_use]
    pub const fn empty() -> Self {
        let (last, zero) = (Place::ZERO, Version::ZERO);
        Self { last, synced: zero, trimmed: zero, line: Vec::new() }
    }

    /// A log found at the start: its last update, the last one that only a checkpoint holds, and
    /// the epochs that it noted, ascending. An epoch that would begin after the log's end is left
    /// out: what was before it is gone.
    #[must_use]
    pub fn restored(last: Place, trimmed: Version, line: Vec<Start>) -> Self {
        let trimmed = trimmed.min(last.version);
        let mut journal = Self { last, synced: last.version, trimmed, line };
        journal.bound_line();
        journal
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

    /// Whether an update lies on this log's history, see [`agreed_on`].
    #[must_use]
    pub fn agreed(&self, have: Version) -> Agreed {
        agreed_on(&self.line, have)
    }

    /// Where the log can be cut, if everything after `to` has to go: there, or, if only a
    /// checkpoint holds what is there, at its beginning.
    #[must_use]
    pub fn cut_for(&self, to: Version) -> Version {
        if to < self.trimmed { Version::ZERO } else { to }
    }

    /// An epoch began where the log ends.
    pub fn began(&mut self, start: Start) {
        assert!(start.through == self.last.version, "an epoch began off the end of the log");
        let known = self.line.last();
        assert!(known.is_none_or(|last| last.since < start.since), "an epoch began twice");
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

    /// Everything after this was cut off, and every epoch that began after it.
    pub fn truncated(&mut self, last: Place) {
        self.last = last;
        self.synced = self.synced.min(last.version);
        self.trimmed = self.trimmed.min(last.version);
        self.bound_line();
    }

    /// A snapshot took the place of everything.
    pub fn replaced(&mut self, last: Place) {
        *self = Self { last, synced: Version::ZERO, trimmed: last.version, line: Vec::new() };
    }

    /// Takes over the part of a donor's history that the log covers, and forgets what it noted of
    /// that part itself. Nothing changes if the log knows a later epoch than the donor.
    pub fn adopt(&mut self, line: &[Start]) {
        let (Some(first), Some(newest)) = (line.first(), line.last()) else { return };
        if self.line.last().is_some_and(|known| known.since > newest.since) {
            return;
        }
        self.line.retain(|start| start.since < first.since && start.through <= first.through);
        self.line.extend_from_slice(line);
        self.bound_line();
    }

    fn bound_line(&mut self) {
        let last = self.last.version;
        self.line.retain(|start| start.through <= last);
        let excess = self.line.len().saturating_sub(LINE_MAX);
        self.line.drain(..excess);
    }
}
