//! The static files of a log: their names and their contents.
//!
//! Source: C2SP `tlog-tiles`. Names are parsed here and not by `tlog_tiles`, whose parser panics
//! on `…p/0` and on levels above 63 (version 0.2.0), and these names come from strangers.

use core::fmt;
use core::str::FromStr;

use tlog_tiles::Hash;

use crate::limits::LEDGER_LEAVES_MAX;

/// How many hashes or entries a full tile has.
pub const TILE_WIDTH: u64 = 256;
/// A tile spans this many levels of the tree.
pub(crate) const TILE_HEIGHT: u8 = 8;
/// Above this level no tree has tiles: 256⁷ leaves are more than [`LEDGER_LEAVES_MAX`].
pub const TILE_LEVEL_MAX: u8 = 6;
/// Bytes of a hash.
pub const HASH_BYTES: usize = 32;

const _: () = assert!(LEDGER_LEAVES_MAX >> (8 * TILE_LEVEL_MAX as u64) <= TILE_WIDTH);

/// What a file holds.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Rows {
    /// Hashes of the tree, at this level of tiles: level 0 is the leaves.
    Hashes(u8),
    /// The entries themselves.
    Entries,
}

/// One file of a log. Prints as its path below the log's prefix: `tile/1/x001/234.p/7`.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Tile {
    rows: Rows,
    index: u64,
    width: u16,
}

/// Why a path names no file.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[error("a tile is tile/LEVEL/INDEX or tile/entries/INDEX, with .p/WIDTH if it is not full")]
pub struct NotATile;

impl Tile {
    /// The tile that holds rows `index * 256` onward, `width` of them.
    pub fn new(rows: Rows, index: u64, width: u16) -> Option<Self> {
        let level = match rows {
            Rows::Hashes(level) => level,
            Rows::Entries => 0,
        };
        let fits = level <= TILE_LEVEL_MAX && (1..=TILE_WIDTH).contains(&u64::from(width));
        (fits && index < LEDGER_LEAVES_MAX / TILE_WIDTH).then_some(Self { rows, index, width })
    }

    /// What it holds.
    pub fn rows(&self) -> Rows {
        self.rows
    }

    /// Its place among those of its kind.
    pub fn index(&self) -> u64 {
        self.index
    }

    /// How many rows it has, 1 to 256.
    pub fn width(&self) -> u16 {
        self.width
    }

    /// Whether it has all its rows.
    pub fn is_full(&self) -> bool {
        u64::from(self.width) == TILE_WIDTH
    }

    /// The same tile with all its rows.
    #[must_use]
    pub fn full(&self) -> Self {
        Self { width: TILE_WIDTH as u16, ..*self }
    }

    /// Whether a tree of `size` leaves has all its rows.
    pub fn is_within(&self, size: u64) -> bool {
        let shift = match self.rows {
            Rows::Hashes(level) => TILE_HEIGHT * level,
            Rows::Entries => 0,
        };
        self.index * TILE_WIDTH + u64::from(self.width) <= size >> shift
    }

    /// The tile at the right edge of a tree of `size` leaves, if it is not full.
    pub fn edge(rows: Rows, size: u64) -> Option<Self> {
        let shift = match rows {
            Rows::Hashes(level) if level > TILE_LEVEL_MAX => return None,
            Rows::Hashes(level) => TILE_HEIGHT * level,
            Rows::Entries => 0,
        };
        let count = size >> shift;
        Self::new(rows, count / TILE_WIDTH, (count % TILE_WIDTH) as u16)
    }
}

impl fmt::Display for Tile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.rows {
            Rows::Hashes(level) => write!(f, "tile/{level}/")?,
            Rows::Entries => f.write_str("tile/entries/")?,
        }
        let mut place = 1;
        while self.index / place >= 1000 {
            place *= 1000;
        }
        while place > 1 {
            write!(f, "x{:03}/", self.index / place % 1000)?;
            place /= 1000;
        }
        write!(f, "{:03}", self.index % 1000)?;
        if self.is_full() { Ok(()) } else { write!(f, ".p/{}", self.width) }
    }
}

impl FromStr for Tile {
    type Err = NotATile;

    /// Accepts exactly what [`Display`](fmt::Display) prints: nothing that parses can climb.
    fn from_str(path: &str) -> Result<Self, NotATile> {
        let rest = path.strip_prefix("tile/").ok_or(NotATile)?;
        let (rows, rest) = rest.split_once('/').ok_or(NotATile)?;
        let rows = match rows {
            "entries" => Rows::Entries,
            level => Rows::Hashes(level.parse().map_err(|_| NotATile)?),
        };
        let (index, width) = match rest.split_once(".p/") {
            None => (rest, TILE_WIDTH as u16),
            Some((index, width)) => (index, width.parse().map_err(|_| NotATile)?),
        };
        let mut number = 0u64;
        for part in index.split('/') {
            let digits = part.strip_prefix('x').unwrap_or(part);
            let digits: u64 = digits.parse().map_err(|_| NotATile)?;
            let longer = number.checked_mul(1000).and_then(|longer| longer.checked_add(digits));
            number = longer.ok_or(NotATile)?;
        }
        let tile = Self::new(rows, number, width).ok_or(NotATile)?;
        // Leading zeros, plus signs, a missing `x`, a full width spelled out: all end here.
        (tile.to_string() == path).then_some(tile).ok_or(NotATile)
    }
}

/// The contents of a tile of hashes.
pub fn join_hashes(hashes: &[Hash]) -> Vec<u8> {
    hashes.iter().flat_map(|hash| hash.0).collect()
}

/// The hashes in a tile, `width` of them; a longer tile gives its first ones.
pub fn split_hashes(bytes: &[u8], width: u16) -> Option<Vec<Hash>> {
    let (rows, rest) = bytes.as_chunks::<HASH_BYTES>();
    let rows = rows.get(..usize::from(width)).filter(|_| rest.is_empty())?;
    Some(rows.iter().map(|row| Hash(*row)).collect())
}

/// The contents of an entry bundle: each entry behind its length in two bytes.
pub fn join_entries<'a>(entries: impl IntoIterator<Item = &'a [u8]>) -> Option<Vec<u8>> {
    let mut bytes = Vec::new();
    for entry in entries {
        bytes.extend_from_slice(&u16::try_from(entry.len()).ok()?.to_be_bytes());
        bytes.extend_from_slice(entry);
    }
    Some(bytes)
}

/// The entries of a bundle, `width` of them; a longer bundle gives its first ones.
pub fn split_entries(bytes: &[u8], width: u16) -> Option<Vec<&[u8]>> {
    let mut reader = crate::encode::Reader::new(bytes);
    let mut entries = Vec::new();
    for _ in 0..width {
        let length = reader.u16()?;
        entries.push(reader.slice(usize::from(length))?);
    }
    Some(entries)
}

#[cfg(test)]
mod a_tile {
    use super::*;
    use proptest::prelude::*;

    fn tile(rows: Rows, index: u64, width: u16) -> Tile {
        Tile::new(rows, index, width).unwrap()
    }

    #[test]
    fn is_named_as_the_specification_names_it() {
        for (tile, path) in [
            (tile(Rows::Hashes(0), 0, 256), "tile/0/000"),
            (tile(Rows::Hashes(1), 1_234_067, 256), "tile/1/x001/x234/067"),
            (tile(Rows::Hashes(2), 0, 1), "tile/2/000.p/1"),
            (tile(Rows::Entries, 1000, 255), "tile/entries/x001/000.p/255"),
            (tile(Rows::Entries, 999, 7), "tile/entries/999.p/7"),
        ] {
            assert_eq!(tile.to_string(), path);
            assert_eq!(path.parse(), Ok(tile));
        }
    }

    #[test]
    fn has_no_other_name() {
        for bad in [
            "",
            "checkpoint",
            "tile/0",
            "tile/0/",
            "tile/0/0",
            "tile/0/0000",
            "tile/00/000",
            "tile/+0/000",
            "tile/7/000",
            "tile/64/000",
            "tile/-1/000",
            "tile/0/x000/001",
            "tile/0/001/002",
            "tile/0/x001",
            "tile/0/xx01/002",
            "tile/0/000.p/0",
            "tile/0/000.p/00",
            "tile/0/000.p/07",
            "tile/0/000.p/256",
            "tile/0/000.p/",
            "tile/0/000.p/1/",
            "tile/0/000.p/1.p/1",
            "tile/0/../000",
            "tile/entries/../../receipts/000",
            "/tile/0/000",
            "tile//000",
            "tile/data/000",
            "tile/0/x999/x999/x999/x999/x999/x999/x999/x999/999",
            "tile/0/000\0",
        ] {
            assert_eq!(bad.parse::<Tile>(), Err(NotATile), "{bad:?}");
        }
    }

    #[test]
    fn of_70000_leaves_are_those_of_the_specification() {
        // Source: the worked example in C2SP tlog-tiles, "Partial Tiles".
        let edge = |level| Tile::edge(Rows::Hashes(level), 70_000).map(|tile| tile.to_string());
        assert_eq!(edge(0).as_deref(), Some("tile/0/273.p/112"));
        assert_eq!(edge(1).as_deref(), Some("tile/1/001.p/17"));
        assert_eq!(edge(2).as_deref(), Some("tile/2/000.p/1"));
        assert_eq!(edge(3), None);
        assert_eq!(Tile::edge(Rows::Hashes(0), 256), None);
        assert!(tile(Rows::Hashes(0), 272, 256).is_within(70_000));
        assert!(!tile(Rows::Hashes(0), 273, 113).is_within(70_000));
        assert!(!tile(Rows::Hashes(2), 0, 2).is_within(70_000));
    }

    #[test]
    fn holds_what_was_put_in() {
        let entries: [&[u8]; 3] = [b"a", b"", b"ccc"];
        let bundle = join_entries(entries).unwrap();
        assert_eq!(bundle, b"\0\x01a\0\0\0\x03ccc");
        assert_eq!(split_entries(&bundle, 3).unwrap(), entries);
        assert_eq!(split_entries(&bundle, 2).unwrap(), entries[..2]);
        assert_eq!(split_entries(&bundle, 4), None);
        assert_eq!(split_entries(&bundle[..bundle.len() - 1], 3), None);
        let hashes = [Hash([1; 32]), Hash([2; 32])];
        let bytes = join_hashes(&hashes);
        assert_eq!(split_hashes(&bytes, 2).unwrap(), hashes);
        assert_eq!(split_hashes(&bytes, 3), None);
        assert_eq!(split_hashes(&bytes[1..], 1), None);
    }

    proptest! {
        #[test]
        fn prints_as_it_parses(
            level in 0u8..=TILE_LEVEL_MAX, index in 0u64..1 << 40, width in 1u16..=256,
        ) {
            let tile = tile(Rows::Hashes(level), index, width);
            prop_assert_eq!(tile.to_string().parse(), Ok(tile));
        }

        #[test]
        fn path_of_anything_never_panics(path in "(tile/)?[0-9x/.pe+-]{0,40}") {
            if let Ok(tile) = path.parse::<Tile>() {
                prop_assert_eq!(tile.to_string(), path);
            }
        }
    }
}
