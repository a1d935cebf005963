//! Reading the machine. Nothing here changes it.

use notrace_policy_promise::name::{ObjectKey, PoolName};
use notrace_store_protocol::ids::Version;
use notrace_store_protocol::time::Hlc;

use crate::command::{Condition, ObjectsConfig, ShredScope};
use crate::found::{At, Change, Found, HistoryEntry, HistoryTrimmed, ListEntry, Listed, Missing};
use crate::objects::Objects;
use crate::pool::{PoolInfo, Retain};
use crate::sealed::WrappedKey;

impl Objects {
    /// The version of the last command applied.
    pub fn version(&self) -> Version {
        self.version
    }

    /// The bounds in force.
    pub fn config(&self) -> ObjectsConfig {
        self.config
    }

    /// The value of an object.
    /// # Errors  [`Missing`]
    pub fn get(&self, pool: &PoolName, key: &ObjectKey, at: At) -> Result<Found<'_>, Missing> {
        let pool = self.pools.get(pool).ok_or(Missing::PoolUnknown)?;
        pool.objects.get(key.as_str()).ok_or(Missing::ObjectUnknown)?.get(at)
    }

    /// Whether a condition holds now.
    /// # Errors  The version of the current value, when it does not.
    pub fn require(
        &self,
        pool: &PoolName,
        key: &ObjectKey,
        condition: Condition,
    ) -> Result<(), Option<Version>> {
        match (self.pools.get(pool), condition) {
            (Some(pool), condition) => pool.require(key, condition),
            (None, Condition::VersionIs(_)) => Err(None),
            (None, Condition::Always | Condition::Absent) => Ok(()),
        }
    }

    /// Up to `limit` objects that have a current value, whose key starts with `prefix` and stands
    /// after `after`, by key.
    /// # Errors  [`Missing::PoolUnknown`]
    pub fn list(
        &self,
        pool: &PoolName,
        prefix: &str,
        after: Option<&ObjectKey>,
        limit: usize,
    ) -> Result<Listed, Missing> {
        let pool = self.pools.get(pool).ok_or(Missing::PoolUnknown)?;
        let mut live = pool
            .range(prefix, after.map(ObjectKey::as_str))
            .filter_map(|(key, object)| Some((key, object.live()?)));
        let entries = live.by_ref().take(limit).map(|(key, entry)| ListEntry {
            key: key.clone(),
            version: entry.version,
            time: entry.time,
            plain_len: entry.plain_len(),
        });
        Ok(Listed { entries: entries.collect(), more: live.next().is_some() })
    }

    /// The kept versions of an object, oldest first. A shredded object's begin with the shred.
    /// # Errors  [`Missing::PoolUnknown`], [`Missing::ObjectUnknown`]
    pub fn history(&self, pool: &PoolName, key: &ObjectKey) -> Result<Vec<HistoryEntry>, Missing> {
        let pool = self.pools.get(pool).ok_or(Missing::PoolUnknown)?;
        let object = pool.objects.get(key.as_str()).ok_or(Missing::ObjectUnknown)?;
        Ok(object.history())
    }

    /// All pools, by name.
    pub fn pools(&self) -> Vec<PoolInfo> {
        self.pools.iter().map(|(name, pool)| pool.info(name)).collect()
    }

    /// A pool, if it is there.
    pub fn pool(&self, name: &PoolName) -> Option<PoolInfo> {
        self.pools.get(name).map(|pool| pool.info(name))
    }

    /// Up to `limit` changes of a pool after version `from`, in order. A version's changes come
    /// together, so whoever read them resumes from the last one's version and misses nothing.
    /// A pool that is not there has no changes.
    /// # Errors  [`HistoryTrimmed`] if some of them are no longer kept, or `from` is older than the
    /// pool, so that what it followed was another pool of this name. [`Version::ZERO`] asks for
    /// all from the pool's beginning.
    pub fn changes(
        &self,
        pool: &PoolName,
        prefix: &str,
        from: Version,
        limit: usize,
    ) -> Result<Vec<Change>, HistoryTrimmed> {
        let Some(state) = self.pools.get(pool) else { return Ok(Vec::new()) };
        let another = from != Version::ZERO && from < state.created.version;
        if another || from < state.trimmed {
            return Err(HistoryTrimmed);
        }
        Ok(self.changes.after(pool, prefix, from, limit))
    }

    /// What a shred of `scope` leaves: each value's id, wrapped data key, and the epoch of the key
    /// that wraps it. A [`crate::Command::Shred`] has the same, in the same order, wrapped anew.
    pub fn survivors(
        &self,
        pool: &PoolName,
        scope: &ShredScope,
    ) -> Vec<([u8; 16], WrappedKey, u32)> {
        let Some(pool) = self.pools.get(pool) else { return Vec::new() };
        pool.survivors(scope)
            .map(|value| (value.id, value.wrapped_key.clone(), value.key_epoch))
            .collect()
    }

    /// The pools that hold something older than they may, each with the time before which
    /// everything must go. Looks at the oldest version of every object.
    pub fn expired(&self, now: Hlc) -> Vec<(PoolName, Hlc)> {
        let mut expired = Vec::new();
        for (name, pool) in &self.pools {
            let Retain::Micros(micros) = pool.spec.retain else { continue };
            let cutoff = Hlc::from_unix_micros(now.unix_micros().saturating_sub(micros));
            let mut oldest = pool.objects.values().filter_map(|object| object.entries.front());
            if oldest.any(|entry| entry.time < cutoff) {
                expired.push((name.clone(), cutoff));
            }
        }
        expired
    }
}
