//! From what a shard goes on: who holds everything that was ever acknowledged, and up to where.
//!
//! Three facts carry this file. Nothing is delivered in an epoch before all its members were ready.
//! What is delivered was received by all members of the epoch. What was acknowledged as durable
//! was, at the least, on the disks of more than half of them.

use crate::ids::{NodeId, Version};
use crate::mark::Mark;
use crate::order;
use crate::row::{Held, Holding};
use crate::view::ShardView;

/// What somebody reports to hold of a shard.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Report {
    pub(crate) node: NodeId,
    pub(crate) held: Held,
}

/// Where a shard goes on, and with whom.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Basis {
    /// The last update that is kept.
    pub(crate) through: Version,
    /// Somebody who holds everything up to it.
    pub(crate) witness: NodeId,
    /// All who reported to hold everything up to it.
    pub(crate) holders: Vec<NodeId>,
    /// Which of the three ways led here.
    pub(crate) way: Mark,
}

/// Whether a report proves that nothing was delivered in the shard's present epoch: one of its
/// members was never ready in it, and will not be.
pub(crate) fn is_refuted(shard: &ShardView, reports: &[Report]) -> bool {
    of(&shard.members, reports).any(|report| match report.held.how {
        Holding::Ready => false,
        Holding::Unready => true,
        // What lies beyond the epoch's beginning and not in the epoch was left out of the history:
        // a log that still has it was not cut back, so its owner was never ready.
        Holding::Log => {
            let last = report.held.last;
            last != shard.through && last.view() < shard.since
        }
    })
}

/// Who is to be asked about the shard when a later epoch turns out never to have begun, and what
/// came before their own.
pub(crate) fn keepers(shard: &ShardView, reports: &[Report]) -> (Vec<NodeId>, Version) {
    if is_refuted(shard, reports) {
        (shard.keepers.clone(), shard.kept)
    } else {
        (shard.members.clone(), shard.through)
    }
}

/// The trim: what the survivors of the epoch hold in common. Where one of them was never ready,
/// nothing was delivered, and the epoch leaves nothing: whoever holds all that came before it goes
/// on, whether its disk had it in time or not. Reports are final.
pub(crate) fn from_memory(shard: &ShardView, reports: &[Report]) -> Option<Basis> {
    let present = || of(&shard.members, reports).filter(|it| it.held.since == shard.since);
    let refuted = present().any(|report| report.held.how == Holding::Unready);
    let holds = |report: &&Report| match report.held.how {
        Holding::Ready => true,
        Holding::Unready => report.held.last == shard.through,
        Holding::Log => false,
    };
    let holders: Vec<_> = present().filter(holds).collect();
    let slots = |report: &&Report| if refuted { 0 } else { report.held.slots };
    let (at, _) = order::trim(holders.iter().map(slots))?;
    let least = holders.get(at)?;
    Some(Basis {
        through: if refuted { shard.through } else { least.held.last },
        witness: least.node,
        holders: holders.iter().map(|report| report.node).collect(),
        way: Mark::RestartFromMemory,
    })
}

/// Where the shard goes on after a restart, if the reports suffice to tell. More reports may.
pub(crate) fn after_restart(shard: &ShardView, reports: &[Report]) -> Option<Basis> {
    from_memory(shard, reports).or_else(|| from_logs(shard, reports))
}

fn from_logs(shard: &ShardView, reports: &[Report]) -> Option<Basis> {
    let refuted = is_refuted(shard, reports);
    let voters = if refuted { &shard.keepers } else { &shard.members };
    let logs: Vec<_> = of(voters, reports).collect();
    if logs.len() * 2 <= voters.len() {
        return None;
    }
    let longest = logs.iter().map(|report| report.held.last).max()?;
    if refuted && longest < shard.kept {
        // More than half of the keepers, and none of them was ever ready in their own epoch: the
        // others may know of more.
        return None;
    }
    // Nothing was delivered in a refuted epoch, so what a keeper has beyond the epoch's beginning
    // was left out of the history by an earlier restart, without that keeper.
    let through = if refuted { longest.min(shard.through) } else { longest };
    let holds = |report: &&Report| report.held.last >= through;
    let holders: Vec<_> = reports_of(shard, reports).filter(holds).map(|it| it.node).collect();
    let way = if refuted { Mark::RestartByKeepers } else { Mark::RestartFromLogs };
    let witness = *holders.first()?;
    Some(Basis { through, witness, holders, way })
}

/// Reports of those whose logs are known to lie on the shard's agreed history, up to its epoch's
/// beginning at least as far as they reach: members and keepers.
fn reports_of<'a>(
    shard: &'a ShardView,
    reports: &'a [Report],
) -> impl Iterator<Item = &'a Report> + 'a {
    reports.iter().filter(|it| shard.members.contains(&it.node) || shard.keepers.contains(&it.node))
}

/// What these nodes report.
fn of<'a>(nodes: &'a [NodeId], reports: &'a [Report]) -> impl Iterator<Item = &'a Report> + 'a {
    reports.iter().filter(|report| nodes.contains(&report.node))
}
