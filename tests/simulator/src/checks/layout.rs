//! Layout: who holds a shard goes on holding it as long as it lives and nobody replaces it; a shard
//! that lost all who held it comes back from their logs, or by an operator's word, but is never
//! refilled; a witness holds nothing.
//!
//! Source: Jha et al., "Derecho", TOCS 2019, §2.1 (layouts) and §3.6; against its refilling of dead
//! shards with empty objects.

use notrace_store_protocol::ids::{NodeId, ViewId};
use notrace_store_protocol::layout::Mode;
use notrace_store_protocol::view::{Duty, Fate, ShardView, View};

use super::history::History;
use super::{Verdict, violated};
use crate::plan::Shape;

const PROPERTY: &str = "layout";

/// A view is installed for the first time.
pub(crate) fn decided(history: &History, view: &View, shape: &Shape) -> Verdict {
    let mut nodes: Vec<NodeId> = view.members.iter().map(|member| member.node).collect();
    nodes.sort_unstable();
    nodes.dedup();
    if nodes.len() != view.members.len() || view.shards.len() != shape.shards.len() {
        return violated(PROPERTY, format!("a view that is none: {view:?}"));
    }
    for (shard, now) in view.shards() {
        let text = |what: &str| format!("shard {} {what} in {view:?}", shard.0);
        let full = |node: &NodeId| {
            let mut members = view.members.iter().filter(|member| member.node == *node);
            members.next().is_some_and(|member| member.duty == Duty::Full)
        };
        let mut members = now.members.clone();
        members.sort_unstable();
        members.dedup();
        if members.len() != now.members.len() || now.since > view.id {
            return violated(PROPERTY, text("is malformed"));
        }
        if now.fate == Fate::Held && (members.is_empty() || !members.iter().all(full)) {
            return violated(PROPERTY, text("is held by nobody, a stranger or a witness"));
        }
        let before = ViewId::new(view.id.number() - 1).and_then(|id| history.view(id));
        let Some(old) = before.and_then(|before| before.shard(shard)) else { continue };
        let changed = ShardView { fate: Fate::Held, ..old.clone() }
            != ShardView { fate: Fate::Held, ..now.clone() };
        if changed && now.since != view.id {
            return violated(PROPERTY, text("changed within an epoch"));
        }
        // Telemetry has nothing that could be lost.
        let has_state = shape.shards[usize::from(shard.0)].mode != Mode::Unordered;
        if has_state && old.fate == Fate::Lost && now.fate == Fate::Held {
            let given_up = history.given_up >> shard.0 & 1 == 1;
            let kept = |node: &NodeId| old.members.contains(node) || old.keepers.contains(node);
            if !given_up && !now.members.iter().all(kept) {
                return violated(PROPERTY, text("was refilled"));
            }
        }
        if old.fate == Fate::Held && now.fate == Fate::Held {
            let stays = now.members.iter().any(|node| old.members.contains(node));
            let kept = |node: &NodeId| old.keepers.contains(node);
            if !stays && !now.members.iter().all(kept) && old.through.to_wire() != 0 {
                return violated(PROPERTY, text("was handed to strangers"));
            }
        }
    }
    Ok(())
}
