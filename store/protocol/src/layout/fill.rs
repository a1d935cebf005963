//! Fills shards one member at a time.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use super::ShardSpec;
use crate::ids::NodeId;

/// A target that is being made.
pub(super) struct Fill<'a> {
    shards: Vec<Shard<'a>>,
    takers: Vec<Taker>,
}

/// A shard and who should hold it so far.
struct Shard<'a> {
    spec: &'a ShardSpec,
    members: Vec<NodeId>,
}

/// Who may be given a shard, and how many it holds.
struct Taker {
    node: NodeId,
    load: usize,
}

impl<'a> Fill<'a> {
    /// Begins with those who are `staying` where they hold something now; `takers` get the rest.
    pub(super) fn new(
        specs: &'a [ShardSpec],
        current: &[Vec<NodeId>],
        staying: &[NodeId],
        takers: &[NodeId],
    ) -> Self {
        let none = Vec::new();
        let held = current.iter().chain(std::iter::repeat(&none));
        let shards: Vec<Shard<'_>> =
            specs.iter().zip(held).map(|(spec, held)| Shard::kept(spec, held, staying)).collect();
        let load = |node: &NodeId| shards.iter().filter(|it| it.members.contains(node)).count();
        let takers = takers.iter().map(|node| Taker { node: *node, load: load(node) }).collect();
        Self { shards, takers }
    }

    /// Brings shards up to their `min`.
    pub(super) fn reach_min(&mut self) {
        self.grow(|spec| spec.min);
    }

    /// Lets shards grow up to their `max`.
    pub(super) fn grow_to_max(&mut self) {
        self.grow(|spec| spec.max);
    }

    /// Takes shards from those who hold at least two more than another, one at a time: from the one
    /// with most to the one with least. Each time the sum of the squares of all loads falls, so it
    /// comes to an end.
    pub(super) fn balance(&mut self) {
        while let Some((shard, from, to)) = self.unfair() {
            let Some(held) = self.shards.get_mut(shard) else { return };
            held.members.retain(|node| *node != from);
            held.members.push(to);
            for taker in &mut self.takers {
                taker.load += usize::from(taker.node == to);
                taker.load -= usize::from(taker.node == from);
            }
        }
    }

    /// A shard, one who holds it, and one who does not and holds at least two shards fewer: the one
    /// with most who can give, the one with least who can take from it, and of the shards the last.
    fn unfair(&self) -> Option<(usize, NodeId, NodeId)> {
        let (mut richest, mut poorest): (Vec<&Taker>, Vec<&Taker>) =
            (self.takers.iter().collect(), self.takers.iter().collect());
        richest.sort_by_key(|taker| Reverse(taker.load));
        poorest.sort_by_key(|taker| taker.load);
        let mut pairs = richest.iter().flat_map(|giver| {
            let poorer = poorest.iter().take_while(|taker| taker.load + 2 <= giver.load);
            poorer.map(|taker| (giver.node, taker.node))
        });
        pairs.find_map(|(from, to)| {
            let moves =
                |shard: &Shard<'_>| shard.members.contains(&from) && !shard.members.contains(&to);
            Some((self.shards.iter().rposition(moves)?, from, to))
        })
    }

    pub(super) fn into_target(self) -> Vec<Vec<NodeId>> {
        self.shards.into_iter().map(|shard| shard.members).collect()
    }

    /// Gives to the emptiest shard, again and again, the member who holds least. A shard that finds
    /// nobody finds nobody later: all hold it.
    fn grow(&mut self, bound: impl Fn(&ShardSpec) -> u16) {
        let mut emptiest: BinaryHeap<_> =
            self.shards.iter().enumerate().map(|(at, shard)| Reverse((shard.fill(), at))).collect();
        while let Some(Reverse((_, at))) = emptiest.pop() {
            let Some(shard) = self.shards.get_mut(at) else { continue };
            if shard.members.len() >= usize::from(bound(shard.spec)) {
                continue;
            }
            let free = |taker: &&mut Taker| !shard.members.contains(&taker.node);
            if let Some(taker) = self.takers.iter_mut().filter(free).min_by_key(|it| it.load) {
                taker.load += 1;
                shard.members.push(taker.node);
                emptiest.push(Reverse((shard.fill(), at)));
            }
        }
    }
}

impl<'a> Shard<'a> {
    /// The shard with those of its holders who stay, each once.
    fn kept(spec: &'a ShardSpec, held: &[NodeId], staying: &[NodeId]) -> Self {
        let mut members = Vec::new();
        for node in held {
            let room = members.len() < usize::from(spec.max);
            if room && staying.contains(node) && !members.contains(node) {
                members.push(*node);
            }
        }
        Self { spec, members }
    }

    /// How full it is relative to its `min`. Shifted far enough that two different fractions with
    /// 16 bits above and below never come to be equal.
    fn fill(&self) -> u64 {
        ((self.members.len() as u64) << 32) / u64::from(self.spec.min.max(1))
    }
}
