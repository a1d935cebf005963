//! What is known of a member of an epoch: as much of its row as anybody asks for.

use super::Epoch;
use crate::ids::{NodeId, SeqNum, Version};
use crate::order;
use crate::row::ShardRow;

/// Another member.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(super) struct Seat {
    pub(super) node: NodeId,
    /// Where it stands among the members, so which sender it is.
    pub(super) at: u16,
    pub(super) standing: Standing,
}

impl Seat {
    pub(super) fn new(node: NodeId, at: usize) -> Self {
        Self { node, at: at as u16, standing: Standing::NEW }
    }
}

/// How far a member has come. Each part only rises.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(super) struct Standing {
    /// The leading slots that it holds.
    pub(super) held: u64,
    /// How many of our own messages it received.
    pub(super) got: u64,
    pub(super) delivered: u64,
    pub(super) persisted: Version,
    pub(super) ready: bool,
}

impl Standing {
    pub(super) const NEW: Standing =
        Standing { held: 0, got: 0, delivered: 0, persisted: Version::ZERO, ready: false };

    pub(super) fn learn(&mut self, news: Standing) {
        self.held = self.held.max(news.held);
        self.got = self.got.max(news.got);
        self.delivered = self.delivered.max(news.delivered);
        self.persisted = self.persisted.max(news.persisted);
        self.ready |= news.ready;
    }
}

impl Epoch {
    /// What a row says of its owner, if it is one that a member can have written.
    pub(super) fn read(&self, row: &ShardRow) -> Option<Standing> {
        let possible = self.is_of_this_epoch(row.shard, row.since)
            && row.received.len() == self.received.len()
            && row.received.iter().all(|count| *count <= self.indices());
        if !possible {
            return None;
        }
        let held = if self.is_ordered() { order::prefix(&row.received) } else { 0 };
        let got = row.received.get(self.me).copied().unwrap_or_default();
        let ShardRow { delivered, persisted, ready, .. } = *row;
        // The last of so many slots bounds what the disk can hold of this epoch.
        let last = SeqNum::new(delivered)?;
        let bound = if persisted.view() == self.start.since {
            Version::new(self.start.since, last)
        } else {
            self.start.through
        };
        let possible = got <= self.window.told()
            && delivered <= held
            && (delivered == 0 || ready)
            && persisted <= bound;
        possible.then_some(Standing { held, got, delivered, persisted, ready })
    }
}
