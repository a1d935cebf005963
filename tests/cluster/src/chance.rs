//! Randomness from a seed, so that what was drawn can be drawn again.
//!
//! Source: Steele, Lea, Flood, "Fast Splittable Pseudorandom Number Generators" (OOPSLA 2014).

/// A stream of numbers that depends on nothing but its seed.
#[derive(Clone, Debug)]
pub struct Chance(u64);

impl Chance {
    /// The stream of this seed.
    #[must_use]
    pub fn of(seed: u64) -> Self {
        Self(seed)
    }

    /// Another stream, for the part of this number.
    #[must_use]
    pub fn part(&self, number: u64) -> Self {
        let mut part = Self(self.0 ^ number.wrapping_mul(0xd1b5_4a32_d192_ed03));
        part.0 = part.number();
        part
    }

    /// The next number.
    pub fn number(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// A number below `end`; 0 if there is none.
    pub fn below(&mut self, end: u64) -> u64 {
        // The bias of a remainder does not matter to faults and keys.
        self.number().checked_rem(end).unwrap_or(0)
    }

    /// A number from `first` to `last`.
    pub fn within(&mut self, first: u64, last: u64) -> u64 {
        first + self.below(last.saturating_sub(first) + 1)
    }

    /// True this many times in a hundred.
    pub fn percent(&mut self, share: u64) -> bool {
        self.below(100) < share
    }

    /// One of them.
    pub fn one_of<'a, T>(&mut self, among: &'a [T]) -> Option<&'a T> {
        among.get(self.below(among.len() as u64) as usize)
    }
}

#[cfg(test)]
mod a_stream {
    use super::*;

    #[test]
    fn is_the_same_for_the_same_seed_and_another_for_another() {
        let draw = |seed| (0..100).map(|_| Chance::of(seed).number()).collect::<Vec<_>>();
        assert_eq!(draw(7), draw(7));
        assert_ne!(draw(7), draw(8));
        let parts: Vec<u64> = (0..9).map(|part| Chance::of(7).part(part).number()).collect();
        assert!(parts.iter().all(|one| parts.iter().filter(|other| one == *other).count() == 1));
    }

    #[test]
    fn stays_within_its_bounds() {
        let mut chance = Chance::of(1);
        assert!((0..1000).all(|_| (3..=5).contains(&chance.within(3, 5))));
        assert!((0..1000).all(|_| chance.below(7) < 7));
        assert_eq!(chance.one_of::<u8>(&[]), None);
    }
}
