//! A client that follows the changes of a pool, and takes the stream up at another member when it
//! breaks off.

use std::collections::BTreeMap;
use std::time::Duration;

use anyhow::{Context as _, Result};
use notrace_sdk_wire::Version;
use notrace_sdk_wire::object::Change;
use notrace_sdk_wire::watch::WatchEvent;
use tokio::sync::watch::Receiver;
use tokio::time::timeout;

use crate::chance::Chance;
use crate::door::{Door, Events};
use crate::history::POOLS;
use crate::limits::{ATTEMPT_MAX, RETRY_MAX};
use crate::moment::{Clock, pause};

/// Versions of keys.
pub type Target = BTreeMap<String, Version>;

/// One change as a watcher was told.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Told {
    /// Over which of its connections.
    pub connection: u32,
    /// The version.
    pub version: Version,
    /// The key's name.
    pub key: String,
    /// What happened to it.
    pub change: Change,
}

/// A watcher, and all it was told.
pub struct Watcher {
    /// Which pool it watches.
    pub pool: u8,
    /// Which keys: those whose names begin so.
    pub prefix: &'static str,
    /// What it was told, in order.
    pub told: Vec<Told>,
    /// The newest version of each key that it was told of.
    newest: Target,
    /// Where to go on.
    last: Option<String>,
    connection: u32,
    doors: Vec<Door>,
    chance: Chance,
}

impl Watcher {
    /// A watcher from the beginning of time on.
    #[must_use]
    pub fn new(pool: u8, prefix: &'static str, doors: Vec<Door>, chance: Chance) -> Self {
        let (told, newest) = (Vec::new(), Target::new());
        Self { pool, prefix, told, newest, last: None, connection: 0, doors, chance }
    }

    /// Follows until it was told of the versions that `target` names one day, or until `last`.
    pub async fn follow(
        mut self,
        mut target: Receiver<Option<Target>>,
        clock: Clock,
        last: Duration,
    ) -> Self {
        while clock.elapsed() < last && !self.has_reached(&target) {
            // Why a stream broke off does not matter; where it is taken up, the checks look at.
            if let Ok(events) = self.open().await {
                self.listen(events, &mut target).await;
            }
            let wait = self.chance.below(RETRY_MAX.as_micros() as u64);
            pause(Duration::from_micros(wait)).await;
        }
        self
    }

    fn has_reached(&self, target: &Receiver<Option<Target>>) -> bool {
        target.borrow().as_ref().is_some_and(|wanted| {
            wanted.iter().all(|(key, version)| self.newest.get(key) >= Some(version))
        })
    }

    async fn open(&mut self) -> Result<Events> {
        let door = self.chance.one_of(&self.doors).context("no member")?;
        let pool = POOLS.get(usize::from(self.pool)).map_or("", |(name, _)| name);
        let path = format!("/v1/watch/{pool}?prefix={}&from=0:0", self.prefix);
        let resume: Vec<(&str, &str)> =
            self.last.iter().map(|last| ("last-event-id", last.as_str())).collect();
        let opened = async { door.open().await?.stream(&path, &resume).await };
        let events = timeout(ATTEMPT_MAX, opened).await.context("no stream in time")??;
        self.connection += 1;
        Ok(events)
    }

    /// Listens until the stream breaks off or all has been told.
    async fn listen(&mut self, mut events: Events, target: &mut Receiver<Option<Target>>) {
        while !self.has_reached(target) {
            let event = tokio::select! {
                event = events.next() => event,
                // Told of all there is while it waited: look again.
                Ok(()) = target.changed() => continue,
            };
            let Ok(event) = event else { return };
            let Ok(change) = serde_json::from_str::<WatchEvent>(&event.data) else { return };
            let newest = self.newest.entry(change.key.as_str().to_owned());
            let newest = newest.or_insert(change.version);
            *newest = change.version.max(*newest);
            self.told.push(Told {
                connection: self.connection,
                version: change.version,
                key: change.key.as_str().to_owned(),
                change: change.change,
            });
            self.last = event.id.or(self.last.take());
        }
    }
}
