//! The bytes of updates that are under way: what this node sent, and what its peers did, each until
//! it is delivered. A slot names a stretch of a sender's ring; here that is only a name, and the
//! bytes are wherever they came to lie.

use std::collections::BTreeMap;

use bytes::Bytes;
use notrace_store_protocol::effect::Slot;
use notrace_store_protocol::ids::{NodeId, ShardId, ViewId};
use notrace_store_protocol::limits::WINDOW_MESSAGES_MAX;

/// One sender's messages in one epoch, by number.
#[derive(Default)]
struct Ring {
    held: BTreeMap<u64, (u32, Bytes)>,
    /// Messages before this one were delivered; if they come again, nobody needs them.
    passed: u64,
}

/// All senders' messages that are under way, as far as they are here.
#[derive(Default)]
pub(crate) struct Rings {
    rings: BTreeMap<(ShardId, ViewId, NodeId), Ring>,
}

impl Rings {
    /// Keeps an own message, until [`Rings::free`]: a peer may need it once more.
    pub(crate) fn place(&mut self, me: NodeId, slot: &Slot, bytes: Bytes) {
        let ring = self.rings.entry((slot.shard, slot.since, me)).or_default();
        ring.held.insert(slot.index, (slot.offset, bytes));
    }

    /// Forgets own messages before this one: every member has delivered them.
    pub(crate) fn free(&mut self, me: NodeId, shard: ShardId, since: ViewId, below: u64) {
        let Some(ring) = self.rings.get_mut(&(shard, since, me)) else { return };
        while ring.held.first_key_value().is_some_and(|(index, _)| *index < below) {
            ring.held.pop_first();
        }
    }

    /// Keeps a peer's message. Whether it counts is for the protocol to say; a window of messages
    /// is all that can.
    pub(crate) fn land(&mut self, from: NodeId, slot: &Slot, bytes: Bytes) {
        let ring = self.rings.entry((slot.shard, slot.since, from)).or_default();
        let window = ring.passed..ring.passed.saturating_add(u64::from(WINDOW_MESSAGES_MAX));
        if window.contains(&slot.index) {
            ring.held.insert(slot.index, (slot.offset, bytes));
        }
    }

    /// The bytes of a message, if they are here.
    pub(crate) fn get(&self, sender: NodeId, slot: &Slot) -> Option<Bytes> {
        let ring = self.rings.get(&(slot.shard, slot.since, sender))?;
        let (offset, bytes) = ring.held.get(&slot.index)?;
        let same = *offset == slot.offset && bytes.len() == slot.bytes as usize;
        same.then(|| bytes.clone())
    }

    /// Takes a message out for delivery. An own one stays, see [`Rings::free`].
    pub(crate) fn deliver(&mut self, me: NodeId, sender: NodeId, slot: &Slot) -> Option<Bytes> {
        let bytes = self.get(sender, slot)?;
        if sender != me {
            let ring = self.rings.get_mut(&(slot.shard, slot.since, sender))?;
            ring.held = ring.held.split_off(&(slot.index + 1));
            ring.passed = slot.index + 1;
        }
        Some(bytes)
    }

    /// Forgets a shard's epochs before this one, of which nothing is needed any more.
    pub(crate) fn forget_before(&mut self, shard: ShardId, since: ViewId) {
        self.rings.retain(|(of, epoch, _), _| *of != shard || *epoch >= since);
    }

    /// Forgets everything.
    pub(crate) fn clear(&mut self) {
        self.rings.clear();
    }
}
