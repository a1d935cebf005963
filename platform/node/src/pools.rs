//! Pools, and the destroying of keys.

use notrace_policy_promise::digest::{Digest, Domain};
use notrace_policy_promise::name::{ObjectKey, ObjectName, PoolName};
use notrace_sdk_seal::WrappingKey;
use notrace_store_objects::{Command, Condition, PoolInfo, PoolSpec, Reply, ShredScope};
use notrace_store_protocol::ids::Version;
use notrace_store_protocol::machine::{Durability, Place};
use notrace_store_protocol::time::Hlc;

use crate::group::{KeyOrder as Order, KeyOrdered as Ordered};
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
        let epoch = self.first_epoch(name);
        self.new_pool_key(name, epoch).await?;
        let command = Command::CreatePool { pool: name.clone(), spec, key_epoch: epoch };
        match self.order(command, Durability::AllDurable).await {
            Ok(Reply::PoolCreated { place }) => {
                self.keys_follow(place);
                Ok(true)
            }
            Err(Refusal::Unavailable | Refusal::NoMajority) => Err(unknown_until_the_next_start()),
            other => {
                self.forget_stray_keys()?;
                Err(other.map_or_else(|refusal| refusal, refused))
            }
        }
    }

    /// A pool of a client's, as it is.
    /// # Errors  [`Refusal::PoolUnknown`]
    pub fn pool(&self, name: &PoolName) -> Result<PoolInfo, Refusal> {
        self.store().read(|objects| objects.pool(name)).ok_or(Refusal::PoolUnknown)
    }

    /// All pools of clients, by name.
    pub fn pools(&self) -> Vec<PoolInfo> {
        let mut pools = self.store().read(|objects| objects.pools());
        pools.retain(|pool| !pool.name.is_reserved());
        pools
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
        let scope = ShredScope::Object(name.key.clone());
        to_its_end(async move {
            node.shred_scope(&name.pool, scope, Some((&name.key, condition))).await
        })
        .await
    }

    /// Destroys a pool's key, and with it everything in the pool, and the pool.
    /// # Errors  [`Refusal::PoolUnknown`]
    /// # Cancel  Dropping the future abandons the answer, not the shred.
    pub async fn shred_pool(&self, pool: &PoolName) -> Result<Shredded, Refusal> {
        let (node, pool) = (self.clone(), pool.clone());
        to_its_end(async move { node.shred_scope(&pool, ShredScope::Pool, None).await }).await
    }

    /// Destroys every version that has outlived its pool's retention, and keys that are left over.
    /// A pool that cannot be cleared keeps no other from it.
    /// # Errors  [`Refusal`] of the first pool that could not be cleared.
    pub(crate) async fn retire(&self, now: Hlc) -> Result<(), Refusal> {
        // What an earlier shred destroyed in memory but could not wipe from the disk.
        let changing = self.key_changes().lock().await;
        let mut cleared = self.forget_stray_keys();
        drop(changing);
        for (pool, cutoff) in self.store().read(|objects| objects.expired(now)) {
            let shredded = self.shred_scope(&pool, ShredScope::OlderThan(cutoff), None).await;
            cleared = cleared.and(shredded.map(drop));
        }
        cleared
    }

    /// The shred itself. The pool gets a new key; the data keys of what survives are wrapped anew
    /// under it; that is ordered; and then the old pool key is destroyed, in memory and on disk.
    /// Logs, snapshots and backups hold data keys under the old pool key, so they are reached too.
    async fn shred_scope(
        &self,
        pool: &PoolName,
        scope: ShredScope,
        object: Option<(&ObjectKey, Condition)>,
    ) -> Result<Shredded, Refusal> {
        let _changing = self.key_changes().lock().await;
        let mut alone = None;
        for attempt in 0..SHRED_TRIES_MAX {
            if attempt == SHRED_TRIES_AMONG_WRITES {
                alone = Some(self.writes().write().await);
            }
            let (from_epoch, survivors) = self.store().read(|objects| {
                let epoch = objects.pool(pool).ok_or(Refusal::PoolUnknown)?.key_epoch;
                if let Some((key, condition)) = object {
                    objects.require(pool, key, condition).map_err(mismatch)?;
                    objects.history(pool, key).map_err(missing)?;
                }
                Ok::<_, Refusal>((epoch, objects.survivors(pool, &scope)))
            })?;
            let to_epoch = from_epoch.checked_add(1).ok_or(Refusal::Internal("numbering keys"))?;
            let rewrapped = if scope == ShredScope::Pool {
                Vec::new()
            } else {
                self.new_pool_key(pool, to_epoch).await?;
                let (old, new) = (self.pool_key(pool, from_epoch)?, self.pool_key(pool, to_epoch)?);
                rewrap_all(&old, &new, survivors)?
            };
            let command = Command::Shred {
                pool: pool.clone(),
                scope: scope.clone(),
                from_epoch,
                to_epoch,
                rewrapped,
            };
            match self.order(command, Durability::AllDurable).await {
                Ok(Reply::Shredded { place, versions }) => {
                    self.keys_follow(place);
                    drop(alone);
                    let forgotten = self.destroy_pool_key(pool, from_epoch).await;
                    forgotten.map_err(|_| Refusal::Internal("wiping a key from its disk"))?;
                    let digest = shred_digest(pool, place.version);
                    let replicas = self.members();
                    return Ok(Shredded { place, versions, digest, replicas });
                }
                Ok(Reply::Moved) => self.forget_stray_keys()?,
                Err(Refusal::Unavailable | Refusal::NoMajority) => {
                    return Err(unknown_until_the_next_start());
                }
                other => {
                    self.forget_stray_keys()?;
                    return Err(other.map_or_else(|refusal| refusal, refused));
                }
            }
        }
        Err(Refusal::Busy { retry_after: std::time::Duration::from_secs(1) })
    }

    /// Tells the key table how far the store is on disk, so that it knows an older copy later.
    fn keys_follow(&self, place: Place) {
        // What the table does not learn now it learns at the next change or start.
        let _ = self.change_keys(|keys| {
            keys.reached(place.version);
            Ok(())
        });
    }

    /// The current key of each pool, as the store names it.
    pub(crate) fn live_keys(&self) -> std::collections::BTreeMap<PoolName, Epoch> {
        self.store().read(|objects| {
            objects.pools().into_iter().map(|pool| (pool.name, pool.key_epoch)).collect()
        })
    }

    /// Destroys every key that the store does not name as a pool's current one. Where there are
    /// other members, a key that all of them were given may be one that another is about to make a
    /// pool's, so it is left until it is destroyed by order.
    pub(crate) fn forget_stray_keys(&self) -> Result<(), Refusal> {
        let live = self.live_keys();
        if self.group().links.is_none() {
            return self.change_keys(|keys| keys.keep_only(|pool| live.get(pool).copied()));
        }
        let ordered = self.group().keyring.read(|ring| ring.keys().clone());
        let stray = self.key_places().into_iter().filter(|(pool, epoch)| {
            let given = ordered.contains_key(&(pool.as_str().to_owned(), *epoch));
            !given && live.get(pool) != Some(epoch)
        });
        let stray: Vec<_> = stray.collect();
        self.change_keys(|keys| keys.destroy(&stray))
    }

    /// The number of a new pool's first key: none that an earlier pool of this name had.
    fn first_epoch(&self, pool: &PoolName) -> Epoch {
        if self.group().links.is_none() {
            return 1;
        }
        let used = self.group().keyring.read(|ring| ring.last_epoch(pool));
        used.saturating_add(1)
    }

    /// Draws a pool's next key. When this returns, every member keeps it, on its disk too.
    async fn new_pool_key(&self, pool: &PoolName, epoch: Epoch) -> Result<(), Refusal> {
        let Some(links) = &self.group().links else {
            return self.change_keys(|keys| keys.add(pool, epoch));
        };
        let mut drawn = zeroize::Zeroizing::new([0; 32]);
        crate::identity::fill(&mut *drawn).map_err(|_| Refusal::Internal("drawing a key"))?;
        let wrapped = links.wrap(pool.as_str(), epoch, &drawn)?;
        let place = (pool.as_str().to_owned(), epoch);
        let (version, reply) = self.order_key(Order::Add { place, wrapped }).await?;
        match reply {
            Ordered::Done | Ordered::There => self.keys_settled(version).await,
            Ordered::Removed => Err(Refusal::Busy { retry_after: RETRY }),
            Ordered::Full => Err(Refusal::PoolsFull),
        }
    }

    /// Destroys a pool's former key. When this returns, no member has it any more.
    async fn destroy_pool_key(&self, pool: &PoolName, epoch: Epoch) -> Result<(), Refusal> {
        if self.group().links.is_none() {
            return self.forget_stray_keys();
        }
        let place = (pool.as_str().to_owned(), epoch);
        let (version, _) = self.order_key(Order::Remove { place }).await?;
        self.keys_settled(version).await?;
        self.forget_stray_keys()
    }
}

/// Carries a change of keys to its end, even when nobody waits for it any more. One that was cut
/// off would give the lock on keys free while its command is still on its way, and the next change
/// would replace or forget the very key that the command makes the pool's.
async fn to_its_end<T: Send + 'static>(
    change: impl Future<Output = Result<T, Refusal>> + Send + 'static,
) -> Result<T, Refusal> {
    tokio::spawn(change).await.unwrap_or(Err(Refusal::Internal("changing its keys")))
}

/// The replica stopped. Its log may hold the command or not, and the pool will need the new key or
/// the old one, so both stay until the next start, which sees which it was and forgets the other.
fn unknown_until_the_next_start() -> Refusal {
    Refusal::Unavailable
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
