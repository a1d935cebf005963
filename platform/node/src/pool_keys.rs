//! A pool's keys among the members: drawn by one, kept by all, destroyed by all.
//!
//! What is current is what the store says, for that is what lasts; the keyring only carries keys.
//! Every attempt to change a key draws one of its own, under a number that none had before, so that
//! no two attempts ever share a key, and what one of them left behind can be told from what counts.

use std::collections::{BTreeMap, BTreeSet};

use notrace_policy_promise::name::PoolName;
use notrace_store_objects::{Answer, Question};
use tokio::time::Instant;

use crate::group::{Care, KEYS, KeyOrder as Order, KeyOrdered as Ordered, KeyPlace, Links};
use crate::identity::fill;
use crate::keys::Epoch;
use crate::limits::{KEY_TRIES_MAX, STRAY_AGE_MIN};
use crate::node::Node;
use crate::objects::another_answer;
use crate::refusal::Refusal;

/// Keys in the keyring that are nobody's, and since when they are seen to be. One that still is no
/// pool's a minute later is what a crash left over, since no change of keys takes as long.
#[derive(Default)]
pub(crate) struct Strays(BTreeMap<KeyPlace, Instant>);

impl Strays {
    /// Takes note of what is nobody's now; those of it that have been for so long that they are
    /// left over. However often this is asked, a key that is being given to a pool is not.
    fn left_over(&mut self, nobodys: BTreeSet<KeyPlace>, now: Instant) -> Vec<KeyPlace> {
        self.0.retain(|place, _| nobodys.contains(place));
        for place in nobodys {
            self.0.entry(place).or_insert(now);
        }
        let old = |since: &Instant| now.saturating_duration_since(*since) >= STRAY_AGE_MIN;
        self.0.iter().filter(|(_, since)| old(since)).map(|(place, _)| place.clone()).collect()
    }
}

impl Node {
    /// The current key of each part of each pool, as the store names it now.
    /// # Errors  [`Refusal`] if a shard cannot be asked: then nothing is known of its keys.
    pub(crate) async fn live_keys(&self) -> Result<BTreeMap<PoolName, Epoch>, Refusal> {
        let mut live = BTreeMap::new();
        for shelf in self.group().shelves.all() {
            if self.is_lost_memory(shelf.shard()) {
                continue;
            }
            match self.ask(shelf.shard(), &Question::Pools, Care::LATEST).await? {
                Ok(Answer::Pools(pools)) => {
                    live.extend(pools.into_iter().map(|pool| (pool.name, pool.key_epoch)));
                }
                _ => return Err(another_answer()),
            }
        }
        Ok(live)
    }

    /// The same as of what this node has of the shards that it holds.
    pub(crate) fn live_keys_here(&self) -> BTreeMap<PoolName, Epoch> {
        let shelves = self.group().shelves.all().filter(|shelf| self.holds(shelf.shard()));
        let pools = shelves.flat_map(|shelf| shelf.read(|objects| objects.pools()));
        pools.map(|pool| (pool.name, pool.key_epoch)).collect()
    }

    /// Destroys every key that no pool has: what crashes and failures left over.
    /// # Errors  [`Refusal`]; asking again goes on.
    pub(crate) async fn clear_keys(&self) -> Result<(), Refusal> {
        let mut strays = self.key_changes().lock().await;
        let live = self.live_keys().await?;
        if self.group().links.is_none() {
            return self.change_keys(|keys| keys.keep_only(|pool| live.get(pool).copied()));
        }
        if self.leads(KEYS) {
            self.clear_keyring(&live, &mut strays).await?;
        }
        let ordered = self.group().keyring.read(|ring| ring.keys().clone());
        let stray = self.key_places().into_iter().filter(|(pool, epoch)| {
            let given = ordered.contains_key(&(pool.as_str().to_owned(), *epoch));
            !given && live.get(pool) != Some(epoch)
        });
        let stray: Vec<_> = stray.collect();
        self.change_keys(|keys| keys.destroy(&stray))
    }

    /// Has keys destroyed that a shred left behind, or a change that came to nothing.
    async fn clear_keyring(
        &self,
        live: &BTreeMap<PoolName, Epoch>,
        strays: &mut Strays,
    ) -> Result<(), Refusal> {
        let ordered: Vec<KeyPlace> =
            self.group().keyring.read(|ring| ring.keys().keys().cloned().collect());
        let (mut former, mut nobodys) = (Vec::new(), BTreeSet::new());
        for place in ordered {
            let pool = PoolName::from_stored(&place.0).ok();
            match pool.and_then(|pool| live.get(&pool).copied()) {
                Some(current) if current == place.1 => {}
                Some(current) if current > place.1 => former.push(place),
                _ => drop(nobodys.insert(place)),
            }
        }
        former.extend(strays.left_over(nobodys, Instant::now()));
        for place in former {
            self.order_key(Order::Remove { place }).await?;
        }
        Ok(())
    }

    /// Draws a pool's next key, under a number of at least `least`, which none had before. When
    /// this returns, every member keeps it, on its disk too.
    /// # Errors  [`Refusal`]; what was drawn is destroyed in time.
    pub(crate) async fn new_pool_key(
        &self,
        pool: &PoolName,
        least: Epoch,
    ) -> Result<Epoch, Refusal> {
        let Some(links) = &self.group().links else {
            let epoch = least.max(1);
            return self.change_keys(|keys| keys.add(pool, epoch)).map(|()| epoch);
        };
        for _ in 0..KEY_TRIES_MAX {
            let epoch = self.unused_epoch(pool, least)?;
            let wrapped = drawn(links, pool, epoch)?;
            let place = (pool.as_str().to_owned(), epoch);
            let (version, reply) = self.order_key(Order::Add { place, wrapped }).await?;
            match reply {
                Ordered::Done => {
                    self.keys_settled(version).await?;
                    return Ok(epoch);
                }
                // Another member draws one for the same pool.
                Ordered::There | Ordered::Removed => {}
                Ordered::Full => return Err(Refusal::PoolsFull),
            }
        }
        Err(Refusal::Busy { retry_after: std::time::Duration::from_secs(1) })
    }

    /// A number that no key of this pool had. The keyring does not outlast all its members, so a
    /// new pool's numbers begin with the time: no earlier pool of its name had so many keys.
    fn unused_epoch(&self, pool: &PoolName, least: Epoch) -> Result<Epoch, Refusal> {
        let mine = self.key_places().into_iter().filter(|(name, _)| name == pool);
        let mine = mine.map(|(_, epoch)| epoch).max().unwrap_or(0);
        let used = self.group().keyring.read(|ring| ring.last_epoch(pool)).max(mine);
        let next = used.checked_add(1).ok_or(Refusal::Internal("numbering keys"))?;
        let first = match least {
            0 => (crate::clock::unix_micros() / 1_000_000) as Epoch,
            least => least,
        };
        Ok(next.max(first))
    }

    /// Destroys a pool's former key. When this returns, no member has it any more.
    /// # Errors  [`Refusal`]; then it is destroyed within minutes of the members' coming back.
    pub(crate) async fn destroy_pool_key(
        &self,
        pool: &PoolName,
        epoch: Epoch,
    ) -> Result<(), Refusal> {
        if self.group().links.is_none() {
            return self.change_keys(|keys| keys.destroy(&[(pool.clone(), epoch)]));
        }
        let place = (pool.as_str().to_owned(), epoch);
        let (version, _) = self.order_key(Order::Remove { place }).await?;
        self.keys_settled(version).await
    }
}

/// A new key, as it travels.
fn drawn(links: &Links, pool: &PoolName, epoch: Epoch) -> Result<Vec<u8>, Refusal> {
    let mut key = zeroize::Zeroizing::new([0; 32]);
    fill(&mut *key).map_err(|_| Refusal::Internal("drawing a key"))?;
    links.wrap(pool.as_str(), epoch, &key)
}

#[cfg(test)]
mod a_stray_key {
    use super::*;

    #[test]
    fn is_left_over_only_after_as_long_as_no_change_of_keys_takes() {
        let (mut strays, start) = (Strays::default(), Instant::now());
        let place = |epoch| ("a".to_owned(), epoch);
        let nobodys = || BTreeSet::from([place(1), place(2)]);
        // A start looks twice within a moment, while another member gives its pool a key.
        assert!(strays.left_over(nobodys(), start).is_empty());
        assert!(strays.left_over(nobodys(), start).is_empty());
        let later = start + STRAY_AGE_MIN;
        let other = BTreeSet::from([place(2), place(3)]);
        assert_eq!(strays.left_over(other, later), [place(2)], "the first was a pool's meanwhile");
        assert_eq!(strays.left_over(nobodys(), later), [place(2)], "and counts anew");
    }
}
