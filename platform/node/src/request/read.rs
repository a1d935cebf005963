//! One ordered, stable cut: the granted objects as ciphertext, with their keys.

use std::time::Duration;

use notrace_policy_rules::Grant;
use notrace_runtime_worker::GrantedObject;
use notrace_store_objects::{At, Transport};
use notrace_store_protocol::ids::Version;

use crate::limits::PUT_TRIES_MAX;
use crate::node::Node;
use crate::objects::missing;
use crate::refusal::Refusal;
use crate::request::place::Site;
use crate::values;

/// The granted objects, all as of one version.
pub(super) struct Cut {
    /// The version everything is as of.
    pub(super) version: Version,
    /// The time the task will see on its clocks, in microseconds since the Unix epoch.
    pub(super) time_unix_micros: u64,
    /// The objects, in the grant's order.
    pub(super) objects: Vec<GrantedObject>,
}

/// Reads the cut. Everything is looked up under one reading lock, so the versions agree; keys are
/// unwrapped, values are not opened. A shred that ends meanwhile takes a key away; then the cut is
/// taken anew.
/// # Errors  [`Refusal::ObjectUnknown`] and its like; [`Refusal::Busy`] when a pool is no longer
/// what the grant was given for.
pub(super) async fn read(node: &Node, grant: &Grant, _site: &Site) -> Result<Cut, Refusal> {
    node.latest().await?;
    for _ in 0..PUT_TRIES_MAX {
        if let Some(cut) = read_once(node, grant)? {
            for handle in grant.handles() {
                node.safe(&handle.object.pool, cut.version).await?;
            }
            return Ok(cut);
        }
    }
    Err(Refusal::Internal("finding a pool's key"))
}

/// The cut, or nothing when a key it needs is gone.
fn read_once(node: &Node, grant: &Grant) -> Result<Option<Cut>, Refusal> {
    let (version, found) = node.store().read(|objects| {
        let found = grant.handles().iter().map(|handle| {
            let name = &handle.object;
            // The grant was for the pool as it was then; one made anew since is another pool.
            let spec = objects.pool(&name.pool).ok_or(Refusal::PoolUnknown)?.spec;
            let sealed_only = spec.transport == Transport::Sealed;
            if (spec.label, sealed_only) != (handle.label.clone(), handle.sealed_only) {
                return Err(Refusal::Busy { retry_after: Duration::from_secs(1) });
            }
            let found = objects.get(&name.pool, &name.key, At::Latest).map_err(missing)?;
            Ok((name.clone(), found.value.clone()))
        });
        found.collect::<Result<Vec<_>, Refusal>>().map(|found| (objects.version(), found))
    })?;
    let mut objects = Vec::with_capacity(found.len());
    for (name, sealed) in found {
        let Ok(pool) = node.pool_key(&name.pool, sealed.key_epoch) else { return Ok(None) };
        let key = values::data_key(&pool, &sealed);
        objects.push(GrantedObject {
            ad: values::purpose(&name, &sealed.id),
            key: key.map_err(|_| Refusal::Internal("unwrapping a key"))?,
            sealed: sealed.ciphertext,
            name,
        });
    }
    Ok(Some(Cut { version, time_unix_micros: crate::clock::unix_micros(), objects }))
}
