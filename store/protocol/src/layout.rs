//! Who should hold which shard: a pure function of a declared wish and a list of members.

use crate::ids::{NodeId, ShardId};
use crate::limits::SHARDS_MAX;

/// How a shard is replicated.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Mode {
    /// Ordered, and in a log.
    Durable,
    /// Ordered, and in memory alone.
    Volatile,
    /// Handed out as it comes: no order between senders, no versions, no state.
    Unordered,
}

/// Which members of a shard send.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Senders {
    /// All of them.
    All,
    /// The first one alone; nobody sends nulls.
    First,
}

/// What is wished of one shard.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct ShardSpec {
    /// Fewer members than this take no updates.
    pub min: u16,
    /// It gets no more members than this.
    pub max: u16,
    /// Who sends.
    pub senders: Senders,
    /// How it is replicated.
    pub mode: Mode,
}

/// What is wished of all shards, the same at every node for ever.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct LayoutSpec {
    shards: Vec<ShardSpec>,
}

/// Why a layout cannot be wished for.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum BadLayout {
    /// There is no shard, or there are too many.
    Count,
    /// A shard wants no member, or at least more than at most.
    Bounds,
}

impl LayoutSpec {
    /// The layout of these shards.
    /// # Errors  [`BadLayout`]
    pub fn new(shards: Vec<ShardSpec>) -> Result<Self, BadLayout> {
        if shards.is_empty() || shards.len() > SHARDS_MAX {
            return Err(BadLayout::Count);
        }
        let sound = |shard: &ShardSpec| shard.min >= 1 && shard.min <= shard.max;
        if shards.iter().all(sound) { Ok(Self { shards }) } else { Err(BadLayout::Bounds) }
    }

    /// The shards and their numbers.
    pub fn shards(&self) -> impl Iterator<Item = (ShardId, ShardSpec)> + '_ {
        self.shards.iter().zip(0..).map(|(spec, number)| (ShardId(number), *spec))
    }

    /// How a shard is replicated.
    #[must_use]
    pub fn mode(&self, shard: ShardId) -> Mode {
        self.shards.get(usize::from(shard.0)).map_or(Mode::Unordered, |spec| spec.mode)
    }
}

/// What a member is to the layout.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Role {
    /// Holds what it is given.
    Full,
    /// Never holds anything.
    Witness,
    /// Gets nothing new, and keeps what nobody else can hold.
    Leaving,
}

/// A member that may hold shards.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Candidate {
    /// Who.
    pub node: NodeId,
    /// As what.
    pub role: Role,
}

/// For each shard who should hold it; `current` says who does, in order.
#[must_use]
pub fn target(
    spec: &LayoutSpec,
    current: &[Vec<NodeId>],
    candidates: &[Candidate],
) -> Vec<Vec<NodeId>> {
    let full =
        |node: &NodeId| candidates.iter().any(|it| it.node == *node && it.role == Role::Full);
    let mut target: Vec<Vec<NodeId>> =
        current.iter().map(|members| members.iter().copied().filter(full).collect()).collect();
    loop {
        let mut grown = false;
        for (at, (_, spec)) in spec.shards().enumerate() {
            let load = |node: &NodeId| target.iter().filter(|held| held.contains(node)).count();
            let Some(members) = target.get(at) else { continue };
            let free = candidates.iter().map(|candidate| candidate.node).filter(|node| {
                full(node) && members.len() < usize::from(spec.max) && !members.contains(node)
            });
            let next = free.min_by_key(load);
            if let (Some(node), Some(members)) = (next, target.get_mut(at)) {
                members.push(node);
                grown = true;
            }
        }
        if !grown {
            break;
        }
    }
    for (members, held) in target.iter_mut().zip(current) {
        if members.is_empty() {
            members.clone_from(held);
        }
    }
    target
}
