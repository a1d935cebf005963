//! Chance from a seed. The same seed gives the same numbers on every machine, for ever.
//!
//! Source: Steele, Lea and Flood, "Fast Splittable Pseudorandom Number Generators" (OOPSLA 2014),
//! the SplitMix64 variant. Not a crate: a replayed seed must not depend on another's version.

/// A stream of numbers.
#[derive(Clone, Debug)]
pub struct Random(u64);

impl Random {
    /// The stream of a seed.
    #[must_use]
    pub const fn from(seed: u64) -> Self {
        Self(seed)
    }

    /// Another stream, which does not move when this one does. A fault left out of a plan thus
    /// does not change how long an unconcerned link takes.
    #[must_use]
    pub fn branch(seed: u64, name: u64) -> Self {
        let mut mixed = Self(seed ^ name.wrapping_mul(0xd6e8_feb8_6659_fd93));
        Self(mixed.number())
    }

    /// Any number.
    pub fn number(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// A number below this one; 0 if there is none.
    pub fn below(&mut self, end: u64) -> u64 {
        ((u128::from(self.number()) * u128::from(end)) >> 64) as u64
    }

    /// A number from `first` to `last`.
    pub fn within(&mut self, first: u64, last: u64) -> u64 {
        first + self.below(last - first + 1)
    }

    /// True this many times of a thousand.
    pub fn chance(&mut self, thousandths: u64) -> bool {
        self.below(1000) < thousandths
    }

    /// An index into something of this length, which is not empty.
    pub fn index(&mut self, length: usize) -> usize {
        self.below(length as u64) as usize
    }

    /// One of these.
    pub fn of<T: Copy>(&mut self, choices: &[T]) -> T {
        choices[self.index(choices.len())]
    }
}

#[cfg(test)]
mod chance {
    use super::*;

    #[test]
    fn is_the_same_for_the_same_seed_and_within_its_bounds() {
        let (mut one, mut other) = (Random::from(7), Random::from(7));
        for _ in 0..1000 {
            let drawn = one.within(3, 9);
            assert!((3..=9).contains(&drawn));
            assert_eq!(drawn, other.within(3, 9));
        }
        assert_ne!(Random::branch(7, 1).number(), Random::branch(7, 2).number());
    }
}
