//! Hybrid logical time.

use core::fmt;

/// A hybrid logical clock reading: microseconds since the Unix epoch in the high 52 bits, a counter
/// that breaks ties in the low 12. Delivery clamps it, so it rises strictly along a shard's order
/// and is the same on every replica.
///
/// Source: Kulkarni et al., "Logical Physical Clocks" (2014), in the one-word form of §6.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Hlc(u64);

const COUNTER_BITS: u32 = 12;

impl Hlc {
    /// Before every reading.
    pub const ZERO: Hlc = Hlc(0);

    /// The first reading of a microsecond since the Unix epoch. Saturates in the year 2112.
    pub const fn from_unix_micros(micros: u64) -> Self {
        let micros_max = u64::MAX >> COUNTER_BITS;
        Self((if micros > micros_max { micros_max } else { micros }) << COUNTER_BITS)
    }

    /// Microseconds since the Unix epoch, without the counter.
    pub const fn unix_micros(self) -> u64 {
        self.0 >> COUNTER_BITS
    }

    /// The last reading within this one's microsecond: what "at that time" includes.
    pub const fn end_of_micro(self) -> Self {
        Self(self.0 | ((1 << COUNTER_BITS) - 1))
    }

    /// The next reading after `self`, given what the wall clock says now: never behind either.
    #[must_use]
    pub const fn tick(self, wall: Hlc) -> Self {
        if wall.0 > self.0 { wall } else { Self(self.0.saturating_add(1)) }
    }

    /// The 64-bit form, which orders as readings do.
    pub const fn to_wire(self) -> u64 {
        self.0
    }

    /// The reading of this 64-bit form. Every value is one.
    pub const fn from_wire(wire: u64) -> Self {
        Self(wire)
    }
}

impl fmt::Display for Hlc {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let counter = self.0 & ((1 << COUNTER_BITS) - 1);
        write!(f, "{}.{counter}", self.unix_micros())
    }
}

#[cfg(test)]
mod hybrid_time {
    use super::*;

    #[test]
    fn rises_even_when_the_wall_clock_falls_back() {
        let late = Hlc::from_unix_micros(1_000);
        let next = late.tick(Hlc::from_unix_micros(900));
        assert!(next > late);
        assert_eq!(next.unix_micros(), 1_000);
        assert_eq!(next.tick(Hlc::from_unix_micros(2_000)), Hlc::from_unix_micros(2_000));
    }
}
