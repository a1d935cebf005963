//! Durability: what a client was told to be safe is in the past of every later epoch of the shard.
//! `delivered` claims that as long as some member that remembers goes on; `majority_durable` and
//! `all_durable` through restarts from logs too, however many disks are lost meanwhile: then the
//! shard may be gone, but it does not come back without them. Only an operator who gives a lost
//! shard up ends the claim.
//!
//! Source: Jha et al., "Derecho", TOCS 2019, §3.4 and §3.6; log quorums as in Oki and Liskov,
//! "Viewstamped Replication" (1988), §4.

use notrace_store_protocol::ids::{ShardId, Version};
use notrace_store_protocol::machine::Durability as Level;

use super::history::{Epoch, History};
use super::{Answered, Verdict, violated};
use crate::world::node::bit;

const PROPERTY: &str = "durability";

/// An answer that was given.
struct Promise {
    version: Version,
    level: Level,
}

/// What was promised, by shard; what an operator gave up is taken out.
pub(crate) struct Durability {
    promises: Vec<Vec<Promise>>,
}

impl Durability {
    pub(crate) fn new(shards: usize) -> Self {
        Self { promises: (0..shards).map(|_| Vec::new()).collect() }
    }

    pub(crate) fn answered(&mut self, history: &History, it: &Answered<'_>) -> Verdict {
        let (shard, level, version) = (it.sent.shard, it.sent.level, it.place.version);
        if let Some(disks) = it.disks.filter(|_| level > Level::Delivered) {
            let mut epochs = history.epochs(shard).iter();
            let enough = epochs.any(|epoch| {
                let members = epoch.members.len();
                let there = epoch.members.iter().filter(|(node, _)| disks & bit(*node) != 0);
                let enough = if level == Level::AllDurable { members } else { members / 2 + 1 };
                epoch.since >= version.view() && there.count() >= enough
            });
            if !enough {
                let node = it.node + 1;
                let text = format!(
                    "node {node} answers {} for {version} of shard {}, on disks {disks:b}",
                    level.name(),
                    shard.0
                );
                return violated(PROPERTY, text);
            }
        }
        let promise = Promise { version, level };
        let later = history.epochs(shard).iter().filter(|epoch| epoch.since > version.view());
        for epoch in later {
            if !keeps(history, shard, epoch, &promise)? {
                return Ok(());
            }
        }
        self.promises[usize::from(shard.0)].push(promise);
        Ok(())
    }

    /// A shard has a new epoch.
    pub(crate) fn decided(&mut self, history: &History, shard: ShardId) -> Verdict {
        let Some(epoch) = history.epochs(shard).last() else { return Ok(()) };
        let mut verdict = Ok(());
        self.promises[usize::from(shard.0)].retain(|promise| {
            keeps(history, shard, epoch, promise).unwrap_or_else(|violation| {
                verdict = Err(violation);
                true
            })
        });
        verdict
    }
}

/// Whether the promise goes on in this epoch. It may end; it may not be broken.
fn keeps(
    history: &History,
    shard: ShardId,
    epoch: &Epoch,
    promise: &Promise,
) -> Result<bool, super::Violation> {
    if epoch.anew {
        return Ok(false);
    }
    if history.includes(shard, epoch.through, promise.version) {
        return Ok(true);
    }
    if promise.level == Level::Delivered && !epoch.from_memory {
        return Ok(false);
    }
    let text = format!(
        "{} of shard {} was answered as {}, and epoch {} goes on from {} without it",
        promise.version,
        shard.0,
        promise.level.name(),
        epoch.since,
        epoch.through
    );
    violated(PROPERTY, text)?;
    Ok(true)
}

/// A node is told that everything up to a version is on the disks of all members; it is on these.
pub(crate) fn stable(epoch: &Epoch, shard: ShardId, disks: u64, at: Version) -> Verdict {
    let members = epoch.members.iter().fold(0, |mask, (node, _)| mask | bit(*node));
    if members & !disks == 0 {
        return Ok(());
    }
    let text = format!("{at} of shard {} is called stable, on disks {disks:b}", shard.0);
    violated(PROPERTY, text)
}
