//! One ordered, stable cut: the granted objects as ciphertext, with their keys.

use std::collections::BTreeMap;
use std::time::Duration;

use notrace_policy_promise::name::ObjectName;
use notrace_policy_rules::Grant;
use notrace_runtime_worker::GrantedObject;
use notrace_store_objects::{Answer, At, Missing, Question};
use notrace_store_protocol::ids::{ShardId, Version};
use notrace_store_protocol::machine::Durability;

use crate::find::care as care_of;
use crate::group::{Care, HOME, Part};
use crate::limits::PUT_TRIES_MAX;
use crate::node::Node;
use crate::objects::{another_answer, missing};
use crate::refusal::Refusal;
use crate::request::place::Site;
use crate::values;

/// The granted objects, those of each shard as of one version.
pub(super) struct Cut {
    /// The version that the first object's shard is as of; the home shard's where there is none.
    pub(super) version: Version,
    /// The time the task will see on its clocks, in microseconds since the Unix epoch.
    pub(super) time_unix_micros: u64,
    /// The objects, in the grant's order.
    pub(super) objects: Vec<GrantedObject>,
}

/// Reads the cut. What one shard has is looked up under one reading lock, so the versions agree;
/// keys are unwrapped, values are not opened. A shred that ends meanwhile takes a key away; then
/// the cut is taken anew.
/// # Errors  [`Refusal::ObjectUnknown`] and its like; [`Refusal::Busy`] when a pool is no longer
/// what the grant was given for.
pub(super) async fn read(node: &Node, grant: &Grant, _site: &Site) -> Result<Cut, Refusal> {
    for _ in 0..PUT_TRIES_MAX {
        // Afresh each time: a pool that was made anew has other parts.
        node.latest().await?;
        if let Some(cut) = read_once(node, grant).await? {
            return Ok(cut);
        }
    }
    Err(Refusal::Internal("finding a pool's key"))
}

/// An object's place among those granted, and the part it is in.
struct Wanted<'a> {
    at: usize,
    name: &'a ObjectName,
    part: Part,
}

/// The cut, or nothing when a key it needs is gone.
async fn read_once(node: &Node, grant: &Grant) -> Result<Option<Cut>, Refusal> {
    let (by_shard, care) = wanted(node, grant)?;
    let first = by_shard.iter().find(|(_, wanted)| wanted.iter().any(|wanted| wanted.at == 0));
    let first = first.map_or(HOME, |(shard, _)| *shard);
    let mut version = node.store().read(|objects| objects.version());
    let mut objects = Vec::with_capacity(grant.handles().len());
    for (shard, wanted) in &by_shard {
        let names = wanted.iter().map(|it| (it.part.pool.clone(), it.name.key.clone()));
        let question = Question::Values { objects: names.collect(), at: At::Latest };
        let answer = node.ask(*shard, &question, care).await?;
        let answer = answer.map_err(|none| match none {
            // A part is made by its first write.
            Missing::PoolUnknown => Refusal::ObjectUnknown,
            none => missing(none),
        })?;
        let Answer::Values(as_of, values) = answer else { return Err(another_answer()) };
        if *shard == first {
            version = as_of;
        }
        for (wanted, (_, sealed)) in wanted.iter().zip(values) {
            let Ok(pool) = node.pool_key(&wanted.part.pool, sealed.key_epoch) else {
                return Ok(None);
            };
            let key = values::data_key(&pool, &sealed);
            let object = GrantedObject {
                ad: values::purpose(wanted.name, &sealed.id),
                key: key.map_err(|_| Refusal::Internal("unwrapping a key"))?,
                sealed: sealed.ciphertext,
                name: wanted.name.clone(),
            };
            objects.push((wanted.at, object));
        }
    }
    objects.sort_by_key(|(at, _)| *at);
    let objects = objects.into_iter().map(|(_, object)| object).collect();
    Ok(Some(Cut { version, time_unix_micros: crate::clock::unix_micros(), objects }))
}

/// The granted objects by shard, and how careful to be: as the most careful of their pools.
fn wanted<'a>(
    node: &Node,
    grant: &'a Grant,
) -> Result<(BTreeMap<ShardId, Vec<Wanted<'a>>>, Care), Refusal> {
    let mut by_shard: BTreeMap<ShardId, Vec<Wanted<'a>>> = BTreeMap::new();
    let mut care = Care::LATEST;
    for (at, handle) in grant.handles().iter().enumerate() {
        let name = &handle.object;
        let pool = node.store().read(|objects| objects.pool(&name.pool));
        let pool = pool.ok_or(Refusal::PoolUnknown)?;
        // The grant was for the pool as it was then; one made anew since is another pool.
        let now = (&pool.spec.label, pool.spec.sealed_only(), pool.spec.release);
        if now != (&handle.label, handle.sealed_only, handle.release) {
            return Err(Refusal::Busy { retry_after: Duration::from_secs(1) });
        }
        if care_of(&pool).safe != Durability::Delivered {
            care.safe = Durability::MajorityDurable;
        }
        let part = node.group().shelves.part(&pool, &name.key);
        by_shard.entry(part.shard).or_default().push(Wanted { at, name, part });
    }
    Ok((by_shard, care))
}
