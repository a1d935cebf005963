//! A bounded number of places for those who wait, each free again when whoever took it is gone.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// All places of one kind.
pub(crate) struct Seats {
    taken: Arc<AtomicUsize>,
    max: usize,
}

/// One of them, until it is dropped.
pub(crate) struct Seat(Arc<AtomicUsize>);

impl Seats {
    pub(crate) fn new(max: usize) -> Self {
        Self { taken: Arc::default(), max }
    }

    /// Takes one, if one is free.
    pub(crate) fn take(&self) -> Option<Seat> {
        let one_more = |taken: usize| (taken < self.max).then_some(taken + 1);
        let took = self.taken.fetch_update(Ordering::AcqRel, Ordering::Acquire, one_more);
        took.ok().map(|_| Seat(self.taken.clone()))
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::AcqRel);
    }
}

#[cfg(test)]
mod all_seats {
    use super::*;

    #[test]
    fn are_as_many_as_said_and_free_again_when_dropped() {
        let seats = Seats::new(2);
        let first = seats.take();
        let _second = seats.take();
        assert!(first.is_some() && seats.take().is_none());
        drop(first);
        assert!(seats.take().is_some());
    }
}
