//! Up to where the disks of the members have come.

use std::collections::VecDeque;

use crate::ids::Version;
use crate::machine::Place;
use crate::order;

/// Updates whose times are remembered until they are on all disks. Beyond that the times of some
/// in the middle are forgotten, so that the frontier moves in larger steps.
const UNSETTLED_MAX: usize = 4096;

/// The persistence frontiers of one epoch.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub(super) struct Frontier {
    majority: Version,
    all: Version,
    unsettled: VecDeque<Place>,
    scratch: Vec<Version>,
}

impl Default for Frontier {
    fn default() -> Self {
        Self {
            majority: Version::ZERO,
            all: Version::ZERO,
            unsettled: VecDeque::new(),
            scratch: Vec::new(),
        }
    }
}

impl Frontier {
    pub(super) fn majority(&self) -> Version {
        self.majority
    }

    pub(super) fn all(&self) -> Version {
        self.all
    }

    pub(super) fn delivered(&mut self, place: Place) {
        if self.unsettled.len() >= UNSETTLED_MAX {
            self.unsettled.pop_back();
        }
        self.unsettled.push_back(place);
    }

    /// Learns how far each member's disk has come; the last update on all of them, if that moved.
    pub(super) fn raise(&mut self, persisted: impl Iterator<Item = Version>) -> Option<Place> {
        self.scratch.clear();
        self.scratch.extend(persisted);
        let all = self.scratch.iter().min().copied()?;
        let majority = order::reached_by_majority(&mut self.scratch)?;
        self.scratch.clear();
        self.majority = self.majority.max(majority);
        self.all = self.all.max(all);
        let mut settled = None;
        while let Some(place) = self.unsettled.front().filter(|it| it.version <= self.all) {
            settled = Some(*place);
            self.unsettled.pop_front();
        }
        settled
    }
}
