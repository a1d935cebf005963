//! What is remembered of one session.

use std::collections::VecDeque;

use super::{Admit, Asked, WINDOW};
use crate::machine::Place;
use crate::time::Hlc;

const _: () = assert!(WINDOW == u64::BITS as u64, "a window is one word");

/// One session: the last [`WINDOW`] numbers up to the highest that was applied.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub(super) struct Record {
    used: Hlc,
    /// The highest number that was applied; 0 before the first.
    top: u64,
    /// Bit `i` says that number `top - i` was applied.
    applied: u64,
    /// Where, for each bit that is set, by descending number.
    places: VecDeque<Place>,
}

impl Record {
    pub(super) const fn opened(used: Hlc) -> Self {
        Self { used, top: 0, applied: 0, places: VecDeque::new() }
    }

    /// The record of these parts, if one could have come to be of them.
    pub(super) fn restored(
        used: Hlc,
        top: u64,
        applied: u64,
        places: VecDeque<Place>,
    ) -> Option<Self> {
        let highest_is_set = (top != 0) == (applied & 1 != 0);
        let none_below_one = applied.checked_shr(top.min(WINDOW) as u32).unwrap_or(0) == 0;
        let one_each = places.len() == applied.count_ones() as usize;
        let none_later = places.iter().all(|place| place.time <= used);
        (highest_is_set && none_below_one && one_each && none_later).then_some(Self {
            used,
            top,
            applied,
            places,
        })
    }

    pub(super) const fn used(&self) -> Hlc {
        self.used
    }

    pub(super) const fn top(&self) -> u64 {
        self.top
    }

    pub(super) const fn applied(&self) -> u64 {
        self.applied
    }

    pub(super) const fn places(&self) -> &VecDeque<Place> {
        &self.places
    }

    pub(super) fn admit(&mut self, number: u64, place: Place) -> Admit {
        self.used = self.used.max(place.time);
        match self.place_of(number) {
            Asked::Applied(place) => Admit::Repeat(place),
            Asked::Forgotten => Admit::Stale,
            Asked::NotYet => {
                self.slide(number);
                let below = self.top - number;
                self.applied |= 1 << below;
                self.places.insert(self.places_above(below), place);
                Admit::Fresh
            }
        }
    }

    pub(super) fn place_of(&self, number: u64) -> Asked {
        if number > self.top {
            return Asked::NotYet;
        }
        let below = self.top - number;
        if number == 0 || below >= WINDOW {
            return Asked::Forgotten;
        }
        if self.applied >> below & 1 == 0 {
            return Asked::NotYet;
        }
        self.places.get(self.places_above(below)).map_or(Asked::Forgotten, |at| Asked::Applied(*at))
    }

    /// Makes a number that is above the window its highest, and forgets what falls out below.
    fn slide(&mut self, number: u64) {
        let up = number.saturating_sub(self.top);
        self.top += up;
        self.applied =
            u32::try_from(up).ok().and_then(|up| self.applied.checked_shl(up)).unwrap_or(0);
        self.places.truncate(self.applied.count_ones() as usize);
    }

    /// How many places there are of numbers above this one, which is where its own stands.
    fn places_above(&self, below: u64) -> usize {
        (self.applied & ((1 << below) - 1)).count_ones() as usize
    }
}
