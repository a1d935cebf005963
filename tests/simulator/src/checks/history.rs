//! What the world knows and no member does: every view that was installed, every epoch of every
//! shard, and what anybody delivered in it.

use std::sync::Arc;

use notrace_store_protocol::ids::{Life, ShardId, Version, ViewId};
use notrace_store_protocol::view::{Fate, ShardView, View};

use super::{Verdict, Violation, violated};
use crate::world::node::{bit, index};
use crate::world::replica::Entry;

/// An epoch of a shard.
#[derive(Debug)]
pub(crate) struct Epoch {
    pub(crate) since: ViewId,
    /// The last update before it.
    pub(crate) through: Version,
    /// Its members, and in which of their lives.
    pub(crate) members: Vec<(usize, Life)>,
    /// A member of the epoch before it that has in memory all that anybody delivered goes on.
    pub(crate) from_memory: bool,
    /// An operator gave up what was there before.
    pub(crate) anew: bool,
    /// Members that have been ready in it, a bit each.
    pub(crate) ready: u64,
    /// What anybody delivered in it, in order.
    pub(crate) updates: Vec<Entry>,
}

impl Epoch {
    /// The last update that anybody delivered in it, or what came before.
    pub(crate) fn last(&self) -> Version {
        self.updates.last().map_or(self.through, |entry| entry.version)
    }
}

/// All that happened.
pub(crate) struct History {
    /// By number.
    views: Vec<Option<Arc<View>>>,
    /// By shard, ascending.
    epochs: Vec<Vec<Epoch>>,
    /// Shards that an operator gave up.
    pub(crate) given_up: u64,
}

impl History {
    pub(crate) fn new(shards: usize) -> Self {
        let epochs = (0..shards).map(|_| Vec::new()).collect();
        Self { views: Vec::new(), epochs, given_up: 0 }
    }

    pub(crate) fn view(&self, id: ViewId) -> Option<&Arc<View>> {
        self.views.get(id.number() as usize)?.as_ref()
    }

    /// The last view that was installed anywhere.
    pub(crate) fn latest(&self) -> Option<&Arc<View>> {
        self.views.last()?.as_ref()
    }

    /// Notes a view; says whether it is new. Two views of one number are the end of the world.
    /// `last` says how far each node's memory of a shard reaches.
    pub(crate) fn installed(
        &mut self,
        view: &Arc<View>,
        last: impl Fn(usize, ShardId) -> Version,
    ) -> Result<bool, Violation> {
        let at = view.id.number() as usize;
        if self.views.len() <= at {
            self.views.resize(at + 1, None);
        }
        if let Some(known) = &self.views[at] {
            if !Arc::ptr_eq(known, view) && known != view {
                let text = format!("two views of one number:\n  {known:?}\n  {view:?}");
                violated("no_split_brain", text)?;
            }
            return Ok(false);
        }
        self.views[at] = Some(view.clone());
        for (shard, next) in view.shards() {
            if next.since == view.id {
                self.begin(view, shard, next, |node| last(node, shard));
            }
        }
        Ok(true)
    }

    fn begin(
        &mut self,
        view: &View,
        shard: ShardId,
        next: &ShardView,
        last: impl Fn(usize) -> Version,
    ) {
        let life = |node: usize| {
            let mut found = view.members.iter().filter(|member| index(member.node) == node);
            found.next().map_or(Life(0), |member| member.life)
        };
        let members: Vec<_> =
            next.members.iter().map(|node| (index(*node), life(index(*node)))).collect();
        let gone_on = |node: usize, old: Life| {
            view.members.iter().any(|member| index(member.node) == node && member.life == old)
        };
        let before = self.epochs[usize::from(shard.0)].last();
        let from_memory = before.is_none_or(|before| {
            let holds = |node: usize| self.includes(shard, last(node), before.last());
            before.members.iter().any(|(node, old)| gone_on(*node, *old) && holds(*node))
        });
        let anew = before.is_some() && next.witness.is_none() && next.through == Version::ZERO;
        self.epochs[usize::from(shard.0)].push(Epoch {
            since: view.id,
            through: next.through,
            members,
            from_memory,
            anew,
            ready: 0,
            updates: Vec::new(),
        });
    }

    /// The epochs that began with this view.
    pub(crate) fn begun(&self, view: &View) -> Vec<(ShardId, Fate)> {
        let begun = view.shards().filter(|(_, next)| next.since == view.id);
        begun.map(|(shard, next)| (shard, next.fate)).collect()
    }

    pub(crate) fn epochs(&self, shard: ShardId) -> &[Epoch] {
        &self.epochs[usize::from(shard.0)]
    }

    pub(crate) fn epoch(&self, shard: ShardId, since: ViewId) -> Option<&Epoch> {
        let epochs = self.epochs(shard);
        let at = epochs.binary_search_by_key(&since, |epoch| epoch.since).ok()?;
        epochs.get(at)
    }

    pub(crate) fn epoch_mut(&mut self, shard: ShardId, since: ViewId) -> Option<&mut Epoch> {
        let epochs = &mut self.epochs[usize::from(shard.0)];
        let at = epochs.binary_search_by_key(&since, |epoch| epoch.since).ok()?;
        epochs.get_mut(at)
    }

    /// The epoch that followed on this one.
    pub(crate) fn next(&self, shard: ShardId, since: ViewId) -> Option<&Epoch> {
        let epochs = self.epochs(shard);
        epochs.get(epochs.partition_point(|epoch| epoch.since <= since))
    }

    /// A member holds everything before an epoch.
    pub(crate) fn is_ready(&mut self, shard: ShardId, since: ViewId, node: usize) {
        if let Some(epoch) = self.epoch_mut(shard, since) {
            epoch.ready |= bit(node);
        }
    }

    /// Whether an update is part of the past that ends with another one.
    pub(crate) fn includes(&self, shard: ShardId, mut tip: Version, version: Version) -> bool {
        loop {
            if version.view() == tip.view() {
                return version.seq() <= tip.seq();
            }
            if version.view() > tip.view() {
                return false;
            }
            match self.epoch(shard, tip.view()) {
                Some(epoch) => tip = epoch.through,
                None => return false,
            }
        }
    }

    /// Whether memory was kept in every epoch of a shard that began after this one.
    pub(crate) fn remembered_since(&self, shard: ShardId, since: ViewId) -> bool {
        let epochs = self.epochs(shard);
        let later = epochs.partition_point(|epoch| epoch.since <= since);
        epochs[later..].iter().all(|epoch| epoch.from_memory)
    }

    /// What was delivered under this version.
    pub(crate) fn update(&self, shard: ShardId, version: Version) -> Option<&Entry> {
        let epoch = self.epoch(shard, version.view())?;
        let at = epoch.updates.binary_search_by_key(&version, |entry| entry.version).ok()?;
        epoch.updates.get(at)
    }
}

/// A check's verdict about somebody whom the history does not know.
pub(crate) fn unknown_epoch(property: &'static str, shard: ShardId, since: ViewId) -> Verdict {
    violated(property, format!("shard {} has no epoch {since}", shard.0))
}
