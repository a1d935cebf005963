//! The machine: commands in, replies out, in the one order.

use std::collections::BTreeMap;

use notrace_policy_promise::limits::TRANSACT_OPS_MAX;
use notrace_policy_promise::name::{ObjectKey, PoolName};
use notrace_store_protocol::ids::Version;
use notrace_store_protocol::machine::Place;
use notrace_store_protocol::time::Hlc;

use crate::changes::Changes;
use crate::command::{Command, Condition, ObjectsConfig, Op, Reply, Session, ShredScope};
use crate::found::{Change, ChangeKind};
use crate::limits::POOL_VALUES_MAX;
use crate::object::Content;
use crate::pool::PoolSpec;
use crate::pools::PoolState;
use crate::sealed::{Sealed, WrappedKey};
use crate::sessions::Sessions;

/// All objects of a shard, as of the last command applied.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Objects {
    pub(crate) config: ObjectsConfig,
    pub(crate) version: Version,
    pub(crate) time: Hlc,
    pub(crate) pools: BTreeMap<PoolName, PoolState>,
    pub(crate) changes: Changes,
    pub(crate) sessions: Sessions,
}

impl Objects {
    /// A machine without pools.
    pub fn new(config: ObjectsConfig) -> Self {
        Self {
            config,
            version: Version::ZERO,
            time: Hlc::ZERO,
            pools: BTreeMap::new(),
            changes: Changes::default(),
            sessions: Sessions::default(),
        }
    }

    pub(crate) fn carry_out(&mut self, place: Place, command: Command) -> Reply {
        assert!(place.version > self.version, "an update came twice or out of order");
        assert!(place.time > self.time, "time did not rise with the order");
        (self.version, self.time) = (place.version, place.time);
        self.sessions.expire(place.time);
        let reply = match command {
            Command::CreatePool { pool, spec, key_epoch } => {
                self.create_pool(place, pool, spec, key_epoch)
            }
            Command::Put { pool, key, condition, value, session } => {
                self.once(session, |objects| objects.put(place, &pool, &key, condition, value))
            }
            Command::Delete { pool, key, condition, session } => {
                self.once(session, |objects| objects.delete(place, &pool, &key, condition))
            }
            Command::Transact { pool, ops, session } => {
                self.once(session, |objects| objects.transact(place, &pool, ops))
            }
            Command::Shred { pool, scope, from_epoch, to_epoch, rewrapped } => {
                self.shred(place, &pool, &scope, Rotation { from_epoch, to_epoch, rewrapped })
            }
            Command::Configure(config) => {
                self.config = config;
                Reply::Configured
            }
        };
        self.check();
        reply
    }

    fn create_pool(
        &mut self,
        place: Place,
        pool: PoolName,
        spec: PoolSpec,
        key_epoch: u32,
    ) -> Reply {
        if self.pools.contains_key(&pool) {
            return Reply::PoolExists;
        }
        if self.pools.len() >= self.config.pools_max as usize {
            return Reply::PoolsFull;
        }
        self.pools.insert(pool, PoolState::new(spec, place, key_epoch));
        Reply::PoolCreated { place }
    }

    /// Applies what `session` asks for unless it was applied before.
    fn once(&mut self, session: Option<Session>, apply: impl FnOnce(&mut Self) -> Reply) -> Reply {
        let Some(session) = session else { return apply(self) };
        if let Some(reply) = self.sessions.recall(&session) {
            return reply;
        }
        let reply = apply(self);
        let changed = matches!(
            reply,
            Reply::Stored { .. } | Reply::Deleted { .. } | Reply::Transacted { .. }
        );
        if changed {
            self.sessions.keep(&session, self.time, &reply);
        }
        reply
    }

    fn put(
        &mut self,
        place: Place,
        name: &PoolName,
        key: &ObjectKey,
        condition: Condition,
        value: Sealed,
    ) -> Reply {
        let Some(pool) = self.pools.get(name) else { return Reply::PoolUnknown };
        if value.key_epoch != pool.key_epoch {
            return Reply::StaleKey { current: pool.key_epoch };
        }
        if let Err(current) = pool.require(key, condition) {
            return Reply::Mismatch { current, index: None };
        }
        let ample = self.has_room(pool, PoolState::put_cost_max(key, &value), 1);
        if !ample && !self.has_room(pool, pool.put_cost(key, &value), 1) {
            return Reply::OutOfSpace;
        }
        let created = self.push(name, key, place, Content::Value(value));
        Reply::Stored { place, created }
    }

    fn delete(
        &mut self,
        place: Place,
        name: &PoolName,
        key: &ObjectKey,
        condition: Condition,
    ) -> Reply {
        let Some(pool) = self.pools.get(name) else { return Reply::PoolUnknown };
        if let Err(current) = pool.require(key, condition) {
            return Reply::Mismatch { current, index: None };
        }
        if pool.current(key).is_none() {
            return Reply::ObjectUnknown;
        }
        self.push(name, key, place, Content::Tombstone);
        Reply::Deleted { place }
    }

    fn transact(&mut self, place: Place, name: &PoolName, ops: Vec<Op>) -> Reply {
        let Some(pool) = self.pools.get(name) else { return Reply::PoolUnknown };
        if let Err(reply) = self.judge(pool, &ops) {
            return reply;
        }
        for op in ops {
            match op {
                Op::Put { key, value, .. } => {
                    self.push(name, &key, place, Content::Value(value));
                }
                Op::Delete { key, .. } => {
                    let pool = self.pools.get(name);
                    if pool.is_some_and(|pool| pool.current(&key).is_some()) {
                        self.push(name, &key, place, Content::Tombstone);
                    }
                }
                Op::Check { .. } => {}
            }
        }
        Reply::Transacted { place }
    }

    /// Whether all of a transaction can be carried out. Nothing is touched before this is known.
    fn judge(&self, pool: &PoolState, ops: &[Op]) -> Result<(), Reply> {
        if ops.len() > TRANSACT_OPS_MAX {
            return Err(Reply::TooManyOps);
        }
        let mut written: Vec<&ObjectKey> = Vec::new();
        let (mut cost, mut values) = (0u64, 0u64);
        for (index, op) in (0u32..).zip(ops) {
            if let Op::Put { key, value, .. } = op {
                if value.key_epoch != pool.key_epoch {
                    return Err(Reply::StaleKey { current: pool.key_epoch });
                }
                cost = cost.saturating_add(pool.put_cost(key, value));
                values += 1;
            }
            if !matches!(op, Op::Check { .. }) {
                if written.contains(&op.key()) {
                    return Err(Reply::WrittenTwice { index });
                }
                written.push(op.key());
            }
        }
        for (index, op) in (0u32..).zip(ops) {
            if let Err(current) = pool.require(op.key(), op.condition()) {
                return Err(Reply::Mismatch { current, index: Some(index) });
            }
        }
        if values == 0 || self.has_room(pool, cost, values) {
            Ok(())
        } else {
            Err(Reply::OutOfSpace)
        }
    }

    fn shred(
        &mut self,
        place: Place,
        name: &PoolName,
        scope: &ShredScope,
        rotation: Rotation,
    ) -> Reply {
        let Some(pool) = self.pools.get_mut(name) else { return Reply::PoolUnknown };
        if rotation.from_epoch != pool.key_epoch {
            return Reply::Moved;
        }
        if *scope == ShredScope::Pool {
            let versions = pool.sums.values;
            self.pools.remove(name);
            self.changes.forget(name, |_| true);
            return Reply::Shredded { place, versions };
        }
        let survivors = pool.survivors(scope).map(|value| value.id);
        let same = survivors.eq(rotation.rewrapped.iter().map(|(id, _)| *id));
        if rotation.to_epoch <= rotation.from_epoch || !same {
            return Reply::Moved;
        }
        if let ShredScope::Object(key) = scope
            && !pool.objects.contains_key(key.as_str())
        {
            return Reply::ObjectUnknown;
        }
        let (versions, gone) = pool.shred(scope, place);
        pool.rewrap(rotation.to_epoch, rotation.rewrapped);
        if let ShredScope::OlderThan(cutoff) = scope
            && let Some(last) = self.changes.forget(name, |change| change.time < *cutoff)
        {
            pool.trimmed = pool.trimmed.max(last);
        }
        gone.into_iter().for_each(|key| self.note(name, key, place, ChangeKind::Shred, 0));
        Reply::Shredded { place, versions }
    }

    fn push(&mut self, name: &PoolName, key: &ObjectKey, place: Place, content: Content) -> bool {
        let (kind, plain_len) = match &content {
            Content::Value(value) => (ChangeKind::Put, value.plain_len),
            Content::Tombstone => (ChangeKind::Delete, 0),
            Content::Shredded => (ChangeKind::Shred, 0),
        };
        let pool = self.pools.get_mut(name);
        let created = pool.is_some_and(|pool| pool.push(key, place, content));
        self.note(name, key.clone(), place, kind, plain_len);
        created
    }

    /// Tells the watchers.
    fn note(
        &mut self,
        name: &PoolName,
        key: ObjectKey,
        place: Place,
        kind: ChangeKind,
        plain_len: u64,
    ) {
        let change = Change { key, version: place.version, time: place.time, kind, plain_len };
        if let Some((pool, dropped)) = self.changes.push(name, change)
            && let Some(pool) = self.pools.get_mut(&pool)
        {
            pool.trimmed = pool.trimmed.max(dropped.version);
        }
    }

    fn has_room(&self, pool: &PoolState, cost: u64, values: u64) -> bool {
        self.used().saturating_add(cost) <= self.config.bytes_max
            && pool.sums.values + values <= POOL_VALUES_MAX
    }

    /// What is held, in the measure of [`ObjectsConfig::bytes_max`].
    pub fn used(&self) -> u64 {
        self.pools.values().map(|pool| pool.sums.cost).sum()
    }
}

/// A pool's change of keys.
struct Rotation {
    from_epoch: u32,
    to_epoch: u32,
    rewrapped: Vec<([u8; 16], WrappedKey)>,
}
