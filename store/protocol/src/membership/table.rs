//! Everyone's membership rows, as they have reached this member, and who still moves.

use std::sync::Arc;

use crate::ids::{Life, Rank};
use crate::message::Peer;
use crate::row::{MemberGuard, MemberRow};
use crate::view::View;

/// What is known of one member.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub(crate) struct Entry {
    /// The latest life heard of; the member's own until a restart.
    pub(crate) life: Life,
    /// Its row, as of the last data whose guard came.
    row: Option<Arc<MemberRow>>,
    /// Data whose guard has not come.
    pending: Option<Arc<MemberRow>>,
    beat: u64,
    /// When its heartbeat moved last.
    pub(crate) heard: u64,
    /// When its link broke, if it has not come up since.
    pub(crate) broken: Option<u64>,
}

/// One row for each member of the view. A row is written by nobody but its owner.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub(crate) struct Table {
    entries: Vec<Entry>,
}

impl Table {
    /// Nobody has written yet; all count as heard of just now.
    pub(crate) fn of(view: &View, now: u64) -> Self {
        let entry =
            |life| Entry { life, row: None, pending: None, beat: 0, heard: now, broken: None };
        Self { entries: view.members.iter().map(|member| entry(member.life)).collect() }
    }

    pub(crate) fn entry(&self, rank: Rank) -> Option<&Entry> {
        self.entries.get(usize::from(rank.0))
    }

    pub(crate) fn row(&self, rank: Rank) -> Option<&Arc<MemberRow>> {
        self.entry(rank)?.row.as_ref()
    }

    /// The rows that are there, by rank.
    pub(crate) fn rows(&self) -> impl Iterator<Item = (Rank, &Arc<MemberRow>)> {
        let ranked = self.entries.iter().zip(0..);
        ranked.filter_map(|(entry, rank)| Some((Rank(rank), entry.row.as_ref()?)))
    }

    pub(crate) fn entries(&self) -> impl Iterator<Item = (Rank, &Entry)> {
        self.entries.iter().zip(0..).map(|(entry, rank)| (Rank(rank), entry))
    }

    /// Our own row needs no guard.
    pub(crate) fn publish(&mut self, rank: Rank, row: Arc<MemberRow>) {
        if let Some(entry) = self.entry_mut(rank) {
            entry.life = row.life;
            entry.row = Some(row);
        }
    }

    /// Data came; it waits for its guard. Data that is not newer than what is there is nothing.
    pub(crate) fn arrived(&mut self, rank: Rank, row: &Arc<MemberRow>) {
        let Some(entry) = self.entry_mut(rank) else { return };
        if entry.life == row.life
            && entry.row.as_ref().is_none_or(|it| it.generation < row.generation)
        {
            entry.pending = Some(row.clone());
        }
    }

    /// A guard came: the data of its generation counts. Says whether there is news in it.
    pub(crate) fn guarded(&mut self, rank: Rank, guard: MemberGuard, now: u64) -> bool {
        let Some(entry) = self.entry_mut(rank) else { return false };
        if entry.life != guard.life {
            return false;
        }
        if guard.beat > entry.beat {
            entry.beat = guard.beat;
            entry.heard = now;
        }
        match &entry.pending {
            Some(row) if row.generation == guard.generation => {
                entry.row = entry.pending.take();
                true
            }
            _ => false,
        }
    }

    /// A member of a view that has ended is there again, in a new life; its old row is not.
    pub(crate) fn reborn(&mut self, rank: Rank, peer: Peer, now: u64) {
        let Some(entry) = self.entry_mut(rank) else { return };
        if peer.life > entry.life {
            *entry = Entry {
                life: peer.life,
                row: None,
                pending: None,
                beat: 0,
                heard: now,
                broken: None,
            };
        }
    }

    pub(crate) fn linked(&mut self, rank: Rank) {
        if let Some(entry) = self.entry_mut(rank) {
            entry.broken = None;
        }
    }

    pub(crate) fn broke(&mut self, rank: Rank, now: u64) {
        if let Some(entry) = self.entry_mut(rank) {
            // What came without its guard is not made whole by a later one.
            entry.pending = None;
            entry.broken = Some(now);
        }
    }

    /// Somebody who slept cannot blame the others for their silence.
    pub(crate) fn forgive_all(&mut self, now: u64) {
        for entry in &mut self.entries {
            entry.heard = now;
            entry.broken = entry.broken.map(|_| now);
        }
    }

    fn entry_mut(&mut self, rank: Rank) -> Option<&mut Entry> {
        self.entries.get_mut(usize::from(rank.0))
    }
}
