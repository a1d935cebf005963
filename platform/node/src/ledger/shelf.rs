//! Reading what is published: the head, and the tiles under it.

use std::collections::VecDeque;
use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use notrace_policy_promise::ledger::proof::{Proof, join_extra};
use notrace_policy_promise::ledger::tile::{
    Rows, Tile, join_entries, join_hashes, split_entries, split_hashes,
};
use notrace_policy_promise::ledger::tree::{self, Edge, Subtree, Tiles};

use super::limits::{CACHED_TILES_MAX, FILE_BYTES_MAX};
use super::record::{ReceiptId, Record};

/// What the last epoch published. Cheap to clone; never changes.
pub(super) struct Head {
    pub(super) note: String,
    pub(super) edge: Edge,
    /// The last epoch's own records, which are the ones that are asked for.
    pub(super) recent: Arc<[Record]>,
}

impl Head {
    pub(super) fn size(&self) -> u64 {
        self.edge.size()
    }

    /// The record of this id and its leaf, if it is of the last epoch.
    pub(super) fn recent(&self, id: &ReceiptId) -> Option<(u64, &Record)> {
        let first = self.size() - self.recent.len() as u64;
        let place = id.index().checked_sub(first).and_then(|place| self.recent.get(place as usize));
        if let Some(record) = place.filter(|record| record.has(id)) {
            return Some((id.index(), record));
        }
        (first..).zip(self.recent.iter()).find(|(_, record)| record.has(id))
    }
}

/// A full tile's level and index, and the tile.
type Cached = ((u8, u64), Arc<Subtree>);

/// Tiles on disk, and the last used ones in memory.
pub(super) struct Shelf {
    dir: PathBuf,
    cache: Mutex<VecDeque<Cached>>,
}

impl Shelf {
    pub(super) fn new(dir: &Path) -> Self {
        Self { dir: dir.to_owned(), cache: Mutex::new(VecDeque::new()) }
    }

    /// Keeps a full tile at hand.
    pub(super) fn keep(&self, level: u8, index: u64, subtree: Arc<Subtree>) {
        let mut cache = self.cache.lock().unwrap_or_else(PoisonError::into_inner);
        cache.retain(|(key, _)| *key != (level, index));
        cache.push_back(((level, index), subtree));
        if cache.len() > CACHED_TILES_MAX {
            cache.pop_front();
        }
    }

    fn full(&self, level: u8, index: u64) -> Option<Arc<Subtree>> {
        {
            let cache = self.cache.lock().unwrap_or_else(PoisonError::into_inner);
            let found = cache.iter().find(|(key, _)| *key == (level, index));
            if let Some((_, subtree)) = found {
                return Some(subtree.clone());
            }
        }
        let tile = Tile::new(Rows::Hashes(level), index, 256)?;
        let hashes = split_hashes(&self.read(tile).ok()?, tile.width())?;
        let subtree = Arc::new(Subtree::of(&hashes));
        self.keep(level, index, subtree.clone());
        Some(subtree)
    }

    /// A tile's file, whole.
    pub(super) fn read(&self, tile: Tile) -> io::Result<Vec<u8>> {
        read_bounded(&self.dir.join(tile.to_string()))
    }

    /// The rows of a tile, from its own file or from the full tile that took its place.
    pub(super) fn read_or_full(&self, tile: Tile) -> io::Result<Vec<u8>> {
        match self.read(tile) {
            Err(error) if error.kind() == io::ErrorKind::NotFound && !tile.is_full() => {
                let bytes = self.read(tile.full())?;
                shortened(&bytes, tile).ok_or(io::ErrorKind::InvalidData.into())
            }
            read => read,
        }
    }

    /// What a client gets for a tile: any that the published tree has, also partial ones whose
    /// files are gone because the full ones are there.
    pub(super) fn serve(&self, head: &Head, tile: Tile) -> Option<Vec<u8>> {
        if !tile.is_within(head.size()) {
            return None;
        }
        match tile.rows() {
            Rows::Hashes(level) => {
                let subtree = Published { head, shelf: self }.subtree(level, tile.index())?;
                subtree.hashes().get(..usize::from(tile.width())).map(join_hashes)
            }
            Rows::Entries if tile.is_full() => self.read(tile).ok(),
            Rows::Entries => {
                let widest = Tile::edge(Rows::Entries, head.size());
                let widest = widest.filter(|widest| widest.index() == tile.index());
                let bytes = self.read(widest.unwrap_or(tile.full())).ok()?;
                shortened(&bytes, tile)
            }
        }
    }

    /// The proof file for a record of the published tree.
    pub(super) fn prove(&self, head: &Head, index: u64, record: &Record) -> Option<String> {
        let published = Published { head, shelf: self };
        let hashes = tree::prove_inclusion(head.size(), index, &published).ok()?;
        let extra = Some(join_extra(&record.salt, &record.receipt));
        Some(Proof { extra, index, hashes, checkpoint: head.note.clone() }.compose())
    }
}

fn shortened(bytes: &[u8], tile: Tile) -> Option<Vec<u8>> {
    match tile.rows() {
        Rows::Hashes(_) => split_hashes(bytes, tile.width()).map(|hashes| join_hashes(&hashes)),
        Rows::Entries => split_entries(bytes, tile.width()).and_then(join_entries),
    }
}

/// The tiles of the published tree: its edge from memory, full ones from the shelf.
struct Published<'a> {
    head: &'a Head,
    shelf: &'a Shelf,
}

impl Tiles for Published<'_> {
    fn subtree(&self, level: u8, index: u64) -> Option<Arc<Subtree>> {
        self.head.edge.subtree(level, index).or_else(|| self.shelf.full(level, index))
    }
}

/// Reads a file that is as long as we write them at most.
pub(super) fn read_bounded(path: &Path) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    File::open(path)?.take(FILE_BYTES_MAX + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > FILE_BYTES_MAX {
        return Err(io::ErrorKind::FileTooLarge.into());
    }
    Ok(bytes)
}
