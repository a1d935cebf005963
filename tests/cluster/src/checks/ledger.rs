//! The public log never forked: every head that a member ever showed is of the beginning of what
//! that log is in the end, and members that sign as one log show one log.

use std::collections::BTreeMap;
use std::sync::Arc;

use anyhow::{Context as _, Result, ensure};
use notrace_policy_promise::ledger::checkpoint::{Checkpoint, SignedCheckpoint};
use notrace_policy_promise::ledger::tile::{Rows, TILE_WIDTH, Tile, split_hashes};
use notrace_policy_promise::ledger::tree::{Subtree, Tiles, check_consistency, prove_consistency};
use notrace_policy_promise::verify::Trust;
use serde_json::Value;

use super::Violation;
use crate::door::{Door, Line};

const CHECK: &str = "ledger";

/// A log as one member showed it: its heads, and in the end its tiles.
#[derive(Default)]
pub struct Log {
    /// The key that signs it, as the member names it.
    pub key: String,
    /// Every head that was shown, in the order in which they were asked for.
    pub heads: Vec<Checkpoint>,
    tiles: BTreeMap<(u8, u64), Arc<Subtree>>,
}

impl Tiles for Log {
    fn subtree(&self, level: u8, index: u64) -> Option<Arc<Subtree>> {
        self.tiles.get(&(level, index)).cloned()
    }
}

impl Log {
    /// Asks a member for the head that it shows now.
    /// # Errors  It does not answer, or what it shows is not signed by its own key.
    pub async fn look(&mut self, door: &Door) -> Result<()> {
        let mut line = door.open().await?;
        let node: Value = serde_json::from_slice(&line.read("/v1/node").await?)?;
        let text = |name: &str| node.get(name).and_then(Value::as_str).unwrap_or_default();
        let (key, origin) = (text("ledger_vkey"), text("ledger_origin"));
        let note = line.read("/v1/ledger/checkpoint").await?;
        let trust = Trust::new(origin, [key])?;
        let signed = SignedCheckpoint::open(&String::from_utf8(note.to_vec())?, trust.keys())?;
        ensure!(signed.checkpoint.origin == origin, "the head is another log's");
        ensure!(self.key.is_empty() || self.key == key, "the member changed its log's key");
        key.clone_into(&mut self.key);
        self.heads.push(signed.checkpoint);
        Ok(())
    }

    /// Fetches every tile below the newest head.
    /// # Errors  A tile is missing or not whole.
    pub async fn fetch(&mut self, door: &Door) -> Result<()> {
        let size = self.heads.last().map_or(0, |head| head.size);
        let mut line = door.open().await?;
        let (mut level, mut hashes) = (0, size);
        while hashes > 0 {
            for index in 0..hashes.div_ceil(TILE_WIDTH) {
                let width = (hashes - index * TILE_WIDTH).min(TILE_WIDTH) as u16;
                let subtree = fetch_tile(&mut line, level, index, width).await?;
                self.tiles.insert((level, index), Arc::new(subtree));
            }
            hashes /= TILE_WIDTH;
            level += 1;
        }
        Ok(())
    }
}

async fn fetch_tile(line: &mut Line, level: u8, index: u64, width: u16) -> Result<Subtree> {
    let tile = Tile::new(Rows::Hashes(level), index, width).context("no such tile")?;
    let bytes = line.read(&format!("/v1/ledger/{tile}")).await?;
    Ok(Subtree::of(&split_hashes(&bytes, width).context("a tile that is not whole")?))
}

/// Judges the logs of all members.
#[must_use]
pub fn check(logs: &[Log]) -> Vec<Violation> {
    let mut found = Vec::new();
    for (member, log) in logs.iter().enumerate() {
        let mut newest = 0;
        for head in &log.heads {
            if head.size < newest {
                let text =
                    format!("member {member} took back: {newest} leaves, then {}", head.size);
                found.push(Violation::new(CHECK, text));
            }
            newest = newest.max(head.size);
        }
    }
    // Who signs with the same key is the same log; the longest is held against all its heads.
    let mut by_key: BTreeMap<&str, Vec<(usize, &Log)>> = BTreeMap::new();
    for (member, log) in logs.iter().enumerate() {
        by_key.entry(&log.key).or_default().push((member, log));
    }
    for same in by_key.values() {
        let size = |(_, log): &&(usize, &Log)| log.heads.last().map_or(0, |head| head.size);
        let Some((holder, longest)) = same.iter().max_by_key(size) else { continue };
        let Some(end) = longest.heads.last() else { continue };
        for (member, log) in same {
            let forked = log.heads.iter().find_map(|head| Some((head, leads(head, end, longest)?)));
            if let Some((head, why)) = forked {
                let text = format!(
                    "the head of {} leaves that member {member} showed is not in the log of {} \
                     leaves that member {holder} shows: {why}",
                    head.size, end.size,
                );
                found.push(Violation::new(CHECK, text));
            }
        }
    }
    found
}

/// Why the log that ends with `end` does not begin with `head`; nothing if it does.
fn leads(head: &Checkpoint, end: &Checkpoint, log: &Log) -> Option<String> {
    if head.size > end.size {
        return Some("it is longer".to_owned());
    }
    if head.size == 0 {
        return None;
    }
    let proof = match prove_consistency(end.size, head.size, log) {
        Ok(proof) => proof,
        Err(error) => return Some(error.to_string()),
    };
    let checked = check_consistency(&proof, (end.size, end.root), (head.size, head.root));
    checked.err().map(|error| error.to_string())
}

#[cfg(test)]
mod a_log {
    use notrace_policy_promise::ledger::tree::Edge;

    use super::*;

    /// A log of these leaves, of which a member showed the heads of some sizes.
    fn log(leaves: &[u64], shown: &[u64]) -> Log {
        let mut log = Log { key: "key".to_owned(), ..Log::default() };
        let mut edge = Edge::default();
        let mut heads = BTreeMap::new();
        let head = |edge: &Edge| Checkpoint {
            origin: "log".to_owned(),
            size: edge.size(),
            root: edge.root(),
        };
        heads.insert(0, head(&edge));
        for leaf in leaves {
            edge.append(&leaf.to_be_bytes(), |tile, subtree| {
                if let Rows::Hashes(level) = tile.rows() {
                    log.tiles.insert((level, tile.index()), subtree);
                }
            });
            heads.insert(edge.size(), head(&edge));
        }
        for level in 0..4 {
            if let Some((tile, subtree)) = edge.partial(level) {
                log.tiles.insert((level, tile.index()), Arc::clone(subtree));
            }
        }
        log.heads = shown.iter().map(|size| heads[size].clone()).collect();
        log
    }

    fn leaves(count: u64) -> Vec<u64> {
        (0..count).collect()
    }

    #[test]
    fn that_only_grows_is_one_log_wherever_it_is_seen() {
        let one = log(&leaves(700), &[0, 1, 300, 700]);
        let other = log(&leaves(512), &[3, 256, 512]);
        assert_eq!(check(&[one, other]), []);
    }

    #[test]
    fn of_which_two_members_show_other_leaves_is_forked() {
        let mut forked = leaves(400);
        forked[350] = 9_999;
        let found = check(&[log(&leaves(700), &[700]), log(&forked, &[300, 400])]);
        assert_eq!(found.len(), 1, "{found:?}");
        let alike = check(&[log(&leaves(700), &[700]), log(&forked, &[300])]);
        assert_eq!(alike, []);
        let same_size = check(&[log(&leaves(400), &[400]), log(&forked, &[400])]);
        assert_eq!(same_size.len(), 1);
    }

    #[test]
    fn that_takes_back_is_forked() {
        assert_eq!(check(&[log(&leaves(10), &[7, 5, 10])]).len(), 1);
    }

    #[test]
    fn that_another_key_signs_is_another_log() {
        let mut other = log(&[9, 9, 9], &[3]);
        other.key = "other".to_owned();
        assert_eq!(check(&[log(&leaves(10), &[10]), other]), []);
    }
}
