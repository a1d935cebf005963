//! Looks for pieces of known data in files.

use std::fs;
use std::io::{self, Read};
use std::path::Path;

use aho_corasick::{AhoCorasick, AhoCorasickKind};

use crate::exit::{Failure, Local};

/// How long a piece is, in bytes. Sixteen bytes do not come about by chance.
const PIECE_BYTES: usize = 16;
/// A piece with fewer distinct bytes, such as a run of zeros, would be found in innocent files.
const DISTINCT_MIN: usize = 9;
/// How many pieces of one value are looked for at most, spread evenly over it.
const PIECES_MAX: usize = 2000;
/// How deep folders are followed.
const DEPTH_MAX: usize = 16;

/// Pieces to look for.
pub(super) struct Fragments(AhoCorasick);

/// What a search went through and what it found.
#[derive(Clone, Copy, Default)]
pub(super) struct Found {
    pub(super) files: u64,
    pub(super) bytes: u64,
    pub(super) hits: u64,
}

impl Fragments {
    /// Pieces of each of the `values`, as they are.
    pub(super) fn of(values: &[&[u8]]) -> Result<Self, Failure> {
        let pieces: Vec<&[u8]> = values.iter().flat_map(|value| pieces(value)).collect();
        AhoCorasick::builder()
            .kind(Some(AhoCorasickKind::NoncontiguousNFA))
            .build(pieces)
            .map(Self)
            .map_err(|_| Failure::local(Local::DemoFailed, "the search cannot be built"))
    }

    /// How many pieces are looked for.
    pub(super) fn count(&self) -> u64 {
        self.0.patterns_len() as u64
    }

    /// Looks into a file, or into every file below a folder, in names as well as in bytes.
    pub(super) fn search(&self, path: &Path) -> Result<Found, Failure> {
        let mut found = Found::default();
        self.descend(path, 0, &mut found).map_err(|error| Failure::unreadable(path, &error))?;
        Ok(found)
    }

    fn descend(&self, path: &Path, depth: usize, found: &mut Found) -> io::Result<()> {
        let about = fs::symlink_metadata(path)?;
        if about.is_dir() && depth < DEPTH_MAX {
            for entry in fs::read_dir(path)? {
                self.descend(&entry?.path(), depth + 1, found)?;
            }
        } else if about.is_file() {
            found.files += 1;
            let mut counted = Counted { from: fs::File::open(path)?, bytes: 0 };
            for hit in self.0.stream_find_iter(&mut counted) {
                hit?;
                found.hits += 1;
            }
            found.bytes += counted.bytes;
        }
        Ok(())
    }
}

struct Counted {
    from: fs::File,
    bytes: u64,
}

impl Read for Counted {
    fn read(&mut self, to: &mut [u8]) -> io::Result<usize> {
        let read = self.from.read(to)?;
        self.bytes += read as u64;
        Ok(read)
    }
}

fn pieces(value: &[u8]) -> impl Iterator<Item = &[u8]> {
    let telling: Vec<&[u8]> =
        value.chunks_exact(PIECE_BYTES).filter(|piece| tells(piece)).collect();
    let stride = telling.len().div_ceil(PIECES_MAX).max(1);
    telling.into_iter().step_by(stride)
}

fn tells(piece: &[u8]) -> bool {
    let mut sorted = piece.to_vec();
    sorted.sort_unstable();
    sorted.dedup();
    sorted.len() >= DISTINCT_MIN
}

#[cfg(test)]
mod a_search {
    use super::*;

    #[test]
    fn finds_a_piece_at_any_offset_and_nothing_where_there_is_nothing() {
        let dir = tempfile::tempdir().unwrap();
        let secret: Vec<u8> = (0..200u8).map(|n| n.wrapping_mul(37)).collect();
        let fragments = Fragments::of(&[&secret]).ok().unwrap();
        let clean = dir.path().join("clean");
        fs::write(&clean, vec![0; 1 << 17]).unwrap();
        assert_eq!(fragments.search(dir.path()).ok().unwrap().hits, 0);
        for offset in [0, 1, 15, 65_530] {
            let mut bytes = vec![0; 1 << 17];
            bytes[offset..offset + 32].copy_from_slice(&secret[16..48]);
            fs::create_dir_all(dir.path().join("deep/er")).unwrap();
            fs::write(dir.path().join("deep/er/file"), &bytes).unwrap();
            let found = fragments.search(dir.path()).ok().unwrap();
            assert_eq!((found.files, found.hits), (2, 2), "at {offset}");
        }
    }

    #[test]
    fn does_not_look_for_what_is_everywhere() {
        assert_eq!(pieces(&[0; 4096]).count(), 0);
    }
}
