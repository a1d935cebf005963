//! Agreement on the trim: an epoch ends after one and the same update for everybody. Who goes on
//! has delivered exactly up to it, and nobody, not even who died, was cut off or got more, except
//! where all who remembered the epoch are gone and only logs were left to go by.
//!
//! Source: the ragged trim, Jha et al., "Derecho", TOCS 2019, §3.3; `store/proofs/ivy/ragged.ivy`.

use notrace_store_protocol::ids::{ShardId, ViewId};
use notrace_store_protocol::view::{Fate, View};

use super::history::History;
use super::{Delivery, Held, Verdict, violated};

const PROPERTY: &str = "trim_agreement";

/// A node delivers in an epoch that may have ended elsewhere.
pub(crate) fn delivered(history: &History, it: &Delivery<'_>) -> Verdict {
    let since = it.place.version.view();
    let Some(next) = history.next(it.shard, since) else { return Ok(()) };
    let kept = history.includes(it.shard, next.through, it.place.version);
    if kept || !history.remembered_since(it.shard, since) || next.anew {
        return Ok(());
    }
    let text = format!(
        "node {} delivers {} of shard {}, which ended at {}",
        it.node + 1,
        it.place.version,
        it.shard.0,
        next.through
    );
    violated(PROPERTY, text)
}

/// An epoch begins, and one before it ends: nothing was delivered beyond.
pub(crate) fn decided(history: &History, shard: ShardId) -> Verdict {
    let [.., ended, begun] = history.epochs(shard) else { return Ok(()) };
    let kept = history.includes(shard, begun.through, ended.last());
    if kept || !begun.from_memory || begun.anew {
        return Ok(());
    }
    let text = format!(
        "epoch {} of shard {} goes on from {}, though {} was delivered",
        begun.since,
        shard.0,
        begun.through,
        ended.last()
    );
    violated(PROPERTY, text)
}

/// A node that was ready in an epoch goes on.
pub(crate) fn ended(history: &History, node: usize, view: &View, held: &Held) -> Verdict {
    let Some(next) = view.shard(held.shard) else { return Ok(()) };
    let through = next.through;
    if held.last == through || next.fate == Fate::Lost || is_anew(history, held.shard, next.since) {
        return Ok(());
    }
    let text = format!(
        "node {} ends epoch {} of shard {} at {} and not at {through}",
        node + 1,
        held.since,
        held.shard.0,
        held.last
    );
    violated(PROPERTY, text)
}

fn is_anew(history: &History, shard: ShardId, since: ViewId) -> bool {
    history.epoch(shard, since).is_some_and(|epoch| epoch.anew)
}
