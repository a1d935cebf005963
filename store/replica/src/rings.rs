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

    /// Keeps a peer's message. Whether it counts is for the protocol to say; no more than a window
    /// of updates can. Their numbers may lie far apart, for nulls have numbers too.
    pub(crate) fn land(&mut self, from: NodeId, slot: &Slot, bytes: Bytes) {
        let ring = self.rings.entry((slot.shard, slot.since, from)).or_default();
        let room = ring.held.len() < WINDOW_MESSAGES_MAX as usize;
        if slot.index >= ring.passed && (room || ring.held.contains_key(&slot.index)) {
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

#[cfg(test)]
mod a_ring {
    use notrace_store_protocol::ids::{NodeId, ShardId, ViewId};

    use super::*;

    fn slot(index: u64) -> Slot {
        Slot { shard: ShardId(0), since: ViewId::FIRST, index, offset: 0, bytes: 1 }
    }

    fn bytes() -> Bytes {
        Bytes::from_static(b"x")
    }

    #[test]
    fn of_a_sender_that_said_nothing_for_long_takes_what_it_says_then() {
        let (me, peer) = (NodeId::new(1).unwrap(), NodeId::new(2).unwrap());
        let mut rings = Rings::default();
        let late = slot(100 * u64::from(WINDOW_MESSAGES_MAX));
        rings.land(peer, &late, bytes());
        assert_eq!(rings.deliver(me, peer, &late), Some(bytes()));
        rings.land(peer, &slot(7), bytes());
        assert_eq!(rings.get(peer, &slot(7)), None, "what was passed is not kept again");
    }

    #[test]
    fn is_bounded_by_a_window_of_messages() {
        let peer = NodeId::new(2).unwrap();
        let mut rings = Rings::default();
        for index in 0..2 * u64::from(WINDOW_MESSAGES_MAX) {
            rings.land(peer, &slot(3 * index), bytes());
        }
        let ring = rings.rings.values().next().unwrap();
        assert_eq!(ring.held.len(), WINDOW_MESSAGES_MAX as usize);
    }
}
