//! The Merkle tree: its growing right edge, and proofs over it.
//!
//! Source: RFC 6962 section 2.1. Which hashes a proof needs and how it is checked is `tlog_tiles`';
//! where the hashes come from is ours: every hash of the tree is inside exactly one tile.

use std::sync::Arc;

use tlog_tiles::{Error, HashReader, node_hash, record_hash, split_stored_hash_index};

use super::Hash;
use super::tile::{Rows, TILE_HEIGHT, TILE_LEVEL_MAX, TILE_WIDTH, Tile};
use crate::limits::{LEDGER_LEAVES_MAX, PROOF_HASHES_MAX};

/// The hashes of a tile and all that follow from them, up to seven levels above. At most 16 kB.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct Subtree {
    rows: [Vec<Hash>; TILE_HEIGHT as usize + 1],
}

impl Subtree {
    /// The subtree above these hashes.
    pub fn of(hashes: &[Hash]) -> Self {
        let mut subtree = Self::default();
        hashes.iter().for_each(|&hash| subtree.push(hash));
        subtree
    }

    /// Puts one more hash at the right. Costs two hashes on average.
    pub fn push(&mut self, hash: Hash) {
        let mut next = Some(hash);
        for row in &mut self.rows {
            let Some(hash) = next else { return };
            next = match row.last() {
                Some(&left) if !row.len().is_multiple_of(2) => Some(node_hash(left, hash)),
                _ => None,
            };
            row.push(hash);
        }
    }

    /// The tile's own hashes.
    pub fn hashes(&self) -> &[Hash] {
        self.rows.first().map_or(&[], Vec::as_slice)
    }

    /// How many hashes the tile has.
    pub fn width(&self) -> u16 {
        self.hashes().len() as u16
    }

    /// The hash over all 256, once they are there.
    pub fn root(&self) -> Option<Hash> {
        self.rows.last().and_then(|row| row.first()).copied()
    }

    fn at(&self, height: u8, index: usize) -> Option<Hash> {
        self.rows.get(usize::from(height))?.get(index).copied()
    }
}

/// Where a tree's tiles come from.
pub trait Tiles {
    /// The tile `index` at `level`, with all the rows the tree has or more; none if it is lost.
    fn subtree(&self, level: u8, index: u64) -> Option<Arc<Subtree>>;
}

/// Reads single hashes out of tiles.
struct Reader<'a, T: ?Sized>(&'a T);

impl<T: Tiles + ?Sized> HashReader for Reader<'_, T> {
    fn read_hashes(&self, indexes: &[u64]) -> Result<Vec<Hash>, Error> {
        let read = |&index: &u64| {
            let (level, place) = split_stored_hash_index(index);
            let (tile, height) = (level / TILE_HEIGHT, level % TILE_HEIGHT);
            let across = TILE_WIDTH >> height;
            let subtree = self.0.subtree(tile, place / across);
            let hash = subtree.and_then(|subtree| subtree.at(height, (place % across) as usize));
            hash.ok_or(Error::IndexesNotInTree)
        };
        indexes.iter().map(read).collect()
    }
}

/// Why a proof could not be made or does not hold.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum ProofError {
    /// It was asked of a tree that has no such leaf or prefix.
    #[error("there is no such leaf or earlier tree")]
    OutOfRange,
    /// A tile that the tree needs is not there.
    #[error("a tile of the tree is missing")]
    TileMissing,
    /// It does not lead from what is to be proved to the root.
    #[error("the proof does not lead to the root")]
    Wrong,
}

/// A proof that leaf `index` is in the tree of `size` leaves.
/// # Errors  [`ProofError::OutOfRange`], [`ProofError::TileMissing`]
pub fn prove_inclusion(
    size: u64,
    index: u64,
    tiles: &(impl Tiles + ?Sized),
) -> Result<Vec<Hash>, ProofError> {
    if index >= size || size > LEDGER_LEAVES_MAX {
        return Err(ProofError::OutOfRange);
    }
    tlog_tiles::prove_record(size, index, &Reader(tiles)).map_err(|_| ProofError::TileMissing)
}

/// A proof that the tree of `old` leaves is the beginning of the tree of `size` leaves.
/// # Errors  [`ProofError::OutOfRange`], [`ProofError::TileMissing`]
pub fn prove_consistency(
    size: u64,
    old: u64,
    tiles: &(impl Tiles + ?Sized),
) -> Result<Vec<Hash>, ProofError> {
    if old > size || size > LEDGER_LEAVES_MAX {
        return Err(ProofError::OutOfRange);
    }
    if old == 0 {
        return Ok(Vec::new());
    }
    tlog_tiles::prove_tree(size, old, &Reader(tiles)).map_err(|_| ProofError::TileMissing)
}

/// Checks that `entry` is leaf `index` of the tree of `size` leaves with this root.
/// # Errors  [`ProofError::OutOfRange`], [`ProofError::Wrong`]
pub fn check_inclusion(
    proof: &Vec<Hash>,
    (size, root): (u64, Hash),
    index: u64,
    entry: &[u8],
) -> Result<(), ProofError> {
    if index >= size || size > LEDGER_LEAVES_MAX {
        return Err(ProofError::OutOfRange);
    }
    if proof.len() > PROOF_HASHES_MAX {
        return Err(ProofError::Wrong);
    }
    tlog_tiles::check_record(proof, size, root, index, record_hash(entry))
        .map_err(|_| ProofError::Wrong)
}

/// Checks that the tree `old`, its size and root, is the beginning of the tree `new`. The empty
/// tree is the beginning of every tree, and its proof is empty.
/// # Errors  [`ProofError::OutOfRange`], [`ProofError::Wrong`]
pub fn check_consistency(
    proof: &Vec<Hash>,
    (new_size, new_root): (u64, Hash),
    (old_size, old_root): (u64, Hash),
) -> Result<(), ProofError> {
    if old_size > new_size || new_size > LEDGER_LEAVES_MAX {
        return Err(ProofError::OutOfRange);
    }
    if proof.len() > PROOF_HASHES_MAX {
        return Err(ProofError::Wrong);
    }
    if old_size == 0 {
        let holds = proof.is_empty() && old_root == tlog_tiles::EMPTY_HASH;
        return holds.then_some(()).ok_or(ProofError::Wrong);
    }
    tlog_tiles::check_tree(proof, new_size, new_root, old_size, old_root)
        .map_err(|_| ProofError::Wrong)
}

/// The right edge of a growing tree: its last tile on every level, never full. All that appending
/// needs, in at most 112 kB.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct Edge {
    size: u64,
    tiles: Vec<Arc<Subtree>>,
}

/// Why an edge cannot be taken up again.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[error("a tile at the tree's edge is missing or cut short")]
pub struct EdgeMissing;

impl Edge {
    /// The edge of a tree of `size` leaves, from its partial tiles. Whether they are the right ones
    /// shows in [`Edge::root`] alone.
    /// # Errors  [`EdgeMissing`]
    pub fn resume(
        size: u64,
        mut read: impl FnMut(Tile) -> Option<Vec<Hash>>,
    ) -> Result<Self, EdgeMissing> {
        let mut tiles = Vec::new();
        for level in 0..=TILE_LEVEL_MAX {
            let hashes = match Tile::edge(Rows::Hashes(level), size) {
                None => Vec::new(),
                Some(tile) => {
                    let hashes = read(tile).ok_or(EdgeMissing)?;
                    let whole = hashes.len() == usize::from(tile.width());
                    whole.then_some(hashes).ok_or(EdgeMissing)?
                }
            };
            tiles.push(Arc::new(Subtree::of(&hashes)));
        }
        Ok(Self { size, tiles })
    }

    /// How many leaves the tree has.
    pub fn size(&self) -> u64 {
        self.size
    }

    /// Appends a leaf. Every tile that it fills is handed to `full`, lowest level first.
    pub fn append(&mut self, entry: &[u8], mut full: impl FnMut(Tile, Arc<Subtree>)) {
        let mut next = Some(record_hash(entry));
        for level in 0..=TILE_LEVEL_MAX {
            let Some(hash) = next else { break };
            if self.tiles.len() <= usize::from(level) {
                self.tiles.push(Arc::default());
            }
            let Some(edge) = self.tiles.get_mut(usize::from(level)) else { break };
            Arc::make_mut(edge).push(hash);
            next = edge.root();
            if next.is_some() {
                let index = self.size >> (TILE_HEIGHT * (level + 1));
                if let Some(tile) = Tile::new(Rows::Hashes(level), index, TILE_WIDTH as u16) {
                    full(tile, core::mem::take(edge));
                }
            }
        }
        self.size += 1;
    }

    /// The tile at the edge of `level`, if it has any rows.
    pub fn partial(&self, level: u8) -> Option<(Tile, &Arc<Subtree>)> {
        let tile = Tile::edge(Rows::Hashes(level), self.size)?;
        Some((tile, self.tiles.get(usize::from(level))?))
    }

    /// The tree's root.
    pub fn root(&self) -> Hash {
        // The edge holds every hash that the root is made of: missing ones would be our own fault,
        // and then the root of nothing is what no proof leads to.
        tlog_tiles::tree_hash(self.size, &Reader(self)).unwrap_or_default()
    }
}

impl Tiles for Edge {
    fn subtree(&self, level: u8, index: u64) -> Option<Arc<Subtree>> {
        let (tile, subtree) = self.partial(level)?;
        (tile.index() == index).then(|| subtree.clone())
    }
}

#[cfg(test)]
mod tests;
