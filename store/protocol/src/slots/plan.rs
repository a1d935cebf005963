//! Which slots to move so that shards own as many as they should.

use std::cmp::Reverse;

use super::{Moving, SLOTS, Slot, SlotTable};
use crate::ids::ShardId;

/// What one shard will own once the moves under way are done, and what it should.
struct Share {
    shard: ShardId,
    owns: u64,
    should: u64,
    remainder: u64,
}

/// The fewest moves, ascending by slot, after which shards own slots in proportion to `weights`, by
/// the shard's number; a weight that is not given is 0, and such a shard is emptied. The split is
/// that of the largest remainders, and of equal ones those come first that own the slot already.
/// A move under way counts as done and is not touched. No weight at all: no move.
#[must_use]
pub fn rebalance(table: &SlotTable, weights: &[u32]) -> Vec<(Slot, ShardId, ShardId)> {
    let mut shares = shares(table, weights);
    let mut moves = Vec::new();
    // From the end, so that what a shard keeps is the beginning of its run.
    for slot in Slot::all().rev() {
        let entry = table.entry(slot);
        if entry.moving.is_some() {
            continue;
        }
        let to = shares.iter().find(|share| share.owns < share.should).map(|share| share.shard);
        let Some(to) = to else { break };
        let from = entry.owner;
        let surplus = |share: &Share| share.shard == from && share.owns > share.should;
        if !shares.iter().any(surplus) {
            continue;
        }
        for share in &mut shares {
            if share.shard == from {
                share.owns -= 1;
            } else if share.shard == to {
                share.owns += 1;
            }
        }
        moves.push((slot, from, to));
    }
    moves.reverse();
    moves
}

fn shares(table: &SlotTable, weights: &[u32]) -> Vec<Share> {
    let weights = weights.iter().copied().chain(std::iter::repeat(0));
    let weights: Vec<u64> = weights.take(table.shards().into()).map(u64::from).collect();
    let total: u64 = weights.iter().sum();
    if total == 0 {
        return Vec::new();
    }
    let mut owns = vec![0_u64; weights.len()];
    for entry in &table.entries {
        let owner = entry.moving.map_or(entry.owner, |Moving { to, .. }| to);
        if let Some(owns) = owns.get_mut(usize::from(owner.0)) {
            *owns += 1;
        }
    }
    let mut shares: Vec<Share> = Vec::with_capacity(weights.len());
    for ((weight, owns), number) in weights.iter().zip(owns).zip(0..) {
        let exact = weight * u64::from(SLOTS);
        let (should, remainder) = (exact / total, exact % total);
        shares.push(Share { shard: ShardId(number), owns, should, remainder });
    }
    let left = u64::from(SLOTS) - shares.iter().map(|share| share.should).sum::<u64>();
    shares.sort_by_key(|share| {
        (Reverse(share.remainder), Reverse(share.owns > share.should), share.shard)
    });
    for share in shares.iter_mut().take(left as usize) {
        share.should += 1;
    }
    shares.sort_by_key(|share| share.shard);
    shares
}
