//! Total order: a version names one update for ever, with one time and one past; versions and times
//! rise; and within an epoch each member delivers a leading part of one and the same sequence.
//!
//! Source: atomic broadcast, as total order and uniform agreement on it, in Hadzilacos and Toueg,
//! "A Modular Approach to Fault-Tolerant Broadcasts" (1994), §3; Jha et al., "Derecho", TOCS 2019,
//! §3.1; a version's uniqueness as in §3.4.

use notrace_store_protocol::ids::{Life, ShardId, ViewId};

use super::history::{History, unknown_epoch};
use super::{Delivery, Verdict, violated};
use crate::world::replica::Entry;

const PROPERTY: &str = "total_order";

/// How far each node is in its present epoch of each shard.
pub(crate) struct TotalOrder {
    shards: usize,
    positions: Vec<(ViewId, Life, usize)>,
}

impl TotalOrder {
    pub(crate) fn new(nodes: usize, shards: usize) -> Self {
        Self { shards, positions: vec![(ViewId::ZERO, Life(0), 0); nodes * shards] }
    }

    pub(crate) fn delivered(&mut self, history: &mut History, it: &Delivery<'_>) -> Verdict {
        let since = it.place.version.view();
        let at = it.node * self.shards + usize::from(it.shard.0);
        let position = &mut self.positions[at];
        if (position.0, position.1) != (since, it.life) {
            *position = (since, it.life, 0);
        }
        let Some(epoch) = history.epoch_mut(it.shard, since) else {
            return unknown_epoch(PROPERTY, it.shard, since);
        };
        let falls =
            |before: &Entry| before.version >= it.place.version || before.time >= it.place.time;
        if let Some(before) = it.before.filter(falls) {
            let text = format!("node {} goes from {before:?} to {:?}", it.node + 1, it.place);
            return violated(PROPERTY, text);
        }
        let first = position.2 == 0;
        let begins = it
            .before
            .map_or(epoch.through.to_wire() == 0, |before| before.version == epoch.through);
        if first && !begins {
            let text = format!(
                "node {} begins epoch {since} of shard {} on {:?} instead of {}",
                it.node + 1,
                it.shard.0,
                it.before,
                epoch.through
            );
            return violated(PROPERTY, text);
        }
        match epoch.updates.get(position.2) {
            Some(known) if *known == it.entry => {}
            Some(known) => {
                let text = format!(
                    "node {} delivers {:?} where another delivered {known:?}",
                    it.node + 1,
                    it.entry
                );
                return violated(PROPERTY, text);
            }
            None => epoch.updates.push(it.entry),
        }
        position.2 += 1;
        Ok(())
    }
}

/// What is handed from log to log was delivered by somebody, with the same past.
pub(crate) fn transferred(history: &History, shard: ShardId, entries: &[Entry]) -> Verdict {
    for entry in entries {
        if history.update(shard, entry.version) != Some(entry) {
            let known = history.update(shard, entry.version);
            let text = format!("a log of shard {} got {entry:?} for {known:?}", shard.0);
            return violated(PROPERTY, text);
        }
    }
    Ok(())
}
