//! Who should hold which shard: a pure function of a declared wish, of who holds what now, and of
//! the members there are.
//!
//! Survivors stay where they are and in their order, because moving a shard costs a transfer and
//! changing its members costs it a wedge. What is missing is given to those who hold least.
//!
//! Source: Derecho's layout functions (Jha et al., TOCS 2019, §2.2); declared instead of called, so
//! that every member comes to the same result and nobody has to send it.

mod fill;
#[cfg(test)]
mod tests;

use core::fmt;

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
    /// It gets as many members as this, if there are as many, and no more.
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
    /// There is no shard, or there are more than [`SHARDS_MAX`].
    Count,
    /// A shard wants no member, or at least more than at most.
    Bounds,
}

impl fmt::Display for BadLayout {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            BadLayout::Count => "a layout has at least 1 shard and at most 1024",
            BadLayout::Bounds => "a shard has at least 1 member, and its min is not over its max",
        })
    }
}

impl core::error::Error for BadLayout {}

impl LayoutSpec {
    /// The layout of these shards.
    /// # Errors  [`BadLayout`] says which bound they break.
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

    /// How a shard is replicated; nothing is kept for one that the layout does not have.
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

/// Whether a shard of which these are the members may take updates: they are `min` or more. A node
/// that is listed twice counts once.
#[must_use]
pub fn adequate(spec: &ShardSpec, members: &[NodeId]) -> bool {
    let first =
        |(at, node): &(usize, &NodeId)| members.iter().position(|it| it == *node) == Some(*at);
    members.iter().enumerate().filter(first).count() >= usize::from(spec.min)
}

/// For each shard of the layout who should hold it, in order. `current` says who holds each now, by
/// the shard's number and in order; `candidates` are the members by rank, each once.
///
/// 1. Full members that hold a shard stay in it, in order; beyond `max`, the first of them.
/// 2. Shards below `min` get members, the emptiest relative to its `min` first (then the lowest
///    number), each time the one who holds the fewest shards (then the lowest rank).
/// 3. Shards below `max` grow in the same order, as long as there are full members that do not hold
///    them: `max` is how many copies are wished for, `min` how few will do.
///
/// 4. While one full member holds at least two shards more than another, and one of them that the
///    other does not, it gives that one to it.
///
/// Leaving members are listed only if there is no full member at all: then they stay. This is who
/// *should* hold a shard; whoever makes a view from it keeps a leaving holder until one of those
/// named here has caught up.
///
/// So no two loads differ by more than 1, unless the emptier holds all that the fuller does.
/// Cost: shards times members, for each member added or moved.
#[must_use]
pub fn target(
    spec: &LayoutSpec,
    current: &[Vec<NodeId>],
    candidates: &[Candidate],
) -> Vec<Vec<NodeId>> {
    let of_role = |role: Role| {
        let those = candidates.iter().filter(move |candidate| candidate.role == role);
        those.map(|candidate| candidate.node).collect::<Vec<_>>()
    };
    let full = of_role(Role::Full);
    let staying = if full.is_empty() { of_role(Role::Leaving) } else { full.clone() };
    let mut fill = fill::Fill::new(&spec.shards, current, &staying, &full);
    fill.reach_min();
    fill.grow_to_max();
    fill.balance();
    fill.into_target()
}
