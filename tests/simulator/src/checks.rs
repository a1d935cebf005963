//! What must never happen, one file for each property. Each is told of every delivery, installation
//! and answer as it occurs, and says at once what is wrong with it.
//!
//! [`history`] is what the world knows and no member does: all views, all epochs and what anybody
//! delivered in them. The properties are stated on it.

pub(crate) mod history;

pub(crate) mod durability;
pub(crate) mod exactly_once;
pub(crate) mod fifo;
pub(crate) mod layout;
pub(crate) mod linear;
pub(crate) mod no_split_brain;
pub(crate) mod reads;
pub(crate) mod recovery;
pub(crate) mod stability;
pub(crate) mod total_order;
pub(crate) mod trim_agreement;
pub(crate) mod virtual_synchrony;

use std::sync::Arc;

use notrace_store_protocol::effect::Slot;
use notrace_store_protocol::ids::{Life, ShardId, Version};
use notrace_store_protocol::machine::Place;
use notrace_store_protocol::view::View;

use crate::plan::Shape;
use crate::world::replica::Entry;
use crate::world::sends::Sent;

/// A property that does not hold.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Violation {
    /// Which.
    pub property: &'static str,
    /// How it shows.
    pub text: String,
}

/// Whether everything is as it must be.
pub(crate) type Verdict = Result<(), Violation>;

/// Says that a property does not hold.
pub(crate) fn violated(property: &'static str, text: String) -> Verdict {
    Err(Violation { property, text })
}

/// An update that is being delivered by a node.
pub(crate) struct Delivery<'a> {
    pub(crate) node: usize,
    pub(crate) life: Life,
    pub(crate) shard: ShardId,
    pub(crate) place: Place,
    pub(crate) sender: usize,
    pub(crate) slot: Slot,
    /// What was delivered here before it; nothing at the beginning of a shard.
    pub(crate) before: Option<Entry>,
    /// It, with the digest of everything up to it.
    pub(crate) entry: Entry,
    /// The view that is installed in the same step, after it.
    pub(crate) closing: Option<&'a View>,
    /// The node leaves its view in the same step, for one that is without it.
    pub(crate) departing: bool,
}

/// An update that somebody is told to be as safe as was asked.
pub(crate) struct Answered<'a> {
    pub(crate) node: usize,
    pub(crate) sent: &'a Sent,
    pub(crate) payload: u32,
    pub(crate) place: Place,
    /// On whose disks it is, a bit each; nothing where that does not matter or cannot be told.
    pub(crate) disks: Option<u64>,
}

/// All properties of a run.
pub(crate) struct Checks {
    pub(crate) history: history::History,
    stability: stability::Stability,
    durability: durability::Durability,
    synchrony: virtual_synchrony::VirtualSynchrony,
    order: total_order::TotalOrder,
    fifo: fifo::Fifo,
    pub(crate) split: no_split_brain::NoSplitBrain,
    pub(crate) linear: linear::Linear,
}

impl Checks {
    pub(crate) fn new(shape: &Shape) -> Self {
        let (nodes, shards) = (shape.nodes(), shape.shards.len());
        Self {
            history: history::History::new(shards),
            stability: stability::Stability::new(shards),
            durability: durability::Durability::new(shards),
            synchrony: virtual_synchrony::VirtualSynchrony::default(),
            order: total_order::TotalOrder::new(nodes, shards),
            fifo: fifo::Fifo::new(nodes, shards),
            split: no_split_brain::NoSplitBrain::default(),
            linear: linear::Linear::default(),
        }
    }

    /// A node delivers.
    pub(crate) fn delivered(&mut self, delivery: &Delivery<'_>, sent: &mut Sent) -> Verdict {
        self.order.delivered(&mut self.history, delivery)?;
        self.stability.delivered(&self.history, delivery)?;
        self.fifo.delivered(delivery, sent)?;
        exactly_once::delivered(delivery, sent)?;
        trim_agreement::delivered(&self.history, delivery)
    }

    /// A node takes updates over from another one.
    pub(crate) fn transferred(&self, shard: ShardId, entries: &[Entry]) -> Verdict {
        total_order::transferred(&self.history, shard, entries)
    }

    /// A node holds the bytes of a message.
    pub(crate) fn holds(&mut self, slot: (ShardId, u32, u64), sender: usize, node: usize) {
        self.stability.holds(slot, sender, node);
    }

    /// A node installs a view. `held` are the shards of it in which it was ready until then, with
    /// the last update delivered.
    pub(crate) fn installed(
        &mut self,
        node: usize,
        life: Life,
        view: &Arc<View>,
        held: &[Held],
        (shape, last): (&Shape, &dyn Fn(usize, ShardId) -> Version),
    ) -> Verdict {
        let news = self.history.installed(view, last)?;
        if news {
            self.split.decided(&self.history, view)?;
            layout::decided(&self.history, view, shape)?;
            for (shard, _) in self.history.begun(view) {
                trim_agreement::decided(&self.history, shard)?;
                self.durability.decided(&self.history, shard)?;
            }
        }
        for held in held {
            trim_agreement::ended(&self.history, node, view, held)?;
            self.synchrony.ended(node, life, view, held)?;
        }
        Ok(())
    }

    /// A client is answered.
    pub(crate) fn answered(&mut self, answered: &Answered<'_>) -> Verdict {
        exactly_once::answered(answered)?;
        self.durability.answered(&self.history, answered)
    }

    /// A node gets telemetry.
    pub(crate) fn observed(&mut self, node: usize, sender: usize, sent: &Sent) -> Verdict {
        self.fifo.seen(node, sender, sent)
    }

    /// A node begins a life, or its log of a shard was cut.
    pub(crate) fn forget(&mut self, node: usize, shard: Option<usize>) {
        self.fifo.forget(node, shard);
    }
}

/// What a node held of a shard when its view ended.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Held {
    pub(crate) shard: ShardId,
    /// The epoch that ends.
    pub(crate) since: notrace_store_protocol::ids::ViewId,
    /// The last update delivered.
    pub(crate) last: Version,
    /// How many, and a digest of them.
    pub(crate) count: usize,
    pub(crate) digest: u64,
}
