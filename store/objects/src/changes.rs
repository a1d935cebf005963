//! The watch feed: the latest changes of all pools, in order, in a bounded ring.

use std::collections::VecDeque;

use notrace_policy_promise::name::PoolName;
use notrace_store_protocol::ids::Version;

use crate::found::Change;
use crate::limits::CHANGES_MAX;

#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub(crate) struct Changes(pub(crate) VecDeque<(PoolName, Change)>);

impl Changes {
    /// Adds a change, and returns the one that had to go for it.
    pub(crate) fn push(&mut self, pool: &PoolName, change: Change) -> Option<(PoolName, Change)> {
        self.0.push_back((pool.clone(), change));
        if self.0.len() > CHANGES_MAX { self.0.pop_front() } else { None }
    }

    /// Forgets the changes of `pool` that `which` chooses, and returns the version of the last.
    pub(crate) fn forget(
        &mut self,
        pool: &PoolName,
        which: impl Fn(&Change) -> bool,
    ) -> Option<Version> {
        let mut last = None;
        self.0.retain(|(name, change)| {
            let goes = name == pool && which(change);
            if goes {
                last = Some(change.version);
            }
            !goes
        });
        last
    }

    /// Up to `limit` changes of `pool` after `from`; more where the last version would be cut,
    /// since a reader resumes from a version and would miss the rest of it.
    pub(crate) fn after(
        &self,
        pool: &PoolName,
        prefix: &str,
        from: Version,
        limit: usize,
    ) -> Vec<Change> {
        let start = self.0.partition_point(|(_, change)| change.version <= from);
        let wanted = self
            .0
            .range(start..)
            .filter(|(name, change)| name == pool && change.key.as_str().starts_with(prefix));
        let mut found: Vec<Change> = Vec::new();
        for (_, change) in wanted {
            let same = found.last().is_some_and(|last| last.version == change.version);
            if found.len() >= limit && !same {
                break;
            }
            found.push(change.clone());
        }
        found
    }
}
