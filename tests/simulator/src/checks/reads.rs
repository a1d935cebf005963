//! Reads that must see the latest: whoever delivers an update, every other member of the epoch
//! knows by then that it has to wait for it. So no later read there, confirmed in this view, can
//! miss what a read here showed.
//!
//! Source: read-index in Ongaro, "Consensus: Bridging Theory and Practice" (2014), §6.4, with what
//! a member has received or sent for its commit index.

use super::{Delivery, Verdict, violated};
use crate::world::node::{Node, Status};

/// What ends with its view is not asked for: a read that begins then is confirmed in the next one.
pub(crate) fn delivered(it: &Delivery<'_>, nodes: &[Node]) -> Verdict {
    if it.closing.is_some() || it.departing {
        return Ok(());
    }
    let version = it.place.version;
    for other in nodes.iter().filter(|other| other.index != it.node && other.status == Status::Up) {
        let epoch = other.group.as_ref().and_then(|group| group.epoch(it.shard));
        let same = epoch.filter(|epoch| epoch.start().since == version.view());
        if same.is_some_and(|epoch| epoch.is_ready() && epoch.heard() < version.seq().number()) {
            let (node, other, shard) = (it.node + 1, other.index + 1, it.shard.0);
            let text = format!("node {node} delivers {version} of shard {shard} before {other}");
            return violated("reads", text + " would wait for it");
        }
    }
    Ok(())
}
