//! Pools, and the destroying of keys.

use notrace_policy_promise::digest::{Digest, Domain};
use notrace_policy_promise::name::{ObjectName, PoolName};
use notrace_policy_promise::release::Release;
use notrace_sdk_seal::WrappingKey;
use notrace_store_objects::{
    Answer, Command, Condition, Objects, PoolInfo, PoolSpec, Question, Reply, ShredScope,
};
use notrace_store_protocol::ids::{ShardId, Version};
use notrace_store_protocol::machine::{Durability, Place};
use notrace_store_protocol::time::Hlc;
use notrace_store_replica::Replicated;

use crate::find::care;
use crate::group::{Care, HOME, Part, latest_of};
use crate::keys::Epoch;
use crate::limits::{SHRED_TRIES_AMONG_WRITES, SHRED_TRIES_MAX};
use crate::node::Node;
use crate::objects::{SessionKey, missing, refused};
use crate::refusal::Refusal;
use crate::values;

/// When a change of keys that another overtook is worth another try.
const RETRY: std::time::Duration = std::time::Duration::from_secs(1);

/// What a shred did. When this exists, the keys are gone.
pub struct Shredded {
    /// Where the shred stands in the order.
    pub place: Place,
    /// How many versions can no longer be opened by anybody.
    pub versions: u64,
    /// What stands for this shred.
    pub digest: Digest,
    /// How many members have destroyed the keys.
    pub replicas: u32,
}

impl Node {
    /// What shows outside of runs that read no pool, and of pools that were made without a word.
    pub fn usual_release(&self) -> Release {
        self.config().release
    }

    /// Makes a pool and its key. Asking for one that is there with the same properties changes
    /// nothing and answers `false`.
    /// # Errors  [`Refusal::PoolExists`] if it is there with others.
    /// # Cancel  Dropping the future abandons the answer, not the pool.
    pub async fn create_pool(
        &self,
        name: &PoolName,
        spec: PoolSpec,
        _session: Option<SessionKey>,
    ) -> Result<bool, Refusal> {
        let (node, name) = (self.clone(), name.clone());
        to_its_end(async move { node.make_pool(&name, spec).await }).await
    }

    async fn make_pool(&self, name: &PoolName, spec: PoolSpec) -> Result<bool, Refusal> {
        let _changing = self.key_changes().lock().await;
        if let Some(existing) = self.store().read(|objects| objects.pool(name)) {
            return if existing.spec == spec { Ok(false) } else { Err(Refusal::PoolExists) };
        }
        let epoch = self.new_pool_key(name, 0).await?;
        let command =
            Command::CreatePool { pool: name.clone(), spec: spec.clone(), key_epoch: epoch };
        match self.order_at(HOME, command, Durability::AllDurable).await {
            Ok(Reply::PoolCreated { place }) => {
                self.keys_follow(place);
                Ok(true)
            }
            // Another member was first, or an attempt of ours that was cut off.
            Ok(Reply::PoolExists) => {
                self.latest().await?;
                let existing = self.store().read(|objects| objects.pool(name));
                if existing.as_ref().is_none_or(|existing| existing.key_epoch != epoch) {
                    self.destroy_pool_key(name, epoch).await?;
                }
                match existing.is_some_and(|existing| existing.spec == spec) {
                    true => Ok(false),
                    false => Err(Refusal::PoolExists),
                }
            }
            Err(Refusal::OutcomeUnknown | Refusal::Unavailable | Refusal::NoMajority) => {
                Err(unknown_until_the_next_start())
            }
            other => {
                self.destroy_pool_key(name, epoch).await?;
                Err(other.map_or_else(|refusal| refusal, refused))
            }
        }
    }

    /// A pool of a client's, as it is, with what all its parts hold.
    /// # Errors  [`Refusal::PoolUnknown`]
    pub async fn pool(&self, name: &PoolName) -> Result<PoolInfo, Refusal> {
        let mut pool = self.pool_to_read(name).await?;
        if self.group().shelves.is_apart(&pool) {
            for part in self.group().shelves.parts(&pool) {
                let question = Question::Pool(part.pool);
                if let Ok(Answer::Pools(pools)) =
                    self.ask(part.shard, &question, care(&pool)).await?
                {
                    pools.iter().for_each(|part| add_up(&mut pool, part));
                }
            }
        }
        Ok(pool)
    }

    /// All pools of clients, by name.
    /// # Errors  [`Refusal`]
    pub async fn pools(&self) -> Result<Vec<PoolInfo>, Refusal> {
        let mut pools = self.store().read(|objects| objects.pools());
        pools.retain(|pool| !pool.name.is_reserved());
        let apart = pools.iter().any(|pool| self.group().shelves.is_apart(pool));
        for shelf in self.group().shelves.all().filter(|_| apart) {
            let asked = self.ask(shelf.shard(), &Question::Pools, Care::NONE).await?;
            let Ok(Answer::Pools(parts)) = asked else { continue };
            for part in parts {
                let Some((name, since)) = part.name.whole() else { continue };
                let whole = pools
                    .iter_mut()
                    .find(|pool| pool.name == name && pool.created.version.to_wire() == since);
                if let Some(pool) = whole {
                    add_up(pool, &part);
                }
            }
        }
        Ok(pools)
    }

    /// Destroys the keys of all versions of an object.
    /// # Errors  [`Refusal::ObjectUnknown`] if there is nothing to destroy; otherwise the keys are
    /// as they were, unless the disk failed in the midst: then they are gone from memory at least.
    /// # Cancel  Dropping the future abandons the answer, not the shred.
    pub async fn shred(
        &self,
        name: &ObjectName,
        condition: Condition,
    ) -> Result<Shredded, Refusal> {
        let (node, name) = (self.clone(), name.clone());
        to_its_end(async move {
            let pool = node.pool_to_read(&name.pool).await?;
            let part = node.group().shelves.part(&pool, &name.key);
            let scope = ShredScope::Object(name.key);
            let shredded = node.shred_part(&part, scope, condition).await;
            match shredded {
                Err(Refusal::PoolUnknown) if node.group().shelves.is_apart(&pool) => {
                    Err(Refusal::ObjectUnknown)
                }
                shredded => node.shredded(&name.pool, [shredded?]),
            }
        })
        .await
    }

    /// Destroys a pool's keys, and with them everything in the pool, and the pool.
    /// # Errors  [`Refusal::PoolUnknown`]. A part that could not be reached is shredded within a
    /// minute of its coming back.
    /// # Cancel  Dropping the future abandons the answer, not the shred.
    pub async fn shred_pool(&self, pool: &PoolName) -> Result<Shredded, Refusal> {
        let (node, name) = (self.clone(), pool.clone());
        to_its_end(async move {
            let pool = node.pool_to_read(&name).await?;
            // First what says that there is such a pool, so that nothing is added to it any more.
            let home = Part { shard: HOME, pool: name.clone() };
            let mut shredded =
                vec![node.shred_part(&home, ShredScope::Pool, Condition::Always).await?];
            for part in node.group().shelves.parts(&pool).into_iter().filter(|part| *part != home) {
                match node.shred_part(&part, ShredScope::Pool, Condition::Always).await {
                    // Nothing was ever written there.
                    Err(Refusal::PoolUnknown) => {}
                    part => shredded.push(part?),
                }
            }
            node.shredded(&name, shredded)
        })
        .await
    }

    /// What a client is told of a shred, of which the first part is the one that counts.
    fn shredded(
        &self,
        pool: &PoolName,
        parts: impl IntoIterator<Item = (Place, u64)>,
    ) -> Result<Shredded, Refusal> {
        let mut parts = parts.into_iter();
        let (place, mut versions) = parts.next().ok_or(Refusal::Internal("shredding"))?;
        versions += parts.map(|(_, versions)| versions).sum::<u64>();
        let digest = shred_digest(pool, place.version);
        Ok(Shredded { place, versions, digest, replicas: self.members() })
    }

    /// Destroys every version that has outlived its pool's retention, and keys that are left over.
    /// A pool that cannot be cleared keeps no other from it.
    /// # Errors  [`Refusal`] of the first pool that could not be cleared.
    pub(crate) async fn retire(&self, now: Hlc) -> Result<(), Refusal> {
        let mut cleared = self.clear_keys().await;
        for shelf in self.group().shelves.all() {
            // One of those who hold a shard is enough.
            if !self.holds(shelf.shard()) || !self.leads(shelf.shard()) {
                continue;
            }
            let mut due: Vec<_> = shelf
                .read(|objects| objects.expired(now))
                .into_iter()
                .map(|(pool, cutoff)| (pool, ShredScope::OlderThan(cutoff)))
                .collect();
            due.extend(self.orphans(shelf).await?.into_iter().map(|pool| (pool, ShredScope::Pool)));
            for (pool, scope) in due {
                let part = Part { shard: shelf.shard(), pool };
                let shredded = self.shred_part(&part, scope, Condition::Always).await;
                cleared = cleared.and(shredded.map(drop));
            }
        }
        cleared
    }

    /// Parts of pools that are no more.
    async fn orphans(&self, shelf: &Replicated<Objects>) -> Result<Vec<PoolName>, Refusal> {
        let parts = shelf.read(|objects| objects.pools());
        let parts: Vec<_> = parts.into_iter().filter(|part| part.name.whole().is_some()).collect();
        if parts.is_empty() {
            return Ok(Vec::new());
        }
        // Only now, so that a pool that was made before its part is seen.
        self.latest().await?;
        Ok(self.store().read(|home| {
            let whole = |part: &PoolInfo| {
                let (name, since) = part.name.whole()?;
                home.pool(&name).filter(|pool| pool.created.version.to_wire() == since)
            };
            let orphans = parts.iter().filter(|part| whole(part).is_none());
            orphans.map(|part| part.name.clone()).collect()
        }))
    }

    /// Shreds a part, here or at a node that holds it.
    async fn shred_part(
        &self,
        part: &Part,
        scope: ShredScope,
        condition: Condition,
    ) -> Result<(Place, u64), Refusal> {
        let (shard, pool) = (part.shard, &part.pool);
        let shredded = match self.holds(shard) {
            true => self.shred_here((shard, pool), scope, condition).await?,
            false => self.shred_far((shard, pool), scope, condition).await?,
        };
        match shredded {
            Reply::Shredded { place, versions } => Ok((place, versions)),
            other => Err(refused(other)),
        }
    }

    /// The shred itself. The part gets a new key; the data keys of what survives are wrapped anew
    /// under it; that is ordered; and then the old key is destroyed, in memory and on disk.
    /// Logs, snapshots and backups hold data keys under the old key, so they are reached too.
    pub(crate) async fn shred_here(
        &self,
        (shard, pool): (ShardId, &PoolName),
        scope: ShredScope,
        condition: Condition,
    ) -> Result<Reply, Refusal> {
        let _changing = self.key_changes().lock().await;
        let shelf = self.shelf(shard)?;
        latest_of(shelf).await?;
        let mut alone = None;
        for attempt in 0..SHRED_TRIES_MAX {
            if attempt == SHRED_TRIES_AMONG_WRITES {
                alone = Some(self.writes().write().await);
            }
            let (from_epoch, survivors) = shelf.read(|objects| {
                let epoch = objects.pool(pool).ok_or(Refusal::PoolUnknown)?.key_epoch;
                if let ShredScope::Object(key) = &scope {
                    objects.require(pool, key, condition).map_err(mismatch)?;
                    objects.history(pool, key).map_err(missing)?;
                }
                Ok::<_, Refusal>((epoch, objects.survivors(pool, &scope)))
            })?;
            let next = from_epoch.checked_add(1).ok_or(Refusal::Internal("numbering keys"))?;
            let (to_epoch, rewrapped) = match scope {
                ShredScope::Pool => (next, Vec::new()),
                _ => {
                    let to_epoch = self.new_pool_key(pool, next).await?;
                    let keys = (self.pool_key(pool, from_epoch)?, self.pool_key(pool, to_epoch)?);
                    (to_epoch, rewrap_all(&keys.0, &keys.1, survivors)?)
                }
            };
            let scope = scope.clone();
            let pool_name = pool.clone();
            let command = Command::Shred {
                pool: pool_name,
                scope: scope.clone(),
                from_epoch,
                to_epoch,
                rewrapped,
            };
            match self.order_at(shard, command, Durability::AllDurable).await {
                Ok(Reply::Shredded { place, versions }) => {
                    if shard == HOME {
                        self.keys_follow(place);
                    }
                    drop(alone);
                    let forgotten = self.destroy_pool_key(pool, from_epoch).await;
                    forgotten.map_err(|_| Refusal::Internal("wiping a key from its disk"))?;
                    return Ok(Reply::Shredded { place, versions });
                }
                Err(Refusal::OutcomeUnknown | Refusal::Unavailable | Refusal::NoMajority) => {
                    return Err(unknown_until_the_next_start());
                }
                // The key that was drawn for nothing has wrapped what is to be destroyed, and that
                // is in the log; so it goes, and no later attempt takes its place.
                other => {
                    if scope != ShredScope::Pool {
                        self.destroy_pool_key(pool, to_epoch).await?;
                    }
                    match other {
                        Ok(Reply::Moved) => {}
                        other => return Err(other.map_or_else(|refusal| refusal, refused)),
                    }
                }
            }
        }
        Err(Refusal::Busy { retry_after: RETRY })
    }

    /// Tells the key table how far the store is on disk, so that it knows an older copy later.
    fn keys_follow(&self, place: Place) {
        // What the table does not learn now it learns at the next change or start.
        let _ = self.change_keys(|keys| {
            keys.reached(place.version);
            Ok(())
        });
    }
}

fn add_up(pool: &mut PoolInfo, part: &PoolInfo) {
    pool.objects += part.objects;
    pool.bytes += part.bytes;
}

/// Carries a change of keys to its end, even when nobody waits for it any more. One that was cut
/// off would give the lock on keys free while its command is still on its way, and the next change
/// would replace or forget the very key that the command makes the pool's.
pub(crate) async fn to_its_end<T: Send + 'static>(
    change: impl Future<Output = Result<T, Refusal>> + Send + 'static,
) -> Result<T, Refusal> {
    tokio::spawn(change).await.unwrap_or(Err(Refusal::Internal("changing its keys")))
}

/// The replica stopped. Its log may hold the command or not, and the pool will need the new key or
/// the old one, so both stay until the next start, which sees which it was and forgets the other.
fn unknown_until_the_next_start() -> Refusal {
    Refusal::OutcomeUnknown
}

fn rewrap_all(
    old: &WrappingKey,
    new: &WrappingKey,
    survivors: Vec<([u8; 16], notrace_store_objects::WrappedKey, Epoch)>,
) -> Result<Vec<([u8; 16], notrace_store_objects::WrappedKey)>, Refusal> {
    let work = || {
        survivors
            .into_iter()
            .map(|(id, wrapped, _)| Ok((id, values::rewrap(old, new, &id, &wrapped)?)))
            .collect()
    };
    tokio::task::block_in_place(work)
}

fn mismatch(current: Option<Version>) -> Refusal {
    Refusal::VersionMismatch { current, index: None }
}

fn shred_digest(pool: &PoolName, version: Version) -> Digest {
    let version = version.to_wire().to_be_bytes();
    Digest::of_parts(Domain::Shred, &[&version, pool.as_str().as_bytes()])
}
