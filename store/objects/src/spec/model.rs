//! A model of the store that is obviously right: it keeps everything in one list and looks through
//! it.

use std::collections::BTreeMap;

use notrace_policy_promise::name::ObjectKey;
use notrace_store_protocol::ids::Version;
use notrace_store_protocol::machine::Place;
use notrace_store_protocol::time::Hlc;

use crate::limits::{OBJECT_COST, VERSION_COST};
use crate::{
    At, Change, ChangeKind, Command, Condition, HistoryEntry, HistoryTrimmed, Missing, Op, Reply,
    Sealed, Session, ShredScope,
};

#[derive(Clone)]
struct Event {
    key: ObjectKey,
    place: Place,
    what: What,
}

#[derive(Clone, PartialEq)]
enum What {
    Put(Sealed),
    Delete,
    Shred,
}

#[derive(Clone)]
struct Pool {
    epoch: u32,
    created: Version,
    events: Vec<Event>,
    /// Objects that lost their oldest versions to retention.
    shortened: Vec<ObjectKey>,
    changes: Vec<Change>,
    changes_from: Version,
}

/// Pools, sessions, and the bound.
#[derive(Clone)]
pub(crate) struct Model {
    pools: BTreeMap<String, Pool>,
    sessions: Vec<(Session, Reply)>,
    bytes_max: u64,
    pools_max: usize,
}

impl Pool {
    fn of<'a>(&'a self, key: &'a ObjectKey) -> impl Iterator<Item = &'a Event> {
        self.events.iter().filter(move |event| event.key == *key)
    }

    fn current(&self, key: &ObjectKey) -> Option<Version> {
        let last = self.of(key).last()?;
        matches!(last.what, What::Put(_)).then_some(last.place.version)
    }

    fn require(&self, key: &ObjectKey, condition: Condition) -> Result<(), Option<Version>> {
        let current = self.current(key);
        match condition {
            Condition::Absent if current.is_some() => Err(current),
            Condition::VersionIs(version) if current != Some(version) => Err(current),
            _ => Ok(()),
        }
    }

    fn add(&mut self, key: &ObjectKey, place: Place, what: What) {
        let (kind, plain_len) = match &what {
            What::Put(value) => (ChangeKind::Put, value.plain_len),
            What::Delete => (ChangeKind::Delete, 0),
            What::Shred => (ChangeKind::Shred, 0),
        };
        let (key, version, time) = (key.clone(), place.version, place.time);
        self.changes.push(Change { key: key.clone(), version, time, kind, plain_len });
        self.events.push(Event { key, place, what });
    }

    fn cost(&self) -> u64 {
        let mut keys: Vec<&ObjectKey> = self.events.iter().map(|event| &event.key).collect();
        keys.sort();
        keys.dedup();
        let keys: u64 = keys.iter().map(|key| OBJECT_COST + key.as_str().len() as u64).sum();
        let versions = self.events.iter().map(|event| match &event.what {
            What::Put(value) => VERSION_COST + value.ciphertext.len() as u64,
            _ => VERSION_COST,
        });
        keys + versions.sum::<u64>()
    }

    fn survives(event: &Event, scope: &ShredScope) -> bool {
        match scope {
            ShredScope::Pool => false,
            ShredScope::Object(key) => event.key != *key,
            ShredScope::OlderThan(cutoff) => event.place.time >= *cutoff,
        }
    }

    /// Ids of what a shred leaves, by key and version.
    fn survivors(&self, scope: &ShredScope) -> Vec<[u8; 16]> {
        let mut kept: Vec<_> = self
            .events
            .iter()
            .filter(|event| Self::survives(event, scope))
            .filter_map(|event| match &event.what {
                What::Put(value) => Some((&event.key, event.place.version, value.id)),
                _ => None,
            })
            .collect();
        kept.sort();
        kept.into_iter().map(|(_, _, id)| id).collect()
    }

    fn shred(&mut self, scope: &ShredScope, place: Place) -> u64 {
        let live_before: Vec<ObjectKey> = self.live();
        let (kept, gone): (Vec<_>, Vec<_>) =
            self.events.drain(..).partition(|event| Self::survives(event, scope));
        self.events = kept;
        let values = gone.iter().filter(|event| matches!(event.what, What::Put(_))).count();
        match scope {
            ShredScope::Object(key) => {
                self.shortened.retain(|other| other != key);
                self.add(key, place, What::Shred);
            }
            ShredScope::OlderThan(cutoff) => {
                self.shortened.extend(gone.into_iter().map(|event| event.key));
                let events = &self.events;
                self.shortened.retain(|key| events.iter().any(|event| event.key == *key));
                let old = self.changes.iter().filter(|change| change.time < *cutoff);
                let last = old.map(|change| change.version).max();
                self.changes_from = self.changes_from.max(last.unwrap_or(Version::ZERO));
                self.changes.retain(|change| change.time >= *cutoff);
                let live = self.live();
                for key in live_before.into_iter().filter(|key| !live.contains(key)) {
                    let (version, time, kind) = (place.version, place.time, ChangeKind::Shred);
                    self.changes.push(Change { key, version, time, kind, plain_len: 0 });
                }
            }
            ShredScope::Pool => {}
        }
        values as u64
    }

    fn live(&self) -> Vec<ObjectKey> {
        let mut keys: Vec<ObjectKey> = self.events.iter().map(|it| it.key.clone()).collect();
        keys.sort();
        keys.dedup();
        keys.retain(|key| self.current(key).is_some());
        keys
    }
}

impl Model {
    pub(crate) fn new(bytes_max: u64, pools_max: usize) -> Self {
        Self { pools: BTreeMap::new(), sessions: Vec::new(), bytes_max, pools_max }
    }

    pub(crate) fn apply(&mut self, place: Place, command: &Command) -> Reply {
        let session = match command {
            Command::Put { session, .. }
            | Command::Delete { session, .. }
            | Command::Transact { session, .. } => *session,
            _ => None,
        };
        let known = session.and_then(|session| {
            self.sessions.iter().find(|(known, _)| known.id == session.id).cloned()
        });
        match (known, session) {
            (Some((known, reply)), Some(session)) if known == session => return reply,
            (Some(_), _) => return Reply::SessionMismatch,
            _ => {}
        }
        let reply = self.judge(place, command).unwrap_or_else(|reply| reply);
        if let (
            Some(session),
            Reply::Stored { .. } | Reply::Deleted { .. } | Reply::Transacted { .. },
        ) = (session, &reply)
        {
            self.sessions.push((session, reply.clone()));
        }
        reply
    }

    fn judge(&mut self, place: Place, command: &Command) -> Result<Reply, Reply> {
        match command {
            Command::Configure(bounds) => {
                self.bytes_max = bounds.bytes_max;
                self.pools_max = bounds.pools_max as usize;
                Ok(Reply::Configured)
            }
            Command::CreatePool { pool, key_epoch, .. } => {
                if self.pools.contains_key(pool.as_str()) {
                    return Err(Reply::PoolExists);
                }
                if self.pools.len() >= self.pools_max {
                    return Err(Reply::PoolsFull);
                }
                let new = Pool {
                    epoch: *key_epoch,
                    created: place.version,
                    events: vec![],
                    shortened: vec![],
                    changes: vec![],
                    changes_from: Version::ZERO,
                };
                self.pools.insert(pool.to_string(), new);
                Ok(Reply::PoolCreated { place })
            }
            Command::Put { pool, key, condition, value, .. } => {
                let op = Op::Put { key: key.clone(), condition: *condition, value: value.clone() };
                let created = self.pool(pool.as_str())?.current(key).is_none();
                self.transact(place, pool.as_str(), &[op]).map_err(without_index)?;
                Ok(Reply::Stored { place, created })
            }
            Command::Delete { pool, key, condition, .. } => {
                let absent = self.pool(pool.as_str())?.current(key).is_none();
                let op = Op::Delete { key: key.clone(), condition: *condition };
                self.transact(place, pool.as_str(), &[op]).map_err(without_index)?;
                if absent { Err(Reply::ObjectUnknown) } else { Ok(Reply::Deleted { place }) }
            }
            Command::Transact { pool, ops, .. } => {
                self.transact(place, pool.as_str(), ops)?;
                Ok(Reply::Transacted { place })
            }
            Command::Shred { pool, scope, from_epoch, to_epoch, rewrapped } => {
                let name = pool.as_str();
                let pool = self.pools.get_mut(name).ok_or(Reply::PoolUnknown)?;
                if pool.epoch != *from_epoch {
                    return Err(Reply::Moved);
                }
                if *scope == ShredScope::Pool {
                    let versions = pool.shred(scope, place);
                    self.pools.remove(name);
                    return Ok(Reply::Shredded { place, versions });
                }
                let ids: Vec<_> = rewrapped.iter().map(|(id, _)| *id).collect();
                if ids != pool.survivors(scope) || to_epoch <= from_epoch {
                    return Err(Reply::Moved);
                }
                if let ShredScope::Object(key) = scope
                    && pool.of(key).next().is_none()
                {
                    return Err(Reply::ObjectUnknown);
                }
                pool.epoch = *to_epoch;
                Ok(Reply::Shredded { place, versions: pool.shred(scope, place) })
            }
        }
    }

    fn transact(&mut self, place: Place, name: &str, ops: &[Op]) -> Result<(), Reply> {
        let mut after = self.pool(name)?.clone();
        for (index, op) in ops.iter().enumerate() {
            if let Op::Put { value, .. } = op
                && value.key_epoch != after.epoch
            {
                return Err(Reply::StaleKey { current: after.epoch });
            }
            let writes = |op: &&Op| !matches!(op, Op::Check { .. });
            let mut before = ops.iter().take(index).filter(writes);
            if writes(&op) && before.any(|other| other.key() == op.key()) {
                return Err(Reply::WrittenTwice { index: index as u32 });
            }
        }
        for (index, op) in ops.iter().enumerate() {
            after.require(op.key(), op.condition()).map_err(|current| {
                let index = Some(index as u32);
                Reply::Mismatch { current, index }
            })?;
        }
        // Puts are judged before deletes are added: a store that is full still deletes.
        let mut puts = after.clone();
        for op in ops {
            match op {
                Op::Put { key, value, .. } => {
                    puts.add(key, place, What::Put(value.clone()));
                    after.add(key, place, What::Put(value.clone()));
                }
                Op::Delete { key, .. } if after.current(key).is_some() => {
                    after.add(key, place, What::Delete);
                }
                _ => {}
            }
        }
        let others = self.pools.iter().filter(|(other, _)| other.as_str() != name);
        let cost = others.map(|(_, pool)| pool.cost()).sum::<u64>() + puts.cost();
        let has_puts = ops.iter().any(|op| matches!(op, Op::Put { .. }));
        if has_puts && cost > self.bytes_max {
            return Err(Reply::OutOfSpace);
        }
        self.pools.insert(name.to_owned(), after);
        Ok(())
    }

    fn pool(&self, name: &str) -> Result<&Pool, Reply> {
        self.pools.get(name).ok_or(Reply::PoolUnknown)
    }

    pub(crate) fn epoch(&self, name: &str) -> Option<u32> {
        self.pools.get(name).map(|pool| pool.epoch)
    }

    pub(crate) fn used(&self) -> u64 {
        self.pools.values().map(Pool::cost).sum()
    }

    /// The id of the value, which stands for it.
    pub(crate) fn get(&self, name: &str, key: &ObjectKey, at: At) -> Result<[u8; 16], Missing> {
        let pool = self.pools.get(name).ok_or(Missing::PoolUnknown)?;
        let seen = pool.of(key).filter(|event| match at {
            At::Latest => true,
            At::Version(version) => event.place.version <= version,
            At::Time(time) => event.place.time <= time,
        });
        match seen.last().map(|event| &event.what) {
            Some(What::Put(value)) => Ok(value.id),
            Some(What::Delete) => Err(Missing::ObjectUnknown),
            Some(What::Shred) => Err(Missing::Shredded),
            None => Err(match pool.of(key).next().map(|event| &event.what) {
                Some(What::Shred) => Missing::Shredded,
                Some(_) if pool.shortened.contains(key) => Missing::Trimmed,
                _ => Missing::ObjectUnknown,
            }),
        }
    }

    pub(crate) fn history(&self, name: &str, key: &ObjectKey) -> Vec<HistoryEntry> {
        let Some(pool) = self.pools.get(name) else { return vec![] };
        let entry = |event: &Event| {
            let (kind, plain_len) = match &event.what {
                What::Put(value) => (ChangeKind::Put, value.plain_len),
                What::Delete => (ChangeKind::Delete, 0),
                What::Shred => (ChangeKind::Shred, 0),
            };
            let (version, time) = (event.place.version, event.place.time);
            HistoryEntry { version, time, kind, plain_len }
        };
        pool.of(key).map(entry).collect()
    }

    pub(crate) fn live(&self, name: &str) -> Option<Vec<ObjectKey>> {
        self.pools.get(name).map(Pool::live)
    }

    pub(crate) fn changes(&self, name: &str, from: Version) -> Result<Vec<Change>, HistoryTrimmed> {
        let Some(pool) = self.pools.get(name) else { return Ok(vec![]) };
        let other = from != Version::ZERO && from < pool.created;
        if other || from < pool.changes_from {
            return Err(HistoryTrimmed);
        }
        Ok(pool.changes.iter().filter(|change| change.version > from).cloned().collect())
    }

    pub(crate) fn oldest(&self, name: &str) -> Option<Hlc> {
        self.pools.get(name)?.events.iter().map(|event| event.place.time).min()
    }
}

/// A single operation has no index.
fn without_index(reply: Reply) -> Reply {
    match reply {
        Reply::Mismatch { current, .. } => Reply::Mismatch { current, index: None },
        other => other,
    }
}
