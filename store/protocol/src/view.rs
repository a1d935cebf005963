//! An agreed membership, and who holds which shard in it.

use std::sync::Arc;

use crate::ids::{Life, NodeId, Rank, ShardId, Version, ViewId};

/// What a member is there for.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Duty {
    /// Holds shards and votes.
    Full,
    /// Votes and holds nothing, so that two others have a majority when one of them dies.
    Witness,
}

/// One member of a view.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Member {
    /// Who.
    pub node: NodeId,
    /// In which of its lives; another life of the same node is not this member.
    pub life: Life,
    /// What for.
    pub duty: Duty,
}

/// Whether a shard goes on.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Fate {
    /// Its members hold it.
    Held,
    /// Nobody in the view is known to hold all of it. `members` are those of its last epoch; it
    /// comes back when enough of them do, and is never refilled.
    Lost,
}

/// Who holds a shard, since when, and where its order goes on from.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct ShardView {
    /// The epoch: the view in which this entry was last decided anew.
    pub since: ViewId,
    /// The last update before the epoch; everything up to it is settled for ever.
    pub through: Version,
    /// Who was known to hold everything up to `through` when this was decided.
    pub witness: Option<NodeId>,
    /// Who holds the shard, in order; the first ones send.
    pub members: Vec<NodeId>,
    /// The members of the last epoch in which anything may have been delivered before this one.
    /// While some member of this epoch was never ready, their logs are what counts.
    pub keepers: Vec<NodeId>,
    /// The last update before the keepers' own epoch. Their logs count once one of them reaches it:
    /// a keeper that was never ready knows less, and proves nothing.
    pub kept: Version,
    /// Whether it goes on.
    pub fate: Fate,
}

/// An agreed membership.
///
/// Source: view in Birman and Joseph, "Exploiting Virtual Synchrony in Distributed Systems" (1987);
/// here each shard's part of it changes only when that shard's members do.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct View {
    /// Its number; its successor has the next one.
    pub id: ViewId,
    /// Its members by rank, those who are in it longest first.
    pub members: Vec<Member>,
    /// Its shards, by number.
    pub shards: Vec<ShardView>,
}

impl View {
    /// The first view of a group: its founder alone, who holds every shard, all empty.
    #[must_use]
    pub fn founded_by(founder: Member, shards: u16) -> Arc<Self> {
        let since = ViewId::FIRST;
        let shard = ShardView {
            since,
            through: Version::ZERO,
            witness: Some(founder.node),
            members: vec![founder.node],
            keepers: vec![founder.node],
            kept: Version::ZERO,
            fate: Fate::Held,
        };
        Arc::new(Self {
            id: since,
            members: vec![founder],
            shards: vec![shard; usize::from(shards)],
        })
    }

    /// This view with so many shards: those that it lacks are shards that nobody ever held. For a
    /// group whose members have all stopped and come back with a longer layout; each of them makes
    /// the same view of the same view, and the first view that they agree on founds those shards.
    #[must_use]
    pub fn widened_to(&self, shards: u16) -> Self {
        let empty = ShardView {
            since: self.id,
            through: Version::ZERO,
            witness: None,
            members: Vec::new(),
            keepers: Vec::new(),
            kept: Version::ZERO,
            fate: Fate::Lost,
        };
        let mut wide = self.clone();
        let missing = usize::from(shards).saturating_sub(wide.shards.len());
        wide.shards.extend(std::iter::repeat_n(empty, missing));
        wide
    }

    /// Where this node stands among the members, in whatever life.
    #[must_use]
    pub fn rank_of(&self, node: NodeId) -> Option<Rank> {
        let at = self.members.iter().position(|member| member.node == node)?;
        Some(Rank(at as u16))
    }

    /// The member of this rank.
    #[must_use]
    pub fn member(&self, rank: Rank) -> Option<&Member> {
        self.members.get(usize::from(rank.0))
    }

    /// The member that is this node in this life.
    #[must_use]
    pub fn member_in(&self, node: NodeId, life: Life) -> Option<Rank> {
        let rank = self.rank_of(node)?;
        (self.member(rank)?.life == life).then_some(rank)
    }

    /// The shard of this number.
    #[must_use]
    pub fn shard(&self, shard: ShardId) -> Option<&ShardView> {
        self.shards.get(usize::from(shard.0))
    }

    /// The shards and their numbers.
    pub fn shards(&self) -> impl Iterator<Item = (ShardId, &ShardView)> {
        self.shards.iter().zip(0..).map(|(shard, number)| (ShardId(number), shard))
    }

    /// How many members are more than half.
    #[must_use]
    pub fn majority(&self) -> usize {
        self.members.len() / 2 + 1
    }
}

impl ShardView {
    /// Whether nobody has ever held it, so that nothing of it can be lost.
    #[must_use]
    pub fn is_unheld(&self) -> bool {
        self.members.is_empty() && self.keepers.is_empty()
    }

    /// Where this node stands among the members of the shard.
    #[must_use]
    pub fn position_of(&self, node: NodeId) -> Option<usize> {
        self.members.iter().position(|member| *member == node)
    }

    /// Whether this node holds the shard.
    #[must_use]
    pub fn is_held_by(&self, node: NodeId) -> bool {
        self.fate == Fate::Held && self.members.contains(&node)
    }
}
