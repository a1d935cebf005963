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

#[cfg(test)]
mod a_peer {
    use super::*;
    use crate::ids::{ShardId, ViewId};
    use crate::layout::{Mode, Senders};
    use crate::multicast::network::{Network, USUAL, all, node, version};
    use crate::row::{Content, Frame, Frames};
    use crate::rpc::RequestId;
    use crate::time::Hlc;

    const WALL: Hlc = Hlc::from_unix_micros(2_000);

    fn row(epoch: &Epoch) -> ShardRow {
        ShardRow {
            shard: epoch.shard(),
            since: epoch.start().since,
            sent: 0,
            received: vec![0, 0],
            delivered: 0,
            persisted: Version::ZERO,
            ready: true,
        }
    }

    #[test]
    fn that_says_what_cannot_be_is_not_heard() {
        let mut epoch = all(2).epochs.remove(0);
        epoch.send(RequestId(0), 1, WALL, &mut vec![]).unwrap();
        epoch.advance(&mut vec![]);
        let before = epoch.clone();
        let good = row(&epoch);
        let far = SeqNum::MAX.number();
        let rows = [
            ShardRow { shard: ShardId(9), ..good.clone() },
            ShardRow { since: ViewId::FIRST, ..good.clone() },
            ShardRow { received: vec![], ..good.clone() },
            ShardRow { received: vec![0; 3], ..good.clone() },
            ShardRow { received: vec![0, u64::MAX], ..good.clone() },
            ShardRow { received: vec![2, 0], ..good.clone() },
            ShardRow { received: vec![1, 0], delivered: 1, ready: false, ..good.clone() },
            ShardRow { received: vec![0, far], delivered: 2, ..good.clone() },
            ShardRow { delivered: u64::MAX, ..good.clone() },
            ShardRow { persisted: version(1), ..good.clone() },
            ShardRow { persisted: "5:4".parse().unwrap(), ..good.clone() },
            ShardRow { persisted: "8:1".parse().unwrap(), ..good.clone() },
        ];
        for row in rows {
            epoch.arrived_row(node(1), &row);
            assert!(epoch == before);
        }
        for stranger in [node(0), node(7)] {
            epoch.arrived_row(stranger, &good);
            assert!(epoch == before);
        }
        let received = vec![0, epoch.indices()];
        epoch.arrived_row(node(1), &ShardRow { sent: u64::MAX, received, ..good });
        assert!(epoch != before && epoch.others[0].standing.ready);
    }

    #[test]
    fn that_does_not_send_is_not_received_from() {
        let network = Network::of(2, Senders::First, Mode::Durable, USUAL).ready();
        let mut epoch = network.epochs.into_iter().next().unwrap();
        let content = Content::Update { offset: 0, bytes: 1, time: WALL };
        let frames = vec![Frame { index: 0, content }];
        let (shard, since) = (epoch.shard(), epoch.start().since);
        let before = epoch.clone();
        epoch.arrived_frames(node(1), &Frames { shard, since, frames });
        assert!(epoch == before);
    }

    #[test]
    fn whose_old_row_comes_late_takes_nothing_back() {
        let mut epoch = all(2).epochs.remove(0);
        let good = row(&epoch);
        let far =
            ShardRow { received: vec![0, 7], persisted: "5:1".parse().unwrap(), ..good.clone() };
        epoch.arrived_row(node(1), &far);
        let before = epoch.others.clone();
        epoch.arrived_row(node(1), &ShardRow { ready: false, ..good });
        assert_eq!(epoch.others, before);
    }
}
