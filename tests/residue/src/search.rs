//! One search for many canaries in all their spellings.

use std::collections::BTreeMap;

use aho_corasick::{AhoCorasick, AhoCorasickKind, MatchKind};
use anyhow::{Context as _, Result};

use crate::canary::{Canary, What};
use crate::spelling::{NEEDLE_BYTES_MAX, Spelling, needles};

/// The needles of some canaries, and the automaton that finds them all at once.
pub struct Search {
    automaton: AhoCorasick,
    /// What each needle stands for.
    means: Vec<(What, Spelling)>,
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
            needles(canary.bytes()).into_iter().map(move |(spelling, needle)| {
                ((what, spelling), needle)
            })
        });
        Self::build(spelt.unzip())
    }

    /// The search for these canaries as they are, of which any sixteen bytes in a row are found:
    /// for so many of them that all spellings would not fit.
    ///
    /// # Errors  There are too many of them for one search.
    pub fn of_many<'a>(canaries: impl IntoIterator<Item = &'a Canary>) -> Result<Self> {
        let pieces = canaries.into_iter().flat_map(|canary| {
            let what = canary.what();
            let pieces = canary.bytes().chunks_exact(8);
            pieces.map(move |piece| ((what, Spelling::Raw), piece.to_vec()))
        });
        Self::build(pieces.unzip())
    }

    fn build((means, needles): (Vec<(What, Spelling)>, Vec<Vec<u8>>)) -> Result<Self> {
        let mut builder = AhoCorasick::builder();
        builder.match_kind(MatchKind::Standard).kind(Some(AhoCorasickKind::ContiguousNFA));
        let automaton = builder.build(needles).context("building the search")?;
        Ok(Self { automaton, means })
    }

    /// What is in `bytes`.
    pub fn found_in(&self, bytes: &[u8]) -> Found {
        let mut found = Found::new();
        // Most pages of a process are empty, and empty pages hold no canary.
        if bytes.iter().all(|byte| *byte == 0) {
            return found;
        }
        for hit in self.automaton.find_overlapping_iter(bytes) {
            let Some(means) = self.means.get(hit.pattern().as_usize()) else { continue };
            let (first, last) = (hit.end(), hit.end());
            let hits = found.entry(*means).or_insert(Hits { count: 0, first, last });
            hits.count += 1;
            hits.last = last;
        }
        found
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
        let other: Vec<u8> = (0..200_000_u32).flat_map(|n| n.wrapping_mul(77).to_le_bytes()).collect();
        assert_eq!(spellings(&other), []);
    }

    #[test]
    fn tells_many_canaries_apart() {
        let canaries = [What::Input, What::Object, What::PoolKey].map(|what| Canary::raw(what).unwrap());
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
