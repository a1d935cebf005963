//! What a member holds when all is over: every object with its history, read through that member.

use std::collections::BTreeMap;

use anyhow::{Context as _, Result};
use notrace_sdk_wire::object::{Change, History, HistoryEntry, ObjectList};
use notrace_sdk_wire::{Time, Version};

use crate::door::{Door, Line};
use crate::history::{Key, POOLS, Value};
use crate::limits::{KEYS, READ_BACK_MAX};

/// One version of an object.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Entry {
    /// The version.
    pub version: Version,
    /// When it was delivered, by the group's clock.
    pub time: Time,
    /// What it did.
    pub change: Change,
    /// The value's size, in bytes.
    pub size_bytes: u64,
    /// The value, if it was read back.
    pub value: Option<Value>,
}

/// All that a member holds.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub struct Contents {
    /// Every object's versions, oldest first.
    pub histories: BTreeMap<Key, Vec<Entry>>,
    /// What lists show: the current versions of the objects that are there.
    pub listed: BTreeMap<Key, Version>,
}

impl Contents {
    /// Reads all through one member: every history and list, every current value, and of the older
    /// values the share that falls to it, `(which, of how many)`.
    /// # Errors  It does not answer, or it cannot read a value that it says it has.
    pub async fn of(door: &Door, share: (usize, usize)) -> Result<Self> {
        let mut line = door.open().await?;
        let mut contents = Self::default();
        for pool in 0..POOLS.len() as u8 {
            for number in 0..KEYS {
                let key = Key { pool, number };
                let history = history(&mut line, key).await?;
                contents.histories.insert(key, history);
            }
            contents.listed.extend(list(&mut line, pool).await?);
        }
        for (version, key) in contents.to_read_back(share) {
            let bytes = line.read(&format!("{}?version={version}", key.path())).await?;
            let value = Value::of(&bytes).with_context(|| {
                format!("{key} at {version}: {} bytes that nobody wrote", bytes.len())
            })?;
            let entries = contents.histories.get_mut(&key).into_iter().flatten();
            for entry in entries.filter(|entry| entry.version == version) {
                entry.value = Some(value);
            }
        }
        Ok(contents)
    }

    fn to_read_back(&self, (which, many): (usize, usize)) -> Vec<(Version, Key)> {
        let mut older: Vec<(Version, Key)> = Vec::new();
        for (key, history) in &self.histories {
            let puts = history.iter().filter(|entry| entry.change == Change::Put);
            older.extend(puts.map(|entry| (entry.version, *key)));
        }
        // The newest first: there is a bound.
        older.sort_by(|one, other| other.cmp(one));
        let is_current = |(version, key): &(Version, Key)| self.listed.get(key) == Some(version);
        let falls = |at: usize| at.checked_rem(many).unwrap_or(0) == which;
        let share = older.into_iter().enumerate();
        let share = share.filter(|(at, place)| falls(*at) || is_current(place));
        share.map(|(_, place)| place).take(READ_BACK_MAX).collect()
    }

    /// The newest version of each of a pool's keys that begin with `prefix`.
    #[must_use]
    pub fn newest_of_each(&self, pool: u8, prefix: &str) -> BTreeMap<String, Version> {
        let of_pool = self.histories.iter().filter(|(key, _)| key.pool == pool);
        let watched = of_pool.filter(|(key, _)| key.name().starts_with(prefix));
        watched.filter_map(|(key, history)| Some((key.name(), history.last()?.version))).collect()
    }
}

/// All versions of an object, oldest first.
async fn history(line: &mut Line, key: Key) -> Result<Vec<Entry>> {
    let mut entries: Vec<Entry> = Vec::new();
    let mut before = String::new();
    loop {
        let path = format!("{}?history{before}", key.path());
        let answer = line.ask("GET", &path, &[], bytes::Bytes::new()).await?;
        if answer.status == 404 {
            return Ok(entries);
        }
        let page: History = serde_json::from_slice(&answer.body)
            .with_context(|| format!("the history of {key} was answered {}", answer.status))?;
        entries.extend(page.versions.iter().map(entry));
        let Some(last) = page.versions.last().filter(|_| page.more) else { break };
        before = format!("&before={}", last.version);
    }
    entries.reverse();
    Ok(entries)
}

fn entry(of: &HistoryEntry) -> Entry {
    let HistoryEntry { version, time, change, size_bytes, .. } = of.clone();
    Entry { version, time, change, size_bytes, value: None }
}

async fn list(line: &mut Line, pool: u8) -> Result<Vec<(Key, Version)>> {
    let name = POOLS.get(usize::from(pool)).map_or("", |(name, _)| name);
    let list: ObjectList =
        serde_json::from_slice(&line.read(&format!("/v1/objects/{name}")).await?)?;
    let listed = list.objects.iter().map(|object| {
        let key = Key::named(pool, object.key.as_str()).context("an object that nobody made")?;
        Ok((key, object.version))
    });
    listed.collect()
}
