//! Objects, as the front asks for them: sealed on the way in, opened on the way out.

use notrace_policy_promise::digest::{Digest, Domain};
use notrace_policy_promise::limits::OBJECT_BYTES_MAX;
use notrace_policy_promise::name::{ObjectKey, ObjectName, PoolName};
use notrace_policy_promise::private::Private;
use notrace_policy_rules::Principal;
use notrace_sdk_seal::WrappingKey;
use notrace_store_objects::{
    Answer, At, Command, Condition, HistoryEntry, ListEntry, Missing, Op, Question, Reply, Session,
};
use notrace_store_protocol::ids::Version;
use notrace_store_protocol::machine::Place;
use ring::hmac;

use crate::find::care;
use crate::group::Part;
use crate::limits::PUT_TRIES_MAX;
use crate::node::Node;
use crate::refusal::Refusal;
use crate::values::{self, SealedValue};

/// A client's own name for a mutation, scoped to the client.
#[derive(Clone, Copy)]
pub struct SessionKey([u8; 32]);

impl SessionKey {
    /// The key that `who` sent, or nothing for a client without a credential.
    pub fn of(who: &Principal, key: &str) -> Option<Self> {
        let Principal::Owner { id, .. } = who else { return None };
        let digest = Digest::of_parts(Domain::Session, &[id.as_bytes(), key.as_bytes()]);
        Some(Self(*digest.as_bytes()))
    }

    /// The session of a request: what it does, to what, under which condition, with which values.
    /// The values are in it under the pool's key, so that what is kept for a day tells nothing to
    /// whom the pool's key is unknown, and to nobody once a shred has destroyed that key. The price
    /// is that a repeat across a shred is refused.
    fn session(self, pool: &WrappingKey, request: &[&[u8]]) -> Session {
        let key = pool.reveal(|bytes| hmac::Key::new(hmac::HMAC_SHA256, bytes));
        let mut context = hmac::Context::with_key(&key);
        context.update(b"notrace session v1\0");
        for part in request {
            context.update(&(part.len() as u64).to_be_bytes());
            context.update(part);
        }
        let mut digest = [0; 32];
        digest.copy_from_slice(context.sign().as_ref());
        Session { id: self.0, request: digest }
    }
}

/// What stands for a value in its request's session.
fn value_digest(value: &Private<Vec<u8>>) -> [u8; 32] {
    let mut digest = [0; 32];
    value.reveal(|value| {
        digest.copy_from_slice(ring::digest::digest(&ring::digest::SHA256, value).as_ref());
    });
    digest
}

/// Where a value stands after a put.
pub struct Stored {
    /// Its version and time.
    pub place: Place,
    /// Whether there was no object before.
    pub created: bool,
}

/// A value that was read.
pub struct Got {
    /// Its version and time.
    pub place: Place,
    /// The value.
    pub value: Private<Vec<u8>>,
}

/// One operation of a transaction.
pub enum TransactOp {
    /// Stores a value.
    Put {
        /// The object's key.
        key: ObjectKey,
        /// The value.
        value: Private<Vec<u8>>,
        /// What must hold.
        condition: Condition,
    },
    /// Puts a tombstone.
    Delete {
        /// The object's key.
        key: ObjectKey,
        /// What must hold.
        condition: Condition,
    },
    /// Changes nothing.
    Check {
        /// The object's key.
        key: ObjectKey,
        /// What must hold.
        condition: Condition,
    },
}

impl Node {
    /// Stores a value under its pool's durability.
    /// # Errors  [`Refusal`]; nothing was stored, unless the node stopped in between: then asking
    /// again under the same session key tells.
    /// # Cancel  Dropping the future abandons the answer, not the update.
    pub async fn put(
        &self,
        name: &ObjectName,
        value: Private<Vec<u8>>,
        condition: Condition,
        session: Option<SessionKey>,
    ) -> Result<Stored, Refusal> {
        let length = value.reveal(Vec::len);
        if length > OBJECT_BYTES_MAX {
            let most = OBJECT_BYTES_MAX as u64;
            return Err(Refusal::TooMuch { what: "a value's size in bytes", most });
        }
        let shown = condition_bytes(&condition);
        let text = name.to_string();
        let digest = session.map(|_| value_digest(&value));
        let value = SealedValue::seal(name, value)?;
        for _ in 0..PUT_TRIES_MAX {
            let found = self.find_to_write(&name.pool, &name.key).await?;
            let _writing = self.writes().read().await;
            let Ok(key) = self.pool_key(&found.part.pool, found.epoch) else { continue };
            let sealed = value.wrapped_by(&key, found.epoch)?;
            let digest = digest.as_ref().map_or(&[][..], |digest| digest);
            let request = [b"put", text.as_bytes(), &shown, digest];
            let session = session.map(|name| name.session(&key, &request));
            let command = Command::Put {
                pool: found.part.pool.clone(),
                key: name.key.clone(),
                condition,
                value: sealed,
                session,
            };
            match self.order_at(found.part.shard, command, found.durability).await? {
                Reply::Stored { place, created } => return Ok(Stored { place, created }),
                Reply::StaleKey { .. } => {}
                Reply::PoolUnknown if found.is_apart => {}
                other => return Err(refused(other)),
            }
        }
        Err(self.overtaken())
    }

    /// Puts a tombstone. Older versions stay readable until retention or a shred ends them.
    /// # Errors  [`Refusal`]
    pub async fn delete(
        &self,
        name: &ObjectName,
        condition: Condition,
        session: Option<SessionKey>,
    ) -> Result<Place, Refusal> {
        let (text, shown) = (name.to_string(), condition_bytes(&condition));
        for _ in 0..PUT_TRIES_MAX {
            let found = self.find_to_write(&name.pool, &name.key).await?;
            let _writing = self.writes().read().await;
            let Ok(key) = self.pool_key(&found.part.pool, found.epoch) else { continue };
            let request = [b"delete", text.as_bytes(), &shown];
            let command = Command::Delete {
                pool: found.part.pool.clone(),
                key: name.key.clone(),
                condition,
                session: session.map(|name| name.session(&key, &request)),
            };
            match self.order_at(found.part.shard, command, found.durability).await? {
                Reply::Deleted { place } => return Ok(place),
                Reply::PoolUnknown if found.is_apart => {}
                other => return Err(refused(other)),
            }
        }
        Err(self.overtaken())
    }

    /// Carries out several operations as one version, or none.
    /// # Errors  [`Refusal::VersionMismatch`] with the index of the first that did not hold;
    /// [`Refusal::NotTogether`] for keys that are kept apart.
    pub async fn transact(
        &self,
        pool: &PoolName,
        ops: Vec<TransactOp>,
        session: Option<SessionKey>,
    ) -> Result<Place, Refusal> {
        let request = ops.iter().map(op_bytes).collect::<Vec<_>>();
        let parts: Vec<&[u8]> = [b"transact".as_slice(), pool.as_str().as_bytes()]
            .into_iter()
            .chain(request.iter().map(Vec::as_slice))
            .collect();
        let sealed = ops.into_iter().map(|op| SealedOp::seal(pool, op));
        let sealed = sealed.collect::<Result<Vec<_>, _>>()?;
        for _ in 0..PUT_TRIES_MAX {
            let found = self.find_together(pool, sealed.iter().map(SealedOp::key)).await?;
            let _writing = self.writes().read().await;
            let Ok(key) = self.pool_key(&found.part.pool, found.epoch) else { continue };
            let ops = sealed.iter().map(|op| op.wrapped_by(&key, found.epoch));
            let ops = ops.collect::<Result<Vec<_>, _>>()?;
            let session = session.map(|name| name.session(&key, &parts));
            let command = Command::Transact { pool: found.part.pool.clone(), ops, session };
            match self.order_at(found.part.shard, command, found.durability).await? {
                Reply::Transacted { place } => return Ok(place),
                Reply::StaleKey { .. } => {}
                Reply::PoolUnknown if found.is_apart => {}
                other => return Err(refused(other)),
            }
        }
        Err(self.overtaken())
    }

    /// Reads a value and opens it.
    /// # Errors  [`Refusal`]
    /// # Cancel  Dropping the future changes nothing.
    pub async fn get(&self, name: &ObjectName, at: At) -> Result<Got, Refusal> {
        for _ in 0..PUT_TRIES_MAX {
            let ask = |part: &Part| Question::Values {
                objects: vec![(part.pool.clone(), name.key.clone())],
                at,
            };
            let (part, answer) = self.ask_about(name, ask).await?;
            let Answer::Values(_, mut values) = answer else { return Err(another_answer()) };
            let Some((place, sealed)) = values.pop() else { return Err(another_answer()) };
            // A shred of something else may have rotated the pool's key since; then read again.
            let Ok(pool) = self.pool_key(&part.pool, sealed.key_epoch) else { continue };
            let value = values::open_value(&pool, name, &sealed);
            let value = value.map_err(|_| Refusal::Internal("opening a stored value"))?;
            return Ok(Got { place, value });
        }
        Err(Refusal::Internal("finding a pool's key"))
    }

    /// An object of the platform's own, as of what this node has.
    pub(crate) fn get_here(&self, name: &ObjectName, at: At) -> Result<Got, Refusal> {
        for _ in 0..PUT_TRIES_MAX {
            let (place, sealed) = self.store().read(|objects| {
                let found = objects.get(&name.pool, &name.key, at).map_err(missing)?;
                let place = Place { version: found.version, time: found.time };
                Ok::<_, Refusal>((place, found.value.clone()))
            })?;
            // A shred of something else may have rotated the pool's key since; then read again.
            let Ok(pool) = self.pool_key(&name.pool, sealed.key_epoch) else { continue };
            let value = values::open_value(&pool, name, &sealed);
            let value = value.map_err(|_| Refusal::Internal("opening a stored value"))?;
            return Ok(Got { place, value });
        }
        Err(Refusal::Internal("finding a pool's key"))
    }

    /// Where a value stands and how long it is, without opening it.
    /// # Errors  [`Refusal`]
    /// # Cancel  Dropping the future changes nothing.
    pub async fn head(&self, name: &ObjectName, at: At) -> Result<(Place, u64), Refusal> {
        let key = &name.key;
        let ask = |part: &Part| Question::Head { pool: part.pool.clone(), key: key.clone(), at };
        match self.ask_about(name, ask).await?.1 {
            Answer::Head(place, length) => Ok((place, length)),
            _ => Err(another_answer()),
        }
    }

    /// The versions of an object, newest first, before `before` if that is given.
    /// # Errors  [`Refusal`]
    /// # Cancel  Dropping the future changes nothing.
    pub async fn history(
        &self,
        name: &ObjectName,
        before: Option<Version>,
        limit: usize,
    ) -> Result<Vec<HistoryEntry>, Refusal> {
        let key = &name.key;
        let ask = |part: &Part| Question::History { pool: part.pool.clone(), key: key.clone() };
        let Answer::History(mut versions) = self.ask_about(name, ask).await?.1 else {
            return Err(another_answer());
        };
        versions.retain(|entry| before.is_none_or(|before| entry.version < before));
        versions.sort_by_key(|entry| core::cmp::Reverse(entry.version));
        versions.truncate(limit);
        Ok(versions)
    }

    /// The objects of a pool, by key, and whether there are more. What different shards have of
    /// the pool is as of different moments.
    /// # Errors  [`Refusal::PoolUnknown`]
    /// # Cancel  Dropping the future changes nothing.
    pub async fn list(
        &self,
        pool: &PoolName,
        prefix: &str,
        after: Option<&ObjectKey>,
        limit: usize,
    ) -> Result<(Vec<ListEntry>, bool), Refusal> {
        let info = self.pool_to_read(pool).await?;
        let (mut entries, mut more) = (Vec::new(), false);
        for part in self.group().shelves.parts(&info) {
            let question = Question::List {
                pool: part.pool,
                prefix: prefix.to_owned(),
                after: after.cloned(),
                limit: u32::try_from(limit).unwrap_or(u32::MAX),
            };
            match self.ask(part.shard, &question, care(&info)).await? {
                Ok(Answer::Listed(listed)) => {
                    entries.extend(listed.entries);
                    more |= listed.more;
                }
                Ok(_) => return Err(another_answer()),
                // Nothing was ever written there.
                Err(Missing::PoolUnknown) if self.group().shelves.is_apart(&info) => {}
                Err(none) => return Err(missing(none)),
            }
        }
        entries.sort_by(|one, other| one.key.cmp(&other.key));
        more |= entries.len() > limit;
        entries.truncate(limit);
        Ok((entries, more))
    }

    /// The platform's own objects of a pool, as of what this node has.
    pub(crate) fn list_here(
        &self,
        pool: &PoolName,
        prefix: &str,
        after: Option<&ObjectKey>,
        limit: usize,
    ) -> Result<(Vec<ListEntry>, bool), Refusal> {
        let listed = self.store().read(|objects| objects.list(pool, prefix, after, limit));
        listed.map(|listed| (listed.entries, listed.more)).map_err(missing)
    }

    fn overtaken(&self) -> Refusal {
        Refusal::Busy { retry_after: std::time::Duration::from_secs(1) }
    }
}

/// The machine answered another question than was asked.
pub(crate) fn another_answer() -> Refusal {
    Refusal::Internal("understanding an answer of the store")
}

/// An operation whose value is sealed.
enum SealedOp {
    Put { key: ObjectKey, value: SealedValue, condition: Condition },
    Delete { key: ObjectKey, condition: Condition },
    Check { key: ObjectKey, condition: Condition },
}

impl SealedOp {
    fn seal(pool: &PoolName, op: TransactOp) -> Result<Self, Refusal> {
        Ok(match op {
            TransactOp::Put { key, value, condition } => {
                let name = ObjectName { pool: pool.clone(), key: key.clone() };
                Self::Put { key, value: SealedValue::seal(&name, value)?, condition }
            }
            TransactOp::Delete { key, condition } => Self::Delete { key, condition },
            TransactOp::Check { key, condition } => Self::Check { key, condition },
        })
    }

    fn key(&self) -> &ObjectKey {
        match self {
            Self::Put { key, .. } | Self::Delete { key, .. } | Self::Check { key, .. } => key,
        }
    }

    fn wrapped_by(&self, pool: &WrappingKey, epoch: u32) -> Result<Op, Refusal> {
        Ok(match self {
            Self::Put { key, value, condition } => Op::Put {
                key: key.clone(),
                condition: *condition,
                value: value.wrapped_by(pool, epoch)?,
            },
            Self::Delete { key, condition } => {
                Op::Delete { key: key.clone(), condition: *condition }
            }
            Self::Check { key, condition } => Op::Check { key: key.clone(), condition: *condition },
        })
    }
}

fn op_bytes(op: &TransactOp) -> Vec<u8> {
    let (kind, key, condition, digest) = match op {
        TransactOp::Put { key, value, condition } => (1, key, condition, value_digest(value)),
        TransactOp::Delete { key, condition } => (2, key, condition, [0; 32]),
        TransactOp::Check { key, condition } => (3, key, condition, [0; 32]),
    };
    let mut bytes = vec![kind];
    bytes.extend_from_slice(&digest);
    bytes.extend_from_slice(&condition_bytes(condition));
    bytes.extend_from_slice(key.as_str().as_bytes());
    bytes
}

pub(crate) fn condition_bytes(condition: &Condition) -> [u8; 9] {
    let (kind, version) = match condition {
        Condition::Always => (0, 0),
        Condition::Absent => (1, 0),
        Condition::VersionIs(version) => (2, version.to_wire()),
    };
    let mut bytes = [kind; 9];
    if let Some(tail) = bytes.get_mut(1..) {
        tail.copy_from_slice(&version.to_be_bytes());
    }
    bytes
}

/// The condition that these bytes are.
pub(crate) fn condition_of(bytes: &[u8; 9]) -> Option<Condition> {
    let [kind, version @ ..] = bytes;
    match kind {
        0 => Some(Condition::Always),
        1 => Some(Condition::Absent),
        2 => Some(Condition::VersionIs(Version::from_wire(u64::from_be_bytes(*version)))),
        _ => None,
    }
}

/// Why a read found nothing.
pub(crate) fn missing(missing: Missing) -> Refusal {
    match missing {
        Missing::PoolUnknown => Refusal::PoolUnknown,
        Missing::ObjectUnknown => Refusal::ObjectUnknown,
        Missing::Shredded => Refusal::ObjectShredded,
        Missing::Trimmed => Refusal::HistoryTrimmed,
    }
}

/// Why a command was ordered but did nothing.
pub(crate) fn refused(reply: Reply) -> Refusal {
    match reply {
        Reply::PoolUnknown => Refusal::PoolUnknown,
        Reply::PoolExists => Refusal::PoolExists,
        Reply::PoolsFull => Refusal::PoolsFull,
        Reply::ObjectUnknown => Refusal::ObjectUnknown,
        Reply::Mismatch { current, index } => Refusal::VersionMismatch { current, index },
        Reply::SessionMismatch => Refusal::IdempotencyMismatch,
        Reply::OutOfSpace => Refusal::OutOfSpace,
        Reply::WrittenTwice { index } => Refusal::WrittenTwice { index },
        Reply::TooManyOps => {
            let most = notrace_policy_promise::limits::TRANSACT_OPS_MAX as u64;
            Refusal::TooMuch { what: "the number of operations", most }
        }
        Reply::StaleKey { .. } | Reply::Moved => {
            Refusal::Busy { retry_after: std::time::Duration::from_secs(1) }
        }
        _ => Refusal::Internal("applying a command"),
    }
}
