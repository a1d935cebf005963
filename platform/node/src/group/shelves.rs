//! Which shard keeps which object.
//!
//! The home shard is on every node: it knows all pools and keeps the platform's own. Where the
//! group has one shard for data, that is the home shard too. Otherwise each key belongs to one of a
//! fixed number of slots, and each slot to a data shard; what stands between braces in a key
//! decides alone, so that keys with the same tag are kept together. Pools that are kept in memory
//! have a shard of their own, of which nothing is ever written.
//!
//! Source: hash tags as in Redis Cluster's specification.

use notrace_policy_promise::name::{ObjectKey, PoolName};
use notrace_store_objects::{Kept, Objects, PoolInfo};
use notrace_store_protocol::ids::ShardId;
use notrace_store_protocol::slots::{SlotTable, slot_of};
use notrace_store_replica::Replicated;

/// All shards that keep objects.
pub(crate) struct Shelves {
    home: Replicated<Objects>,
    memory: Replicated<Objects>,
    data: Vec<Replicated<Objects>>,
    slots: Option<SlotTable>,
}

/// What one shard keeps of a pool.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Part {
    /// The shard.
    pub(crate) shard: ShardId,
    /// The pool's name there.
    pub(crate) pool: PoolName,
}

impl Shelves {
    /// The home shard, the one in memory, and the data shards; without any of those the home shard
    /// keeps the data.
    pub(crate) fn new(
        home: Replicated<Objects>,
        memory: Replicated<Objects>,
        data: Vec<Replicated<Objects>>,
    ) -> Self {
        let slots = SlotTable::even(data.len() as u16);
        Self { home, memory, data, slots }
    }

    /// The shard that knows all pools.
    pub(crate) fn home(&self) -> &Replicated<Objects> {
        &self.home
    }

    /// Whether the data are elsewhere than in the home shard.
    pub(crate) fn is_divided(&self) -> bool {
        !self.data.is_empty()
    }

    /// All of them.
    pub(crate) fn all(&self) -> impl Iterator<Item = &Replicated<Objects>> {
        [&self.home, &self.memory].into_iter().chain(&self.data)
    }

    /// The one of this number, if it keeps objects.
    pub(crate) fn shelf(&self, shard: ShardId) -> Option<&Replicated<Objects>> {
        self.all().find(|shelf| shelf.shard() == shard)
    }

    /// The part of a pool in which a key is.
    pub(crate) fn part(&self, pool: &PoolInfo, key: &ObjectKey) -> Part {
        let shelf = match (self.is_apart(pool), &self.slots) {
            (false, _) => &self.home,
            (true, _) if pool.spec.kept == Kept::InMemory => &self.memory,
            (true, None) => &self.home,
            (true, Some(slots)) => {
                let owner = slots.entry(slot_of(place_hash(key))).owner;
                self.data.get(usize::from(owner.0)).unwrap_or(&self.home)
            }
        };
        self.part_on(shelf, pool)
    }

    /// All parts of a pool, in an order that stays.
    pub(crate) fn parts(&self, pool: &PoolInfo) -> Vec<Part> {
        let on = |shelf| self.part_on(shelf, pool);
        match self.is_apart(pool) {
            false => vec![on(&self.home)],
            true if pool.spec.kept == Kept::InMemory => vec![on(&self.memory)],
            true => self.data.iter().map(on).collect(),
        }
    }

    /// Whether the objects of a pool are elsewhere than what is known of it.
    pub(crate) fn is_apart(&self, pool: &PoolInfo) -> bool {
        let spread = self.is_divided() && !pool.name.is_reserved();
        spread || pool.spec.kept == Kept::InMemory
    }

    fn part_on(&self, shelf: &Replicated<Objects>, pool: &PoolInfo) -> Part {
        let shard = shelf.shard();
        if shard == self.home.shard() {
            return Part { shard, pool: pool.name.clone() };
        }
        Part { shard, pool: pool.name.part(shard.0, pool.created.version.to_wire()) }
    }
}

/// The hash that decides on a key's slot, the same at every node for ever.
fn place_hash(key: &ObjectKey) -> u64 {
    let digest = ring::digest::digest(&ring::digest::SHA256, tag(key.as_str()).as_bytes());
    let first = digest.as_ref().first_chunk().copied().unwrap_or_default();
    u64::from_be_bytes(first)
}

/// What of a key decides: what stands in its first braces, or all of it where that is nothing.
fn tag(key: &str) -> &str {
    let inner = key.split_once('{').and_then(|(_, rest)| rest.split_once('}'));
    inner.map(|(tag, _)| tag).filter(|tag| !tag.is_empty()).unwrap_or(key)
}

#[cfg(test)]
mod a_key {
    use super::*;

    #[test]
    fn is_placed_by_its_tag_if_it_has_one() {
        let cases = [
            ("plain", "plain"),
            ("{kitchen}/temp", "kitchen"),
            ("a{kitchen}b{hall}", "kitchen"),
            ("a{}b", "a{}b"),
            ("a{b", "a{b"),
            ("a}b{c", "a}b{c"),
            ("a}{b}", "b"),
        ];
        for (key, deciding) in cases {
            assert_eq!(tag(key), deciding, "{key}");
        }
    }

    /// Published figures: a change of them would lose every object.
    #[test]
    fn is_placed_where_it_always_was() {
        let hash = |key: &str| place_hash(&key.parse().unwrap());
        assert_eq!(hash("kitchen"), hash("{kitchen}/temp"));
        assert_eq!(slot_of(hash("a")).number(), 3530);
        assert_eq!(slot_of(hash("photos/2026/rash.png")).number(), 1621);
    }
}
