//! What a stranger sees who has nothing but the public files.

use notrace_policy_promise::ledger::Hash;
use notrace_policy_promise::ledger::checkpoint::{Checkpoint, SignedCheckpoint};
use notrace_policy_promise::ledger::tile::{Rows, split_entries, split_hashes};
use notrace_policy_promise::ledger::tree::{
    Edge, Subtree, Tiles, check_consistency, prove_consistency,
};

use super::*;

/// A reader of static files that trusts nothing but the log's key.
struct Stranger<'a> {
    dir: &'a Path,
    head: Checkpoint,
}

impl<'a> Stranger<'a> {
    fn new(dir: &'a Path, vkey: &str) -> Self {
        let note = fs::read_to_string(dir.join("checkpoint")).unwrap();
        let signed = SignedCheckpoint::open(&note, &[vkey.parse().unwrap()]).unwrap();
        Self { dir, head: signed.checkpoint }
    }

    /// The file of a tile as the head says it is: full, or partial at the edge.
    fn file(&self, rows: Rows, index: u64) -> Option<(Vec<u8>, u16)> {
        let edge = Tile::edge(rows, self.head.size).filter(|tile| tile.index() == index);
        let tile = edge.or_else(|| Tile::new(rows, index, 256)).unwrap();
        Some((fs::read(self.dir.join(tile.to_string())).ok()?, tile.width()))
    }

    /// The root over all entries, computed from the bundles alone.
    fn root_of_entries(&self) -> Hash {
        let mut edge = Edge::default();
        for index in 0..self.head.size.div_ceil(256) {
            let (bytes, width) = self.file(Rows::Entries, index).unwrap();
            assert_eq!(bytes.len(), usize::from(width) * 34);
            for entry in split_entries(&bytes, width).unwrap() {
                edge.append(entry, |_, _| {});
            }
        }
        assert_eq!(edge.size(), self.head.size);
        edge.root()
    }
}

impl Tiles for Stranger<'_> {
    fn subtree(&self, level: u8, index: u64) -> Option<Arc<Subtree>> {
        let (bytes, width) = self.file(Rows::Hashes(level), index)?;
        assert_eq!(bytes.len(), usize::from(width) * 32);
        Some(Arc::new(Subtree::of(&split_hashes(&bytes, width)?)))
    }
}

#[tokio::test]
async fn every_checkpoint_continues_every_earlier_one() {
    let dir = tempfile::tempdir().unwrap();
    let ledger = open_in(dir.path(), slow()).unwrap();
    let public = dir.path().join("ledger");
    let mut earlier: Vec<Checkpoint> = Vec::new();
    let mut number = 0;
    for count in [1, 1, 2, 250, 1, 1, 1, 3, 252, 300, 1, 1200] {
        let ids: Vec<_> = (number..number + count).map(|number| append(&ledger, number)).collect();
        number += count;
        proved(&ledger, ids[0]).await;
        let stranger = Stranger::new(&public, ledger.vkey());
        assert_eq!(stranger.head.size, number);
        assert_eq!(stranger.root_of_entries(), stranger.head.root);
        let now = (number, stranger.head.root);
        for old in &earlier {
            let proof = prove_consistency(number, old.size, &stranger).unwrap();
            assert_eq!(check_consistency(&proof, now, (old.size, old.root)), Ok(()));
        }
        earlier.push(stranger.head);
    }
    ledger.close().await;
}

#[tokio::test]
async fn full_tiles_replace_partial_files_which_are_still_served() {
    let dir = tempfile::tempdir().unwrap();
    let ledger = open_in(dir.path(), slow()).unwrap();
    let mut seen = Vec::new();
    for number in 0..3 {
        let id = append(&ledger, number);
        proved(&ledger, id).await;
        let width = number + 1;
        for path in [format!("0/000.p/{width}"), format!("entries/000.p/{width}")] {
            let bytes = ledger.tile(&path).unwrap();
            let file = dir.path().join("ledger/tile").join(&path);
            assert_eq!(fs::read(file).unwrap(), bytes);
            seen.push((path, bytes));
        }
    }
    let ids: Vec<_> = (3..300).map(|number| append(&ledger, number)).collect();
    proved(&ledger, ids[0]).await;
    let tiles = dir.path().join("ledger/tile");
    assert!(!tiles.join("0/000.p").exists() && !tiles.join("entries/000.p").exists());
    assert_eq!(fs::read(tiles.join("0/000")).unwrap(), ledger.tile("0/000").unwrap());
    assert_eq!(fs::read(tiles.join("0/000")).unwrap().len(), 8192);
    assert_eq!(fs::read(tiles.join("entries/000")).unwrap(), ledger.tile("entries/000").unwrap());
    for (path, bytes) in seen {
        assert_eq!(ledger.tile(&path), Some(bytes), "{path}");
    }
    ledger.close().await;
}

#[tokio::test]
async fn only_published_tiles_have_a_path() {
    let dir = tempfile::tempdir().unwrap();
    let ledger = open_in(dir.path(), slow()).unwrap();
    assert_eq!(ledger.tile("0/000.p/1"), None);
    let ids: Vec<_> = (0..5).map(|number| append(&ledger, number)).collect();
    proved(&ledger, ids[4]).await;
    append(&ledger, 5);
    assert!(ledger.tile("0/000.p/5").is_some());
    for path in [
        "0/000.p/6",
        "entries/000.p/6",
        "0/000",
        "entries/000",
        "1/000.p/1",
        "0/000.p/0",
        "../checkpoint",
        "../../receipts/lock",
        "0/../../checkpoint",
        "entries/../../../receipts/00000000000000000000.records",
        "",
        "tile/0/000.p/5",
    ] {
        assert_eq!(ledger.tile(path), None, "{path}");
    }
    ledger.close().await;
}

#[tokio::test]
async fn nothing_public_tells_what_ran() {
    let dir = tempfile::tempdir().unwrap();
    let ledger = open_in(dir.path(), slow()).unwrap();
    let id = append(&ledger, 7);
    proved(&ledger, id).await;
    ledger.close().await;
    let receipt = sample(7).encode();
    let entry = fs::read(dir.path().join("ledger/tile/entries/000.p/1")).unwrap();
    // Who knows every field of the receipt, but not the salt, cannot confirm the guess.
    for guess in [vec![], vec![0; 32], receipt.clone()] {
        let guessed = Digest::of_parts(Domain::Receipt, &[&guess, &receipt]);
        assert_ne!(entry[2..], *guessed.as_bytes());
    }
    let known = notrace_policy_promise::receipt::entry(&salt(7), &receipt);
    assert_eq!(entry[2..], known);
}
