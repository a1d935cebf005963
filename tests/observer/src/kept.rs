//! What stays after runs: in the ledger, on the disk, in what the node prints and says of itself.

use std::fs;
use std::path::Path;

use anyhow::{Context as _, Result, ensure};
use bytes::Bytes;
use notrace_policy_promise::digest::{Digest, Domain};

use crate::pairs::join;
use crate::secrets::PAIRS;
use crate::stage::{Policy, Stage};
use crate::transcript::record;

/// What was added by some runs.
#[derive(PartialEq, Eq, Debug)]
pub struct Added {
    /// Leaves of the ledger.
    pub leaves: u64,
    /// Bytes of receipts.
    pub receipts: u64,
    /// Bytes of the store: logs and what the protocol remembers.
    pub store: u64,
    /// Bytes that the node printed.
    pub printed: u64,
    /// A digest of what the node says of itself, but for the request key.
    pub description: Digest,
}

/// One run of each pair, on the first or on the second secret; what they add.
///
/// # Errors  A run was refused.
pub async fn added(stage: &Stage, policy: Policy, which: usize) -> Result<Added> {
    let before = now(stage).await?;
    let runs = PAIRS.iter().filter_map(|pair| {
        let secret = pair.secrets.get(which).copied()?;
        Some(record(stage, policy, secret, pair.timeout))
    });
    join(runs.collect()).await.into_iter().collect::<Result<Vec<_>>>()?;
    let after = now(stage).await?;
    ensure!(after.leaves - before.leaves == PAIRS.len() as u64, "not each run has its leaf");
    Ok(Added {
        leaves: after.leaves - before.leaves,
        receipts: after.receipts - before.receipts,
        store: after.store.abs_diff(before.store),
        printed: after.printed - before.printed,
        description: after.description,
    })
}

async fn now(stage: &Stage) -> Result<Added> {
    let mut link = stage.node.link().await?;
    let checkpoint = link.ask_ok("GET", "/v1/ledger/checkpoint", &[], Bytes::new()).await?;
    let size = core::str::from_utf8(&checkpoint)?.lines().nth(1).context("a size")?.parse()?;
    let node = link.ask_ok("GET", "/v1/node", &[], Bytes::new()).await?;
    let mut node: serde_json::Value = serde_json::from_slice(&node)?;
    if let Some(node) = node.as_object_mut() {
        node.remove("request_key");
    }
    Ok(Added {
        leaves: size,
        receipts: bytes(&stage.dir().join("receipts"))?,
        store: bytes(&stage.dir().join("store"))?,
        printed: stage.said_bytes(),
        description: Digest::of(Domain::Node, node.to_string().as_bytes()),
    })
}

/// All bytes in the files below a folder.
fn bytes(dir: &Path) -> Result<u64> {
    let mut sum = 0;
    for entry in fs::read_dir(dir).with_context(|| dir.display().to_string())? {
        let entry = entry?;
        let about = entry.metadata()?;
        sum += if about.is_dir() { bytes(&entry.path())? } else { about.len() };
    }
    Ok(sum)
}
