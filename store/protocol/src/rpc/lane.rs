//! Who waits for a shard's frontiers, in the order in which they pass.

use std::collections::VecDeque;

use super::RequestId;
use crate::ids::Version;
use crate::machine::Durability;
use crate::rising::Rising;

/// The two lines of one shard.
#[derive(Clone, PartialEq, Eq, Hash, Debug, Default)]
pub(super) struct Lane {
    majority: Line,
    all: Line,
}

/// Who waits for one frontier.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub(super) struct Line {
    frontier: Rising<Version>,
    /// Ascending, because that is how they are delivered.
    waiting: VecDeque<(Version, RequestId)>,
}

impl Lane {
    /// Where to wait for this; nowhere, for what a delivery is enough for.
    pub(super) fn awaiting(&mut self, level: Durability) -> Option<&mut Line> {
        match level {
            Durability::Delivered => None,
            Durability::MajorityDurable => Some(&mut self.majority),
            Durability::AllDurable => Some(&mut self.all),
        }
    }

    pub(super) fn learn(&mut self, majority: Version, all: Version) {
        self.majority.frontier.learn(majority);
        self.all.frontier.learn(all);
    }

    /// Takes out one that need not wait any more.
    pub(super) fn next(&mut self) -> Option<RequestId> {
        self.majority.next().or_else(|| self.all.next())
    }

    pub(super) fn clear(&mut self) {
        self.majority.waiting.clear();
        self.all.waiting.clear();
    }
}

impl Line {
    pub(super) fn wait(&mut self, version: Version, request: RequestId) {
        let behind = self.waiting.back().is_none_or(|(last, _)| *last < version);
        assert!(behind, "an update was delivered out of order");
        self.waiting.push_back((version, request));
    }

    fn next(&mut self) -> Option<RequestId> {
        let (version, _) = self.waiting.front()?;
        if *version > self.frontier.get() {
            return None;
        }
        self.waiting.pop_front().map(|(_, request)| request)
    }
}

impl Default for Line {
    fn default() -> Self {
        Self { frontier: Rising::from(Version::ZERO), waiting: VecDeque::new() }
    }
}
