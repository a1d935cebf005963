//! One search for many canaries in all their spellings.
//!
//! A needle has eight bytes or more, so its first eight are a number. All numbers of a text are
//! asked for in a table of bits, which costs a nanosecond each however many needles there are; the
//! few that pass are looked up and compared.

use std::collections::BTreeMap;

use anyhow::{Result, ensure};

use crate::canary::{Canary, What};
use crate::spelling::{FRAGMENT_BYTES, NEEDLE_BYTES_MAX, Spelling, needles};

/// The needles of some canaries, found all at once.
pub struct Search {
    needles: Vec<Needle>,
    /// The first eight bytes of each needle, sorted, and which needle it is.
    starts: Vec<(u64, u32)>,
    filter: Filter,
}

struct Needle {
    bytes: Vec<u8>,
    what: What,
    spelling: Spelling,
}

/// Bits that say of a number that it is none of those wanted.
struct Filter {
    words: Vec<u64>,
    shift: u32,
}

/// What was found, by what it is and how it was spelt.
pub type Found = BTreeMap<(What, Spelling), Hits>;

/// How often, and where the first and the last end.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Hits {
    /// How many fragments.
    pub count: usize,
    /// The end of the first of them.
    pub first: usize,
    /// The end of the last.
    pub last: usize,
}

impl Search {
    /// How many bytes at the end of one piece must be searched again with the next, so that nothing
    /// falls between two.
    pub const OVERLAP_BYTES: usize = NEEDLE_BYTES_MAX - 1;

    /// The search for these canaries in every spelling.
    ///
    /// # Errors  There are too many of them for one search.
    pub fn of<'a>(canaries: impl IntoIterator<Item = &'a Canary>) -> Result<Self> {
        let spelt = canaries.into_iter().flat_map(|canary| {
            let what = canary.what();
            let needles = needles(canary.bytes()).into_iter();
            needles.map(move |(spelling, bytes)| Needle { bytes, what, spelling })
        });
        Self::build(spelt.collect())
    }

    /// The search for these canaries as they are, of which any fifteen bytes in a row are found:
    /// for so many of them that all spellings would not fit.
    ///
    /// # Errors  There are too many of them for one search.
    pub fn of_many<'a>(canaries: impl IntoIterator<Item = &'a Canary>) -> Result<Self> {
        let pieces = canaries.into_iter().flat_map(|canary| {
            let what = canary.what();
            let pieces = canary.bytes().chunks_exact(FRAGMENT_BYTES);
            pieces.map(move |piece| Needle { bytes: piece.to_vec(), what, spelling: Spelling::Raw })
        });
        Self::build(pieces.collect())
    }

    fn build(needles: Vec<Needle>) -> Result<Self> {
        let mut starts = Vec::with_capacity(needles.len());
        for (index, needle) in (0_u32..).zip(&needles) {
            let start = needle.bytes.first_chunk::<FRAGMENT_BYTES>();
            ensure!(start.is_some(), "a needle that is too short");
            starts.extend(start.map(|start| (u64::from_le_bytes(*start), index)));
        }
        ensure!(starts.len() == needles.len(), "too many needles for one search");
        starts.sort_unstable();
        let filter = Filter::of(starts.iter().map(|(start, _)| *start), starts.len());
        Ok(Self { needles, starts, filter })
    }

    /// What is in `bytes`.
    pub fn found_in(&self, bytes: &[u8]) -> Found {
        let mut found = Found::new();
        for (at, window) in bytes.windows(FRAGMENT_BYTES).enumerate() {
            let Some(start) = window.first_chunk().copied().map(u64::from_le_bytes) else { break };
            // Most memory is empty.
            if start != 0 && self.filter.may_be(start) {
                self.compare(bytes, at, start, &mut found);
            }
        }
        found
    }

    /// Compares the needles that begin with `start` with what is at `at`.
    fn compare(&self, bytes: &[u8], at: usize, start: u64, found: &mut Found) {
        let first = self.starts.partition_point(|(other, _)| *other < start);
        let same = self.starts.iter().skip(first).take_while(|(other, _)| *other == start);
        for (_, index) in same {
            let Some(needle) = self.needles.get(*index as usize) else { continue };
            let rest = bytes.get(at..).unwrap_or_default();
            if rest.starts_with(&needle.bytes) {
                let end = at + needle.bytes.len();
                let key = (needle.what, needle.spelling);
                let hits = found.entry(key).or_insert(Hits { count: 0, first: end, last: end });
                hits.count += 1;
                hits.last = end;
            }
        }
    }
}

impl Filter {
    /// Bits for each number: few enough to stay near the processor, enough that one in a hundred
    /// numbers passes that should not.
    const BITS_EACH: usize = 100;

    fn of(numbers: impl Iterator<Item = u64>, count: usize) -> Self {
        let bits = (count * Self::BITS_EACH).next_power_of_two().max(64);
        let mut filter = Self { words: vec![0; bits / 64], shift: 64 - bits.trailing_zeros() };
        for number in numbers {
            let bit = filter.bit(number);
            if let Some(word) = filter.words.get_mut(bit / 64) {
                *word |= 1 << (bit % 64);
            }
        }
        filter
    }

    fn bit(&self, number: u64) -> usize {
        // Fibonacci hashing: the upper bits of the product depend on all of the number.
        (number.wrapping_mul(0x9E37_79B9_7F4A_7C15) >> self.shift) as usize
    }

    fn may_be(&self, number: u64) -> bool {
        let bit = self.bit(number);
        self.words.get(bit / 64).is_some_and(|word| word >> (bit % 64) & 1 == 1)
    }
}

#[cfg(test)]
mod a_search {
    use super::*;
    use base64::Engine as _;
    use base64::engine::general_purpose::{STANDARD, URL_SAFE};

    fn canary() -> Canary {
        let bytes: Vec<u8> = (0..64_u8).map(|index| index.wrapping_mul(151) ^ 0x5C).collect();
        Canary::of(What::Input, &bytes)
    }

    /// How the canary is found to be spelt in `bytes`.
    fn spellings(bytes: &[u8]) -> Vec<Spelling> {
        let found = Search::of([&canary()]).unwrap().found_in(bytes);
        found.into_keys().map(|(_, spelling)| spelling).collect()
    }

    fn each(write: impl Fn(u8) -> String) -> Vec<u8> {
        canary().bytes().iter().map(|byte| write(*byte)).collect::<String>().into_bytes()
    }

    #[test]
    fn finds_any_eight_bytes_in_a_row() {
        let canary = canary();
        for window in canary.bytes().windows(8) {
            assert_eq!(spellings(&[b"before", window, b"after"].concat()), [Spelling::Raw]);
        }
        assert_eq!(spellings(&canary.bytes()[20..27]), []);
    }

    #[test]
    fn finds_every_spelling() {
        let canary = canary();
        let bytes = canary.bytes();
        assert_eq!(spellings(&each(|byte| format!("{byte:02x}"))), [Spelling::Hex]);
        assert_eq!(spellings(&each(|byte| format!("{byte:02X}"))), [Spelling::Hex]);
        for shift in ["", "x", "xy"] {
            let shifted = [shift.as_bytes(), bytes].concat();
            assert_eq!(spellings(STANDARD.encode(&shifted).as_bytes()), [Spelling::Base64]);
            assert_eq!(spellings(URL_SAFE.encode(&shifted).as_bytes()), [Spelling::Base64]);
        }
        let wide = |bytes_of: fn(u16) -> [u8; 2]| -> Vec<u8> {
            bytes.iter().flat_map(|byte| bytes_of(u16::from(*byte))).collect()
        };
        assert_eq!(spellings(&wide(u16::to_le_bytes)), [Spelling::Utf16]);
        assert_eq!(spellings(&wide(u16::to_be_bytes)), [Spelling::Utf16]);
        assert_eq!(spellings(&each(|byte| format!("%{byte:02x}"))), [Spelling::Percent]);
        assert_eq!(spellings(&each(|byte| format!("\\u{byte:04x}"))), [Spelling::Json]);
        let text: String = bytes.iter().map(|byte| char::from(*byte)).collect();
        let json = serde_json::to_string(&text).unwrap();
        assert_eq!(spellings(json.as_bytes()), [Spelling::Json]);
        assert_eq!(spellings(bytes.escape_ascii().to_string().as_bytes()), [Spelling::Escaped]);
        assert_eq!(spellings(format!("{bytes:?}").as_bytes()), [Spelling::Decimal]);
        assert_eq!(spellings(format!("{bytes:02x?}").as_bytes()), [Spelling::Hex]);
        assert_eq!(spellings(format!("{bytes:02X?}").as_bytes()), [Spelling::Hex]);
        assert_eq!(spellings(&serde_json::to_vec(bytes).unwrap()), [Spelling::Decimal]);
    }

    #[test]
    fn finds_words_the_other_way_round_wherever_they_begin() {
        let canary = canary();
        for word in [2, 4, 8] {
            for phase in 0..word {
                let words = canary.bytes()[phase..].chunks_exact(word);
                let swapped: Vec<u8> = words.flat_map(|word| word.iter().rev().copied()).collect();
                assert_eq!(spellings(&swapped), [Spelling::Swapped], "{word} {phase}");
            }
        }
    }

    #[test]
    fn finds_nothing_where_nothing_is() {
        assert_eq!(spellings(&[0; 100_000]), []);
        assert_eq!(spellings(&vec![b'A'; 100_000]), []);
        let other: Vec<u8> =
            (0..200_000_u32).flat_map(|n| n.wrapping_mul(77).to_le_bytes()).collect();
        assert_eq!(spellings(&other), []);
    }

    #[test]
    fn tells_many_canaries_apart() {
        let canaries =
            [What::Input, What::Object, What::PoolKey].map(|what| Canary::raw(what).unwrap());
        let search = Search::of(&canaries).unwrap();
        for canary in &canaries {
            let found: Vec<What> =
                search.found_in(canary.bytes()).into_keys().map(|(what, _)| what).collect();
            assert_eq!(found, [canary.what()]);
        }
    }

    #[test]
    fn of_many_finds_sixteen_bytes_in_a_row() {
        let canary = canary();
        let search = Search::of_many([&canary]).unwrap();
        for window in canary.bytes().windows(16) {
            assert_eq!(search.found_in(window).len(), 1);
        }
    }
}
