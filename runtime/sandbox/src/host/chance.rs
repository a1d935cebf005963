//! Randomness that a replay repeats.

use sha2::{Digest, Sha256};

/// Which of a run's streams.
#[derive(Clone, Copy)]
pub(crate) enum Stream {
    /// `wasi:random/random`.
    Random,
    /// `wasi:random/insecure` and its seed, so that asking there does not move the other.
    Insecure,
}

/// A stream of bytes fixed by a run's seed: block `n` is SHA-256 of the stream's label, the seed
/// and `n` as eight bytes, low first. Anybody who knows the seed can write it down again.
pub(crate) struct Chance {
    stream: Stream,
    seed: [u8; 32],
    next: u64,
    block: [u8; 32],
    left: usize,
}

impl Chance {
    pub(crate) fn new(stream: Stream, seed: [u8; 32]) -> Self {
        Self { stream, seed, next: 0, block: [0; 32], left: 0 }
    }

    pub(crate) fn bytes(&mut self, count: usize) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(count);
        while bytes.len() < count {
            if self.left == 0 {
                self.refill();
            }
            let take = self.left.min(count - bytes.len());
            let rest = self.block.iter().skip(self.block.len() - self.left);
            bytes.extend(rest.take(take));
            self.left -= take;
        }
        bytes
    }

    pub(crate) fn number(&mut self) -> u64 {
        self.bytes(8).iter().rev().fold(0, |number, byte| number << 8 | u64::from(*byte))
    }

    fn refill(&mut self) {
        let label: &[u8] = match self.stream {
            Stream::Random => b"notrace/v1/random\0",
            Stream::Insecure => b"notrace/v1/insecure\0",
        };
        let mut hash = Sha256::new();
        hash.update(label);
        hash.update(self.seed);
        hash.update(self.next.to_le_bytes());
        self.block = hash.finalize().into();
        self.left = self.block.len();
        self.next += 1;
    }
}

#[cfg(test)]
mod a_stream_of_chance {
    use super::*;

    #[test]
    fn is_the_same_in_any_portions() {
        let whole = Chance::new(Stream::Random, [7; 32]).bytes(100);
        let mut parts = Chance::new(Stream::Random, [7; 32]);
        let portions = [1, 31, 32, 33, 3].map(|count| parts.bytes(count)).concat();
        assert_eq!(whole, portions);
    }

    #[test]
    fn differs_by_seed_and_by_name() {
        let first = |stream, seed| Chance::new(stream, [seed; 32]).number();
        assert_ne!(first(Stream::Random, 1), first(Stream::Random, 2));
        assert_ne!(first(Stream::Random, 1), first(Stream::Insecure, 1));
    }
}
