//! Counts, kept so that no single request shows in them: pure, one window after the other.
//!
//! Whoever may read a node's counts at any time could subtract two of them and see the one request
//! in between. So a count goes up by [`FLOOR`] at a time, once a window is over; what is less waits
//! for the next. Nothing is lost, and nobody is one of fewer than [`FLOOR`].

use std::sync::atomic::{AtomicU64, Ordering};

use crate::limits::FLOOR;

/// A count.
#[derive(Default)]
pub(super) struct Count {
    waiting: AtomicU64,
    shown: AtomicU64,
}

impl Count {
    pub(super) fn up(&self) {
        self.waiting.fetch_add(1, Ordering::Relaxed);
    }

    /// A window is over. One at a time closes it.
    pub(super) fn close(&self) {
        let waiting = self.waiting.load(Ordering::Relaxed);
        let whole = waiting - waiting % FLOOR;
        self.waiting.fetch_sub(whole, Ordering::Relaxed);
        self.shown.fetch_add(whole, Ordering::Relaxed);
    }

    /// What everybody may know.
    pub(super) fn shown(&self) -> u64 {
        self.shown.load(Ordering::Relaxed)
    }
}

/// How long something took, as a power of two of milliseconds: a time is a trace, too.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Bucket(usize);

/// How many there are: up to 1 ms, 2 ms, and so on; the last has no end.
pub(super) const BUCKETS: usize = 18;

impl Bucket {
    pub(super) fn of(millis: u64) -> Self {
        let power = millis.max(1).next_power_of_two().trailing_zeros() as usize;
        Self(power.min(BUCKETS - 1))
    }

    /// The greatest number of milliseconds in it; none if it has no end.
    pub(super) fn end(self) -> Option<u64> {
        (self.0 < BUCKETS - 1).then(|| 1 << self.0)
    }

    pub(super) fn all() -> impl Iterator<Item = Self> {
        (0..BUCKETS).map(Self)
    }

    pub(super) const fn index(self) -> usize {
        self.0
    }
}

/// A number as the power of two that is not below it.
pub(super) fn rounded(number: u64) -> u64 {
    if number == 0 { 0 } else { number.next_power_of_two() }
}

#[cfg(test)]
mod a_count {
    use super::*;

    #[test]
    fn shows_nobody_as_one_of_a_few_and_loses_nobody() {
        let count = Count::default();
        let mut counted = 0;
        for window in [1, FLOOR - 1, 0, 3 * FLOOR + 7, 2, FLOOR] {
            for _ in 0..window {
                count.up();
            }
            counted += window;
            count.close();
            assert_eq!(count.shown() % FLOOR, 0);
            assert!(counted - count.shown() < FLOOR);
        }
    }

    #[test]
    fn stands_still_until_a_window_is_over() {
        let count = Count::default();
        for _ in 0..5 * FLOOR {
            count.up();
        }
        assert_eq!(count.shown(), 0);
        count.close();
        assert_eq!(count.shown(), 5 * FLOOR);
    }
}

#[cfg(test)]
mod a_bucket {
    use super::*;

    #[test]
    fn holds_what_is_not_longer_than_its_end_and_longer_than_the_one_before() {
        for millis in (0..70).chain([1 << 16, (1 << 16) + 1, 1 << 40, u64::MAX >> 1]) {
            let bucket = Bucket::of(millis);
            assert!(bucket.end().is_none_or(|end| millis <= end), "{millis}");
            let before = bucket.index().checked_sub(1).and_then(|index| Bucket(index).end());
            assert!(before.is_none_or(|before| millis > before), "{millis}");
        }
    }
}
