//! Reads as values, so that a node can ask them of one that holds the shard.

use notrace_policy_promise::name::{ObjectKey, PoolName};
use notrace_store_protocol::ids::Version;
use notrace_store_protocol::machine::Place;

use crate::found::{At, Change, HistoryEntry, Listed, Missing};
use crate::objects::Objects;
use crate::pool::PoolInfo;
use crate::sealed::Sealed;

/// What can be asked of a machine.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Question {
    /// All pools, by name.
    Pools,
    /// One pool.
    Pool(PoolName),
    /// The values of some objects, all as of one version of the machine.
    Values {
        /// Which objects.
        objects: Vec<(PoolName, ObjectKey)>,
        /// As of when.
        at: At,
    },
    /// Where a value stands and how long it is.
    Head {
        /// The pool.
        pool: PoolName,
        /// The object's key.
        key: ObjectKey,
        /// As of when.
        at: At,
    },
    /// The kept versions of an object.
    History {
        /// The pool.
        pool: PoolName,
        /// The object's key.
        key: ObjectKey,
    },
    /// Objects that have a current value, by key.
    List {
        /// The pool.
        pool: PoolName,
        /// What the keys begin with.
        prefix: String,
        /// After which key.
        after: Option<ObjectKey>,
        /// How many at most.
        limit: u32,
    },
    /// What changed, in order.
    Changes {
        /// The pool.
        pool: PoolName,
        /// What the keys begin with.
        prefix: String,
        /// After which version.
        from: Version,
        /// How many at most, but for the last version's.
        limit: u32,
    },
}

/// What was found.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Answer {
    /// Pools, by name.
    Pools(Vec<PoolInfo>),
    /// The values in the order in which they were asked for, and the version they are as of.
    Values(Version, Vec<(Place, Sealed)>),
    /// Where the value stands, and its length before sealing in bytes.
    Head(Place, u64),
    /// Versions, oldest first.
    History(Vec<HistoryEntry>),
    /// Objects.
    Listed(Listed),
    /// Changes.
    Changes(Vec<Change>),
}

impl Question {
    /// Looks at the machine.
    /// # Errors  [`Missing`]; [`Missing::Trimmed`] where changes are no longer kept.
    pub fn look(&self, objects: &Objects) -> Result<Answer, Missing> {
        match self {
            Self::Pools => Ok(Answer::Pools(objects.pools())),
            Self::Pool(name) => {
                let pool = objects.pool(name).ok_or(Missing::PoolUnknown)?;
                Ok(Answer::Pools(vec![pool]))
            }
            Self::Values { objects: names, at } => {
                let value = |(pool, key): &(PoolName, ObjectKey)| {
                    let found = objects.get(pool, key, *at)?;
                    let place = Place { version: found.version, time: found.time };
                    Ok((place, found.value.clone()))
                };
                let values = names.iter().map(value).collect::<Result<_, _>>()?;
                Ok(Answer::Values(objects.version(), values))
            }
            Self::Head { pool, key, at } => {
                let found = objects.get(pool, key, *at)?;
                let place = Place { version: found.version, time: found.time };
                Ok(Answer::Head(place, found.value.plain_len))
            }
            Self::History { pool, key } => objects.history(pool, key).map(Answer::History),
            Self::List { pool, prefix, after, limit } => {
                let listed = objects.list(pool, prefix, after.as_ref(), *limit as usize);
                listed.map(Answer::Listed)
            }
            Self::Changes { pool, prefix, from, limit } => {
                objects.pool(pool).ok_or(Missing::PoolUnknown)?;
                let changes = objects.changes(pool, prefix, *from, *limit as usize);
                changes.map(Answer::Changes).map_err(|_| Missing::Trimmed)
            }
        }
    }
}

impl Answer {
    /// What must be safe before anybody is told, if anything: the last version that it tells of,
    /// or, where it tells of what is not there, all that was applied when it was found: `now`.
    #[must_use]
    pub fn newest(&self, now: Version) -> Option<Version> {
        match self {
            Self::Pools(_) => None,
            Self::Values(as_of, values) => {
                Some(values.iter().map(|(place, _)| place.version).max().unwrap_or(*as_of))
            }
            Self::Head(place, _) => Some(place.version),
            Self::History(entries) => entries.iter().map(|entry| entry.version).max(),
            Self::Listed(_) => Some(now),
            Self::Changes(changes) => changes.last().map(|change| change.version),
        }
    }
}
