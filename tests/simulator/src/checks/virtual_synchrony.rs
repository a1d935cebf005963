//! Virtual synchrony: two members that go on together from one epoch to the next delivered the same
//! updates in the one that ended.
//!
//! Source: Birman and Joseph, "Exploiting Virtual Synchrony in Distributed Systems" (SOSP 1987);
//! as a property in Chockler, Keidar and Vitenberg, "Group Communication Specifications" (2001),
//! property 3.8.

use std::collections::BTreeMap;

use notrace_store_protocol::ids::{Life, ShardId, ViewId};
use notrace_store_protocol::view::View;

use super::{Held, Verdict, violated};

/// For each epoch that ended with a view: what the first member delivered that went on.
#[derive(Default)]
pub(crate) struct VirtualSynchrony {
    ended: BTreeMap<(ShardId, ViewId, ViewId), (usize, usize, u64)>,
}

impl VirtualSynchrony {
    pub(crate) fn ended(&mut self, node: usize, life: Life, view: &View, held: &Held) -> Verdict {
        let key = (held.shard, held.since, view.id);
        let (first, count, digest) =
            *self.ended.entry(key).or_insert((node, held.count, held.digest));
        if (count, digest) == (held.count, held.digest) {
            return Ok(());
        }
        let text = format!(
            "node {} delivered {count} updates of shard {} before view {}, node {} in life {} {}",
            first + 1,
            held.shard.0,
            view.id,
            node + 1,
            life.0,
            held.count
        );
        violated("virtual_synchrony", text)
    }
}
