//! Following what changes in a pool, over all the shards that keep a part of it.

use std::time::Duration;

use notrace_policy_promise::name::PoolName;
use notrace_store_objects::Change;
use notrace_store_protocol::ids::Version;
use tokio::task::JoinSet;

use crate::group::Part;
use crate::limits::{FOLLOW_MAX, WATCH_BATCH_MAX};
use crate::node::Node;
use crate::refusal::Refusal;

/// A watch of one pool.
pub struct Watching {
    node: Node,
    /// How far it is, in each part.
    seen: Vec<Version>,
    /// One task for each part, which ends with its next changes.
    following: JoinSet<(usize, Follow, Result<Vec<Change>, Refusal>)>,
}

/// What a watch tells: a change, or where it is, or both. Where it is comes with the last change of
/// a version, and now and then without one, so that a watch that sees nothing for long can still be
/// taken up from what is kept.
pub struct Changed {
    /// The change.
    pub change: Option<Change>,
    /// What to begin after to see what comes next: a version for each shard that keeps a part of
    /// the pool.
    pub mark: Option<Vec<Version>>,
}

/// One part as it is followed.
struct Follow {
    node: Node,
    part: Part,
    /// Whether the part is made by its first write, and so may not be there yet.
    is_apart: bool,
    prefix: String,
    seen: Version,
}

impl Node {
    /// Follows the changes of keys that begin so: those after `from`, which has a version for each
    /// shard that keeps a part of the pool, or one nought for all; or those that come next.
    /// # Errors  [`Refusal::HistoryTrimmed`] when some of them are no longer kept;
    /// [`Refusal::TooMuch`] for marks of another number of shards.
    /// # Cancel  Dropping the watch ends it.
    pub async fn watch(
        &self,
        pool: &PoolName,
        prefix: &str,
        from: Option<Vec<Version>>,
    ) -> Result<Watching, Refusal> {
        let info = self.pool_to_read(pool).await?;
        let parts = self.group().shelves.parts(&info);
        let seen = match from {
            Some(from) if from == [Version::ZERO] => vec![Version::ZERO; parts.len()],
            Some(from) if from.len() != parts.len() => {
                let most = parts.len() as u64;
                return Err(Refusal::TooMuch {
                    what: "the number of versions to begin after",
                    most,
                });
            }
            Some(from) => from,
            None => self.newest(&parts).await?,
        };
        let is_apart = self.group().shelves.is_apart(&info);
        let mut following = JoinSet::new();
        for (at, (part, seen)) in parts.into_iter().zip(&seen).enumerate() {
            let (node, prefix, seen) = (self.clone(), prefix.to_owned(), *seen);
            let mut follow = Follow { node, part, is_apart, prefix, seen };
            // Asked once before the watch begins, so that a trimmed history is a refusal, not a
            // silence.
            let first = follow.read(Duration::ZERO).await?;
            following.spawn(async move {
                match first.is_empty() {
                    true => follow.next(at).await,
                    false => (at, follow, Ok(first)),
                }
            });
        }
        Ok(Watching { node: self.clone(), seen, following })
    }

    /// Where each part is now.
    async fn newest(&self, parts: &[Part]) -> Result<Vec<Version>, Refusal> {
        let mut newest = Vec::with_capacity(parts.len());
        for part in parts {
            newest.push(self.frontier_of(part).await?);
        }
        Ok(newest)
    }
}

impl Watching {
    /// Where the watch is.
    #[must_use]
    pub fn mark(&self) -> Vec<Version> {
        self.seen.clone()
    }

    /// The next changes of one part, in its order; `None` ends the watch: it fell behind what is
    /// kept, or the node drains. Taking it up again tells which.
    /// # Cancel  Dropping the future loses nothing.
    pub async fn next(&mut self) -> Option<Vec<Changed>> {
        let drains = self.node.drains();
        let (at, follow, changes) = tokio::select! {
            biased;
            () = drains => return None,
            next = self.following.join_next() => next?.ok()?,
        };
        let changes = changes.ok()?;
        if let (true, Some(seen)) = (changes.is_empty(), self.seen.get_mut(at)) {
            *seen = follow.seen;
            self.following.spawn(follow.next(at));
            return Some(vec![Changed { change: None, mark: Some(self.seen.clone()) }]);
        }
        self.following.spawn(follow.next(at));
        let versions: Vec<Version> = changes.iter().map(|change| change.version).collect();
        let mut told = Vec::with_capacity(changes.len());
        for (change, next) in
            changes.into_iter().zip(versions.into_iter().skip(1).map(Some).chain([None]))
        {
            // A watch is taken up after a version, so a version's mark comes with its last change.
            let is_last = next != Some(change.version);
            if let Some(seen) = self.seen.get_mut(at) {
                *seen = change.version;
            }
            let mark = is_last.then(|| self.seen.clone());
            told.push(Changed { change: Some(change), mark });
        }
        Some(told)
    }
}

impl Follow {
    async fn next(mut self, at: usize) -> (usize, Self, Result<Vec<Change>, Refusal>) {
        let before = self.seen;
        loop {
            match self.read(FOLLOW_MAX).await {
                Ok(changes) if changes.is_empty() && self.seen == before => {}
                // Who holds the part is changing; the watch goes on with whoever does then.
                Err(Refusal::Unavailable | Refusal::Busy { .. }) => {
                    tokio::time::sleep(Duration::from_millis(50)).await;
                }
                changes => return (at, self, changes),
            }
        }
    }

    /// The changes after what was seen; waits for some, but not for longer than this.
    async fn read(&mut self, wait: Duration) -> Result<Vec<Change>, Refusal> {
        let Self { node, part, prefix, seen, .. } = self;
        let followed = node.follow_part(part, prefix, *seen, WATCH_BATCH_MAX, wait).await;
        match followed {
            Ok((changes, frontier)) => {
                let last = changes.last().map(|change| change.version);
                self.seen = last.unwrap_or(self.seen.max(frontier));
                Ok(changes)
            }
            Err(Refusal::PoolUnknown) if self.is_apart => {
                // It may be made at any moment; nobody tells when.
                tokio::time::sleep(wait.min(Duration::from_millis(100))).await;
                Ok(Vec::new())
            }
            Err(refusal) => Err(refusal),
        }
    }
}
