//! The inside of a pool: its objects, and sums over them that are kept rather than counted.

use core::borrow::Borrow;
use core::ops::Bound;
use std::collections::BTreeMap;

use notrace_policy_promise::name::{ObjectKey, PoolName};
use notrace_store_protocol::ids::Version;
use notrace_store_protocol::machine::Place;

use crate::command::{Condition, ShredScope};
use crate::limits::OBJECT_COST;
use crate::object::{Content, Entry, Object, Shed};
use crate::pool::{PoolInfo, PoolSpec};
use crate::sealed::{Sealed, WrappedKey};

/// A key that can be looked for by any text, such as a prefix that is no key itself.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(crate) struct StoredKey(pub(crate) ObjectKey);

impl Borrow<str> for StoredKey {
    fn borrow(&self) -> &str {
        self.0.as_str()
    }
}

impl StoredKey {
    pub(crate) fn cost(&self) -> u64 {
        OBJECT_COST + self.0.as_str().len() as u64
    }
}

#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct PoolState {
    pub(crate) spec: PoolSpec,
    pub(crate) created: Place,
    pub(crate) key_epoch: u32,
    pub(crate) objects: BTreeMap<StoredKey, Object>,
    /// The last version whose changes of this pool are no longer kept for watchers.
    pub(crate) trimmed: Version,
    pub(crate) sums: Sums,
}

/// What could be counted from the objects, and is in the full check.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(crate) struct Sums {
    /// Objects with a current value.
    pub(crate) live: u64,
    /// Values of all versions.
    pub(crate) values: u64,
    /// Ciphertext bytes of all versions.
    pub(crate) ciphertext: u64,
    /// What all of it counts against the machine's bound.
    pub(crate) cost: u64,
}

impl Sums {
    fn gain(&mut self, gained: Shed) {
        self.values += gained.values;
        self.ciphertext += gained.ciphertext;
        self.cost += gained.cost;
    }

    fn lose(&mut self, shed: Shed) {
        self.values -= shed.values;
        self.ciphertext -= shed.ciphertext;
        self.cost -= shed.cost;
    }
}

impl PoolState {
    pub(crate) fn new(spec: PoolSpec, created: Place, key_epoch: u32) -> Self {
        let (objects, trimmed, sums) = (BTreeMap::new(), Version::ZERO, Sums::default());
        Self { spec, created, key_epoch, objects, trimmed, sums }
    }

    pub(crate) fn info(&self, name: &PoolName) -> PoolInfo {
        PoolInfo {
            name: name.clone(),
            spec: self.spec.clone(),
            key_epoch: self.key_epoch,
            created: self.created,
            objects: self.sums.live,
            bytes: self.sums.ciphertext,
        }
    }

    /// The version of the object's current value.
    pub(crate) fn current(&self, key: &ObjectKey) -> Option<Version> {
        self.objects.get(key.as_str())?.live().map(|entry| entry.version)
    }

    /// # Errors  The version of the current value, when the condition does not hold.
    pub(crate) fn require(
        &self,
        key: &ObjectKey,
        condition: Condition,
    ) -> Result<(), Option<Version>> {
        // To look for an object costs more than all else that a put does here.
        if condition == Condition::Always {
            return Ok(());
        }
        let current = self.current(key);
        let holds = match condition {
            Condition::Always => true,
            Condition::Absent => current.is_none(),
            Condition::VersionIs(version) => current == Some(version),
        };
        if holds { Ok(()) } else { Err(current) }
    }

    /// The most that a put could add to the sums.
    pub(crate) fn put_cost_max(key: &ObjectKey, value: &Sealed) -> u64 {
        let version = crate::limits::VERSION_COST + value.ciphertext.len() as u64;
        version + OBJECT_COST + key.as_str().len() as u64
    }

    /// What a put would add to the sums, before anything it pushes out.
    pub(crate) fn put_cost(&self, key: &ObjectKey, value: &Sealed) -> u64 {
        let version = crate::limits::VERSION_COST + value.ciphertext.len() as u64;
        let known = self.objects.contains_key(key.as_str());
        version + if known { 0 } else { OBJECT_COST + key.as_str().len() as u64 }
    }

    /// Adds a version. Returns whether there was no value before.
    pub(crate) fn push(&mut self, key: &ObjectKey, place: Place, content: Content) -> bool {
        let stored = StoredKey(key.clone());
        let cost = stored.cost();
        let sums = &mut self.sums;
        let object = self.objects.entry(stored).or_insert_with(|| {
            sums.cost += cost;
            Object::default()
        });
        let was_live = object.live().is_some();
        let entry = Entry::at(place, content);
        sums.gain(entry.sums());
        sums.lose(object.push(entry));
        sums.live += u64::from(object.live().is_some());
        sums.live -= u64::from(was_live);
        !was_live
    }

    /// All values that a shred of `scope` leaves, in order: by key, then by version.
    pub(crate) fn survivors<'a>(
        &'a self,
        scope: &'a ShredScope,
    ) -> impl Iterator<Item = &'a Sealed> {
        self.objects.iter().flat_map(move |(key, object)| {
            let values = object.entries.iter().filter(move |entry| survives(scope, key, entry));
            values.filter_map(Entry::value)
        })
    }

    /// Destroys what is in `scope`; tells how many values, and which objects lost their current one
    /// or, being shredded by name, are gone.
    pub(crate) fn shred(&mut self, scope: &ShredScope, place: Place) -> (u64, Vec<ObjectKey>) {
        let before = self.sums.values;
        let mut gone = Vec::new();
        match scope {
            ShredScope::Pool => {}
            ShredScope::Object(key) => {
                if let Some(object) = self.objects.get_mut(key.as_str()) {
                    self.sums.live -= u64::from(object.live().is_some());
                    self.sums.lose(object.shred(place));
                    object.entries.iter().for_each(|marker| self.sums.gain(marker.sums()));
                    gone.push(key.clone());
                }
            }
            ShredScope::OlderThan(cutoff) => {
                let sums = &mut self.sums;
                self.objects.retain(|key, object| {
                    let was_live = object.live().is_some();
                    sums.lose(object.retire(*cutoff));
                    if was_live && object.live().is_none() {
                        sums.live -= 1;
                        gone.push(key.0.clone());
                    }
                    if object.entries.is_empty() {
                        sums.cost -= key.cost();
                    }
                    !object.entries.is_empty()
                });
            }
        }
        (before - self.sums.values, gone)
    }

    /// Gives every value its data key under the pool's new key. The caller has compared the ids.
    pub(crate) fn rewrap(&mut self, epoch: u32, wrapped: Vec<([u8; 16], WrappedKey)>) {
        let mut wrapped = wrapped.into_iter();
        let entries = self.objects.values_mut().flat_map(|object| object.entries.iter_mut());
        for entry in entries {
            if let Content::Value(value) = &mut entry.content
                && let Some((id, key)) = wrapped.next()
            {
                assert!(value.id == id, "a key was wrapped anew for another value");
                value.wrapped_key = key;
                value.key_epoch = epoch;
            }
        }
        assert!(wrapped.next().is_none(), "more keys were wrapped anew than there are values");
        self.key_epoch = epoch;
    }

    /// The objects whose key starts with `prefix` and stands after `after`, by key.
    pub(crate) fn range<'a>(
        &'a self,
        prefix: &'a str,
        after: Option<&'a str>,
    ) -> impl Iterator<Item = (&'a ObjectKey, &'a Object)> {
        let from = match after {
            Some(after) if after >= prefix => Bound::Excluded(after),
            _ => Bound::Included(prefix),
        };
        let objects = self.objects.range::<str, _>((from, Bound::Unbounded));
        objects
            .take_while(move |(key, _)| key.0.as_str().starts_with(prefix))
            .map(|(key, object)| (&key.0, object))
    }

    /// The sums, counted.
    pub(crate) fn count(&self) -> Sums {
        let mut sums = Sums::default();
        for (key, object) in &self.objects {
            sums.cost += key.cost();
            sums.live += u64::from(object.live().is_some());
            object.entries.iter().for_each(|entry| sums.gain(entry.sums()));
        }
        sums
    }
}

fn survives(scope: &ShredScope, key: &StoredKey, entry: &Entry) -> bool {
    match scope {
        ShredScope::Pool => false,
        ShredScope::Object(shredded) => key.0 != *shredded,
        ShredScope::OlderThan(cutoff) => entry.time >= *cutoff,
    }
}
