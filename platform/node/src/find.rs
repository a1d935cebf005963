//! Finding what a client names: the pool, and the part of it in which a key is.

use notrace_policy_promise::name::{ObjectKey, ObjectName, PoolName};
use notrace_store_objects::{
    Answer, Command, Consistency, Kept, Missing, PoolInfo, Question, Reply,
};
use notrace_store_protocol::machine::Durability;

use crate::group::{Care, Part, Sight};
use crate::keys::Epoch;
use crate::limits::PUT_TRIES_MAX;
use crate::node::Node;
use crate::objects::{another_answer, missing, refused};
use crate::pools::to_its_end;
use crate::refusal::Refusal;

/// Where a write goes.
pub(crate) struct Found {
    /// The part.
    pub(crate) part: Part,
    /// Its current key.
    pub(crate) epoch: Epoch,
    /// How safe a write is when it is answered.
    pub(crate) durability: Durability,
    /// Whether the part is elsewhere than what is known of the pool.
    pub(crate) is_apart: bool,
}

/// How careful reads of a pool are: nobody is told of what a failure could take back, unless that
/// is how writes are answered as well.
pub(crate) fn care(pool: &PoolInfo) -> Care {
    let safe = match pool.spec.durability {
        Durability::Delivered => Durability::Delivered,
        Durability::MajorityDurable | Durability::AllDurable => Durability::MajorityDurable,
    };
    let sight = match pool.spec.consistency {
        Consistency::Linearizable => Sight::Latest,
        Consistency::Causal => Sight::InView,
        Consistency::Scratch => Sight::Any,
    };
    Care { sight, safe }
}

impl Node {
    /// A pool, as this node knows it; one that it does not know may have been made elsewhere.
    /// # Errors  [`Refusal::PoolUnknown`]
    pub(crate) async fn pool_to_read(&self, pool: &PoolName) -> Result<PoolInfo, Refusal> {
        let here = || self.store().read(|objects| objects.pool(pool));
        if let Some(info) = here() {
            return Ok(info);
        }
        self.latest().await?;
        here().ok_or(Refusal::PoolUnknown)
    }

    /// Where a write of this key goes. The part is made if this is the first.
    /// # Errors  [`Refusal`]
    pub(crate) async fn find_to_write(
        &self,
        pool: &PoolName,
        key: &ObjectKey,
    ) -> Result<Found, Refusal> {
        self.find_together(pool, core::iter::once(key)).await
    }

    /// Where a write of all these keys goes.
    /// # Errors  [`Refusal::NotTogether`] if they are in several parts.
    pub(crate) async fn find_together<'a>(
        &self,
        pool: &PoolName,
        keys: impl Iterator<Item = &'a ObjectKey>,
    ) -> Result<Found, Refusal> {
        let info = self.pool_to_read(pool).await?;
        let shelves = &self.group().shelves;
        let mut parts = keys.map(|key| shelves.part(&info, key));
        let first = parts.next().or_else(|| shelves.parts(&info).into_iter().next());
        let part = first.ok_or(Refusal::PoolUnknown)?;
        if parts.any(|other| other != part) {
            return Err(Refusal::NotTogether);
        }
        let (is_apart, durability) = (shelves.is_apart(&info), info.spec.durability);
        let epoch = match is_apart {
            false => info.key_epoch,
            true => self.part_epoch(&info, &part).await?,
        };
        Ok(Found { part, epoch, durability, is_apart })
    }

    /// The current key of a part, which is made if it is not there.
    async fn part_epoch(&self, info: &PoolInfo, part: &Part) -> Result<Epoch, Refusal> {
        let question = Question::Pool(part.pool.clone());
        for _ in 0..PUT_TRIES_MAX {
            match self.ask(part.shard, &question, Care::NONE).await? {
                Ok(Answer::Pools(pools)) => {
                    let part = pools.first().ok_or_else(another_answer)?;
                    return Ok(part.key_epoch);
                }
                Ok(_) => return Err(another_answer()),
                Err(Missing::PoolUnknown) => self.make_part(info, part).await?,
                Err(none) => return Err(missing(none)),
            }
        }
        Err(Refusal::Internal("making a part of a pool"))
    }

    /// Makes a part of a pool that is still there.
    async fn make_part(&self, info: &PoolInfo, part: &Part) -> Result<(), Refusal> {
        // A pool that was dropped elsewhere must not get a part that nobody would ever drop.
        self.latest().await?;
        let now = self.store().read(|objects| objects.pool(&info.name));
        if now.is_none_or(|now| now.created != info.created) {
            return Err(Refusal::PoolUnknown);
        }
        let (node, part, spec) = (self.clone(), part.clone(), info.spec.clone());
        to_its_end(async move {
            let _changing = node.key_changes().lock().await;
            let epoch = node.new_pool_key(&part.pool, 0).await?;
            let pool = part.pool.clone();
            let durability = match spec.kept {
                Kept::OnDisk => Durability::AllDurable,
                Kept::InMemory => Durability::Delivered,
            };
            let command = Command::CreatePool { pool, spec, key_epoch: epoch };
            match node.order_at(part.shard, command, durability).await? {
                Reply::PoolCreated { .. } => Ok(()),
                Reply::PoolExists => node.yield_key(&part, epoch).await,
                other => Err(refused(other)),
            }
        })
        .await
    }

    /// The part was there already: made by another, and the key that was drawn for nothing goes; or
    /// by an attempt of ours that was cut off, and the key is its.
    async fn yield_key(&self, part: &Part, epoch: Epoch) -> Result<(), Refusal> {
        let question = Question::Pool(part.pool.clone());
        match self.ask(part.shard, &question, Care::LATEST).await? {
            Ok(Answer::Pools(pools)) if pools.first().is_some_and(|it| it.key_epoch == epoch) => {
                Ok(())
            }
            _ => self.destroy_pool_key(&part.pool, epoch).await,
        }
    }

    /// Asks the part in which an object is. A part that is not there has no objects, unless the
    /// pool is another one by now.
    /// # Errors  [`Refusal`]
    pub(crate) async fn ask_about(
        &self,
        name: &ObjectName,
        question: impl Fn(&Part) -> Question,
    ) -> Result<(Part, Answer), Refusal> {
        for _ in 0..PUT_TRIES_MAX {
            let info = self.pool_to_read(&name.pool).await?;
            let part = self.group().shelves.part(&info, &name.key);
            match self.ask(part.shard, &question(&part), care(&info)).await? {
                Ok(answer) => return Ok((part, answer)),
                Err(Missing::PoolUnknown) if self.group().shelves.is_apart(&info) => {
                    self.latest().await?;
                    let now = self.store().read(|objects| objects.pool(&name.pool));
                    let now = now.ok_or(Refusal::PoolUnknown)?;
                    if now.created == info.created {
                        return Err(Refusal::ObjectUnknown);
                    }
                }
                Err(none) => return Err(missing(none)),
            }
        }
        Err(Refusal::Internal("finding a pool"))
    }
}
