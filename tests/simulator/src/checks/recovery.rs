//! Recovery: once all is mended, everybody who runs is in one view, which works; every shard that
//! can be held is held, by as many as the layout wants; and a fresh update is answered. That this
//! takes bounded time finds view changes that are stuck.
//!
//! Excused is a group of whose latest view, or of a successor that was accepted by somebody, no
//! majority is left that could vote: too many disks were lost, or nodes never came back.
//!
//! Source: group membership's progress as in Jha et al., "Derecho", TOCS 2019, §3.3 and §3.6; the
//! bound on lost voters is that of Lamport, "The Part-Time Parliament" (1998).

use std::sync::Arc;

use notrace_store_protocol::group::Stage;
use notrace_store_protocol::ids::{NodeId, ShardId};
use notrace_store_protocol::layout::{self, Candidate, Mode, Role};
use notrace_store_protocol::view::{Duty, Fate, Member, ShardView, View};

use crate::world::World;
use crate::world::node::{Node, Status, index, node_id};

/// Whether all is well; what is not.
pub(crate) fn is_well(world: &World) -> Result<(), String> {
    let running: Vec<&Node> = world.nodes.iter().filter(|node| node.status == Status::Up).collect();
    let Some(view) = world.checks.history.latest() else {
        return Err("there is no view".to_owned());
    };
    for node in &running {
        let group = node.group.as_ref();
        let stage = group.map(notrace_store_protocol::group::Group::stage);
        let seen = group.and_then(|group| group.view()).map(|view| view.id);
        if stage != Some(Stage::Serving) || seen != Some(view.id) {
            let at = node.index + 1;
            return Err(format!("node {at} is {stage:?} in {seen:?}, the last is {}", view.id));
        }
    }
    let here = |node: &&Node| view.member_in(node_id(node.index), node.life).is_some();
    if view.members.len() != running.len() || !running.iter().all(here) {
        return Err(format!("those who run are not the members of {view:?}"));
    }
    let candidates: Vec<Candidate> = view.members.iter().map(candidate).collect();
    let held = |shard: &ShardView| match shard.fate {
        Fate::Held => shard.members.clone(),
        Fate::Lost => Vec::new(),
    };
    let current: Vec<_> = view.shards.iter().map(held).collect();
    let targets = layout::target(&world.spec, &current, &candidates);
    for ((shard, now), target) in view.shards().zip(&targets) {
        shard_is_well(world, view, (shard, now), target)?;
    }
    Ok(())
}

fn candidate(member: &Member) -> Candidate {
    let role = if member.duty == Duty::Full { Role::Full } else { Role::Witness };
    Candidate { node: member.node, role }
}

fn shard_is_well(
    world: &World,
    view: &View,
    (shard, now): (ShardId, &ShardView),
    target: &[NodeId],
) -> Result<(), String> {
    let spec = &world.plan.shape.shards[usize::from(shard.0)];
    let number = shard.0;
    if now.fate == Fate::Lost {
        if spec.mode == Mode::Durable && could_be_held(world, view, (shard, now)) {
            return Err(format!("shard {number} is lost, and its logs are here: {now:?}"));
        }
        return Ok(());
    }
    let wanted = |node: &NodeId| target.contains(node);
    if now.members.len() != target.len() || !now.members.iter().all(wanted) {
        return Err(format!("shard {number} has not the members {target:?}: {now:?}"));
    }
    let unready = now.members.iter().map(|node| &world.nodes[index(*node)]).find(|node| {
        let epoch = node.group.as_ref().and_then(|group| group.epoch(shard));
        epoch.is_none_or(|epoch| !epoch.is_ready() || epoch.is_wedged())
    });
    match unready.filter(|_| spec.mode != Mode::Unordered) {
        Some(node) => Err(format!("node {} is not ready in shard {number}", node.index + 1)),
        None => Ok(()),
    }
}

/// Whether all who held a lost shard are here with their logs. A log in which not even the
/// beginning of an epoch came to be safe does not count: it looks like one that was lost.
fn could_be_held(world: &World, view: &View, (shard, now): (ShardId, &ShardView)) -> bool {
    let here = |node: usize| {
        let node = &world.nodes[node];
        let log = &node.disk.logs[usize::from(shard.0)];
        let member = view.member_in(node_id(node.index), node.life).is_some();
        !node.was_lost && member && !log.line.is_empty()
    };
    now.members.iter().chain(&now.keepers).all(|node| here(index(*node)))
}

/// Shards that take updates, as far as the view tells.
pub(crate) fn usable(world: &World) -> Vec<usize> {
    let Some(view) = world.checks.history.latest() else { return Vec::new() };
    let held = view.shards().filter(|(shard, now)| {
        let spec = &world.plan.shape.shards[usize::from(shard.0)];
        let enough = now.members.len() >= usize::from(spec.min);
        now.fate == Fate::Held && spec.mode != Mode::Unordered && enough
    });
    held.map(|(shard, _)| usize::from(shard.0)).collect()
}

/// Whether too few are left who can vote.
pub(crate) fn is_excused(world: &World) -> bool {
    let Some(latest) = world.checks.history.latest() else { return true };
    let mut open = vec![latest.clone()];
    for node in &world.nodes {
        let echo = node.disk.durable.as_ref().and_then(|durable| durable.echo.as_ref());
        open.extend(echo.map(|echo| Arc::clone(&echo.view)).filter(|view| view.id > latest.id));
    }
    open.iter().any(|view| voters(world, view) < view.majority())
}

fn voters(world: &World, view: &View) -> usize {
    let can_vote = |member: &&Member| {
        let node = &world.nodes[index(member.node)];
        // What it bound itself to as this member it remembers.
        let durable = node.disk.durable.as_ref();
        let remembers = durable.is_some_and(|durable| durable.born <= member.life);
        node.status == Status::Up && (node.life == member.life || remembers)
    };
    view.members.iter().filter(can_vote).count()
}
