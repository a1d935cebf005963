//! Stability: what anybody delivers has been received by every member of the epoch; at the end of
//! an epoch, by every member of it that was ready in it and goes on.
//!
//! Source: Jha et al., "Derecho", TOCS 2019, §3.1: a message is delivered when it is stable.

use notrace_store_protocol::ids::{ShardId, ViewId};

use super::history::{History, unknown_epoch};
use super::{Delivery, Verdict, violated};
use crate::world::node::{bit, index};

/// Who holds which message: by sender's number, a bit for each node.
struct Received {
    since: u32,
    sender: usize,
    masks: Vec<u64>,
}

/// The bytes that have come, by shard.
pub(crate) struct Stability {
    shards: Vec<Vec<Received>>,
}

impl Stability {
    pub(crate) fn new(shards: usize) -> Self {
        Self { shards: (0..shards).map(|_| Vec::new()).collect() }
    }

    pub(crate) fn holds(
        &mut self,
        (shard, since, number): (ShardId, u32, u64),
        sender: usize,
        node: usize,
    ) {
        let rings = &mut self.shards[usize::from(shard.0)];
        let mut latest = (0..rings.len()).rev();
        let at = latest.find(|at| (rings[*at].since, rings[*at].sender) == (since, sender));
        let at = at.unwrap_or_else(|| {
            rings.push(Received { since, sender, masks: Vec::new() });
            rings.len() - 1
        });
        let masks = &mut rings[at].masks;
        let number = number as usize;
        if masks.len() <= number {
            masks.resize(number + 1, 0);
        }
        masks[number] |= bit(node);
    }

    pub(crate) fn delivered(&self, history: &History, it: &Delivery<'_>) -> Verdict {
        let since = it.place.version.view();
        let Some(epoch) = history.epoch(it.shard, since) else {
            return unknown_epoch("stability", it.shard, since);
        };
        let needed = epoch.members.iter().filter(|(node, life)| {
            let ends = it.closing.filter(|view| changes(view, it.shard, since));
            let goes_on = ends.is_none_or(|view| {
                let stays = |member: &&notrace_store_protocol::view::Member| {
                    index(member.node) == *node && member.life == *life
                };
                view.members.iter().any(|member| stays(&member))
            });
            // Who was never ready holds nothing, and is not counted among the survivors.
            let counts = ends.is_none() || epoch.ready & bit(*node) != 0;
            goes_on && counts && !it.departing
        });
        let needed = needed.fold(0, |mask, (node, _)| mask | bit(*node));
        let rings = self.shards[usize::from(it.shard.0)].iter().rev();
        let mut rings = rings.filter(|it| it.since == since.number());
        let ring = rings.find(|ring| ring.sender == it.sender);
        let mask = ring.and_then(|ring| ring.masks.get(it.slot.index as usize));
        let held = mask.copied().unwrap_or_default();
        if needed & !held == 0 {
            return Ok(());
        }
        let text = format!(
            "node {} delivers {} of shard {}; needed by {needed:b}, received by {held:b}",
            it.node + 1,
            it.place.version,
            it.shard.0
        );
        violated("stability", text)
    }
}

fn changes(view: &notrace_store_protocol::view::View, shard: ShardId, since: ViewId) -> bool {
    view.shard(shard).is_none_or(|next| next.since != since)
}
