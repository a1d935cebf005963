//! Up to where the disks of the members have come.

use std::collections::VecDeque;

use crate::ids::Version;
use crate::limits::MEMBERS_MAX;
use crate::machine::Place;
use crate::order;

/// Updates whose times are remembered until they are on all disks. Disks may lag by any number of
/// updates; then times in between are forgotten, and the stable place moves in larger steps.
const UNSETTLED_MAX: usize = 1024;

/// The persistence frontiers of one epoch. As versions they cover earlier epochs too.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub(super) struct Frontier {
    majority: Version,
    all: Version,
    /// Delivered and not on all disks, ascending; the last one is always that delivered last.
    unsettled: VecDeque<Place>,
    /// Of those whose versions differ in this many low bits alone, only the last is there.
    step_bits: u32,
}

impl Frontier {
    pub(super) fn new() -> Self {
        Self {
            majority: Version::ZERO,
            all: Version::ZERO,
            unsettled: VecDeque::new(),
            step_bits: 0,
        }
    }

    pub(super) fn majority(&self) -> Version {
        self.majority
    }

    pub(super) fn all(&self) -> Version {
        self.all
    }

    /// An update was delivered here.
    pub(super) fn delivered(&mut self, place: Place) {
        self.note(place);
        while self.unsettled.len() > UNSETTLED_MAX {
            self.step_bits += 1;
            for place in std::mem::take(&mut self.unsettled) {
                self.note(place);
            }
        }
    }

    fn note(&mut self, place: Place) {
        let step = |place: &Place| place.version.to_wire() >> self.step_bits;
        let begun = self.unsettled.back_mut().filter(|last| step(last) == step(&place));
        match begun {
            Some(last) => *last = place,
            None => self.unsettled.push_back(place),
        }
    }

    /// Learns how far each member's disk has come. Says which update is the last one on all of
    /// them, if that moved.
    pub(super) fn raise(&mut self, persisted: impl Iterator<Item = Version>) -> Option<Place> {
        let mut reached = [Version::ZERO; MEMBERS_MAX];
        let mut members = 0;
        for (reached, persisted) in reached.iter_mut().zip(persisted) {
            *reached = persisted;
            members += 1;
        }
        let reached = reached.get_mut(..members)?;
        self.majority = self.majority.max(order::reached_by_majority(reached)?);
        self.all = self.all.max(reached.iter().min().copied()?);
        let mut settled = None;
        while let Some(place) = self.unsettled.pop_front_if(|place| place.version <= self.all) {
            settled = Some(place);
        }
        if self.unsettled.is_empty() {
            self.step_bits = 0;
        }
        settled
    }

    pub(super) fn check(&self) {
        assert!(self.all <= self.majority, "on all disks but not on most");
        assert!(self.unsettled.len() <= UNSETTLED_MAX, "more times kept than allowed");
    }
}

#[cfg(test)]
mod a_frontier {
    use super::*;
    use crate::ids::{SeqNum, ViewId};
    use crate::time::Hlc;

    fn place(seq: u64) -> Place {
        let version = Version::new(ViewId::FIRST, SeqNum::new(seq).unwrap());
        Place { version, time: Hlc::from_wire(seq) }
    }

    fn raise(frontier: &mut Frontier, persisted: &[u64]) -> Option<u64> {
        let settled = frontier.raise(persisted.iter().map(|seq| place(*seq).version));
        frontier.check();
        settled.map(|place| place.version.seq().number())
    }

    #[test]
    fn is_all_where_the_last_disk_is_and_majority_where_more_than_half_are() {
        let mut frontier = Frontier::new();
        for seq in [2, 5, 9] {
            frontier.delivered(place(seq));
        }
        assert_eq!(raise(&mut frontier, &[9, 5, 0]), None);
        assert_eq!(frontier.majority(), place(5).version);
        assert_eq!(raise(&mut frontier, &[9, 5, 2]), Some(2));
        assert_eq!(frontier.all(), place(2).version);
        assert_eq!(raise(&mut frontier, &[9, 5, 2]), None, "told once");
        assert_eq!(raise(&mut frontier, &[9, 5, 9]), Some(5));
        assert_eq!(raise(&mut frontier, &[9, 9, 9]), Some(9));
    }

    #[test]
    fn does_not_fall_back() {
        let mut frontier = Frontier::new();
        raise(&mut frontier, &[4, 4]);
        raise(&mut frontier, &[1, 1]);
        assert_eq!(frontier.all(), place(4).version);
        assert_eq!(frontier.majority(), place(4).version);
    }

    #[test]
    fn moves_in_larger_steps_where_disks_lag_far_behind_and_ends_at_the_last_update() {
        let mut frontier = Frontier::new();
        let last = 10 * UNSETTLED_MAX as u64;
        for seq in 1..=UNSETTLED_MAX as u64 + 1 {
            frontier.delivered(place(seq));
        }
        assert_eq!(raise(&mut frontier, &[4]), Some(3), "two at a time, of which one is gone");
        assert!(raise(&mut frontier, &[2 * UNSETTLED_MAX as u64]).is_some());
        for seq in 3 * UNSETTLED_MAX as u64..=last {
            frontier.delivered(place(seq));
            frontier.check();
        }
        let step = raise(&mut frontier, &[last / 2]).unwrap();
        assert!(step <= last / 2 && step > last / 2 - 32);
        assert!(frontier.unsettled.len() > UNSETTLED_MAX / 4, "and no larger than they must be");
        assert_eq!(raise(&mut frontier, &[last]), Some(last));
        frontier.delivered(place(last + 1));
        frontier.delivered(place(last + 2));
        assert_eq!(raise(&mut frontier, &[last + 1]), Some(last + 1), "and is exact again");
    }
}
