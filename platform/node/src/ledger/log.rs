//! The log on disk: what an epoch writes, in an order that no crash can turn into a fork.
//!
//! Records first, durably: from then on the same leaves come back in the same order, whatever
//! happens. Then entries and tiles, durably. Then the checkpoint, whole or not at all. A file of
//! the public log is only ever written before the first checkpoint that covers it, so whatever a
//! published checkpoint covers stays as it is.

use std::collections::BTreeSet;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use notrace_policy_promise::ledger::Hash;
use notrace_policy_promise::ledger::checkpoint::Checkpoint;
use notrace_policy_promise::ledger::tile::{
    Rows, TILE_LEVEL_MAX, TILE_WIDTH, Tile, join_entries, join_hashes,
};
use notrace_policy_promise::ledger::tree::{Edge, Subtree};
use notrace_policy_promise::note::NoteSigner;

use super::disk::{Disk, Readers};
use super::record::Record;
use super::records::Records;
use super::shelf::{Head, Shelf};

/// The file that a checkpoint is in.
pub(super) const CHECKPOINT: &str = "checkpoint";

pub(super) struct Log<D> {
    pub(super) disk: D,
    pub(super) dir: PathBuf,
    pub(super) origin: String,
    pub(super) signer: NoteSigner,
    pub(super) edge: Edge,
    /// The entries of the last bundle, while it is not full.
    pub(super) tail: Vec<[u8; 32]>,
    pub(super) records: Arc<Records>,
    pub(super) shelf: Arc<Shelf>,
}

/// A tree that is one epoch further, before it is published.
struct Grown {
    edge: Edge,
    tail: Vec<[u8; 32]>,
    full: Vec<(Tile, Arc<Subtree>)>,
    files: Vec<(Tile, Vec<u8>)>,
}

impl<D: Disk> Log<D> {
    /// Publishes one epoch. After an error nothing of it is published, and trying the same batch
    /// again is right: it writes the same bytes to the same places.
    /// # Errors  Those of the file system.
    pub(super) fn close_epoch(&mut self, batch: Arc<[Record]>, minute: u32) -> io::Result<Head> {
        self.records.write(&self.disk, self.edge.size(), &batch, minute)?;
        let grown = self.grow(batch.iter().map(Record::entry))?;
        self.write_tiles(&grown.files)?;
        let note = self.publish(&grown.edge)?;
        for (tile, subtree) in grown.full {
            if let Rows::Hashes(level) = tile.rows() {
                self.shelf.keep(level, tile.index(), subtree);
            }
        }
        for (tile, _) in grown.files.iter().filter(|(tile, _)| tile.is_full()) {
            // What stays behind is only clutter: the full tile says all that the partial ones said.
            let _ = self.disk.remove_dir(&partials_of(&self.dir, *tile));
        }
        (self.edge, self.tail) = (grown.edge, grown.tail);
        Ok(Head { note, edge: self.edge.clone(), recent: batch })
    }

    /// Takes in leaves of which only the entries are known. Nothing of them is published.
    /// # Errors  Those of the file system.
    fn adopt(&mut self, entries: &[[u8; 32]]) -> io::Result<()> {
        let grown = self.grow(entries.iter().copied())?;
        self.write_tiles(&grown.files)?;
        (self.edge, self.tail) = (grown.edge, grown.tail);
        Ok(())
    }

    /// Takes leaves in until the tree has this root, and publishes that; nothing if they do not
    /// lead there. What was written of them is overwritten by the right ones.
    /// # Errors  Those of the file system; then the log is as it was.
    pub(super) fn adopt_to(
        &mut self,
        root: Hash,
        entries: impl Iterator<Item = Vec<[u8; 32]>>,
    ) -> io::Result<Option<Head>> {
        let before = (self.edge.clone(), self.tail.clone());
        let mut adopted = Ok(());
        for entries in entries {
            adopted = adopted.and_then(|()| self.adopt(&entries));
        }
        let published = match adopted {
            Ok(()) if self.edge.root() == root => self.publish(&self.edge).map(Some),
            Ok(()) => Ok(None),
            Err(error) => Err(error),
        };
        match published {
            Ok(Some(note)) => {
                Ok(Some(Head { note, edge: self.edge.clone(), recent: Arc::new([]) }))
            }
            other => {
                (self.edge, self.tail) = before;
                other.map(|_| None)
            }
        }
    }

    fn grow(&self, entries: impl Iterator<Item = [u8; 32]>) -> io::Result<Grown> {
        let (mut edge, mut tail) = (self.edge.clone(), self.tail.clone());
        let (mut full, mut files) = (Vec::new(), Vec::new());
        for entry in entries {
            tail.push(entry);
            if let Some(tile) = Tile::new(Rows::Entries, edge.size() / TILE_WIDTH, 256)
                && tail.len() as u64 == TILE_WIDTH
            {
                files.push((tile, bundle(&tail)?));
                tail.clear();
            }
            edge.append(&entry, |tile, subtree| full.push((tile, subtree)));
        }
        if let Some(tile) = Tile::edge(Rows::Entries, edge.size()) {
            files.push((tile, bundle(&tail)?));
        }
        files.extend(full.iter().map(|(tile, subtree)| (*tile, join_hashes(subtree.hashes()))));
        for level in 0..=TILE_LEVEL_MAX {
            let before = Tile::edge(Rows::Hashes(level), self.edge.size());
            match edge.partial(level) {
                Some((tile, subtree)) if Some(tile) != before => {
                    files.push((tile, join_hashes(subtree.hashes())));
                }
                _ => {}
            }
        }
        Ok(Grown { edge, tail, full, files })
    }

    fn write_tiles(&self, files: &[(Tile, Vec<u8>)]) -> io::Result<()> {
        let mut folders = BTreeSet::new();
        for (tile, bytes) in files {
            let path = self.dir.join(tile.to_string());
            let parents = path.ancestors().skip(1).take_while(|above| above.starts_with(&self.dir));
            folders.extend(parents.map(Path::to_owned));
            if let Some(parent) = path.parent() {
                self.disk.make_dir(parent, Readers::All)?;
            }
            self.disk.write(&path, bytes)?;
            self.disk.sync(&path)?;
        }
        folders.iter().try_for_each(|folder| self.disk.sync_dir(folder))
    }

    /// Signs the head of `edge` and puts it in place of the published one.
    pub(super) fn publish(&self, edge: &Edge) -> io::Result<String> {
        let origin = self.origin.clone();
        let head = Checkpoint { origin, size: edge.size(), root: edge.root() };
        let note = head.sign(&self.signer).map_err(|_| io::ErrorKind::InvalidInput)?;
        let (new, path) = (self.dir.join("checkpoint.new"), self.dir.join(CHECKPOINT));
        self.disk.write(&new, note.as_bytes())?;
        self.disk.sync(&new)?;
        self.disk.rename(&new, &path)?;
        self.disk.sync_dir(&self.dir)?;
        Ok(note)
    }

    /// Forgets what no longer may be fetched. What cannot be removed now is tried again later.
    pub(super) fn expire(&self, minute: u32) {
        let _ = self.records.expire(&self.disk, minute);
    }
}

fn bundle(entries: &[[u8; 32]]) -> io::Result<Vec<u8>> {
    let bytes = join_entries(entries.iter().map(|entry| entry.as_slice()));
    bytes.ok_or(io::ErrorKind::InvalidInput.into())
}

fn partials_of(dir: &Path, tile: Tile) -> PathBuf {
    let mut path = dir.join(tile.full().to_string()).into_os_string();
    path.push(".p");
    path.into()
}
