//! Numbers that follow from a seed, the same on every machine.

/// A stream of numbers. The algorithm is SplitMix64.
pub struct Random(u64);

impl Random {
    /// The stream of module `number` under `seed`.
    pub fn of(seed: u64, number: u64) -> Self {
        let mut first = Self(seed);
        let (a, b) = (first.next(), first.next());
        Self(a ^ b.wrapping_mul(number.wrapping_add(1)))
    }

    /// The next number.
    #[expect(clippy::should_implement_trait, reason = "it never ends, so it is no iterator")]
    pub fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// A number below `end`, which is not 0.
    pub fn below(&mut self, end: usize) -> usize {
        (self.next() % end.max(1) as u64) as usize
    }

    /// A number from 1 to `most`, each power of two as likely as the next.
    pub fn up_to(&mut self, most: usize) -> usize {
        let bits = self.below(most.ilog2() as usize + 1);
        (1 << bits) + self.below((1 << bits).min(most + 1 - (1 << bits)))
    }

    /// One in so many.
    pub fn one_in(&mut self, many: usize) -> bool {
        self.below(many) == 0
    }

    /// One of these.
    pub fn of_these<'a, T>(&mut self, these: &'a [T]) -> Option<&'a T> {
        these.get(self.below(these.len()))
    }

    /// So many bytes.
    pub fn bytes(&mut self, count: usize) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(count + 8);
        while bytes.len() < count {
            bytes.extend_from_slice(&self.next().to_le_bytes());
        }
        bytes.truncate(count);
        bytes
    }
}

#[cfg(test)]
mod a_stream {
    use super::*;

    #[test]
    fn follows_from_its_seed_and_number() {
        let first = |seed, number| Random::of(seed, number).bytes(20);
        assert_eq!(first(1, 2), first(1, 2));
        assert_ne!(first(1, 2), first(1, 3));
        assert_ne!(first(1, 2), first(2, 2));
    }

    #[test]
    fn stays_within_what_is_asked() {
        let mut random = Random::of(7, 7);
        for most in [1, 2, 3, 100, 1000] {
            for _ in 0..200 {
                assert!((1..=most).contains(&random.up_to(most)));
                assert!(random.below(most) < most);
            }
        }
    }
}
