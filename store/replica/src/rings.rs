//! The bytes of updates that are under way: what this node sent, and what its peers did, each until
//! it is delivered. A slot names a stretch of a sender's ring; here that is only a name, and the
//! bytes are wherever they came to lie.
//!
//! What has come is never replaced: the protocol may count on it already. A sender has no more than
//! a window under way that is not delivered here; more than that is kept of nobody.

use std::collections::BTreeMap;

use bytes::Bytes;
use notrace_store_protocol::effect::Slot;
use notrace_store_protocol::ids::{NodeId, ShardId, ViewId};
use notrace_store_protocol::limits::{Limits, WINDOW_BYTES_MAX, WINDOW_MESSAGES_MAX};

/// A message within one sender's epoch: its number, and where it says that it lies. Whether it lies
/// there is for the protocol to say; a sender that says two things is believed only one.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Stretch {
    index: u64,
    offset: u32,
    bytes: u32,
}

fn stretch(slot: &Slot) -> Stretch {
    let Slot { index, offset, bytes, .. } = *slot;
    Stretch { index, offset, bytes }
}

/// One sender's messages in one epoch, by number.
#[derive(Default)]
struct Ring {
    held: BTreeMap<Stretch, Bytes>,
    bytes: u64,
    /// Messages before this one were delivered; if they come again, nobody needs them.
    passed: u64,
}

impl Ring {
    fn keep(&mut self, slot: &Slot, bytes: Bytes) {
        self.bytes += bytes.len() as u64;
        self.held.insert(stretch(slot), bytes);
    }

    fn forget_below(&mut self, index: u64) {
        while let Some(first) = self.held.first_entry().filter(|first| first.key().index < index) {
            self.bytes -= first.remove().len() as u64;
        }
    }
}

/// All senders' messages that are under way, as far as they are here.
pub(crate) struct Rings {
    rings: BTreeMap<(ShardId, ViewId, NodeId), Ring>,
    bytes_max: u64,
    messages_max: usize,
}

/// A peer sent more than a window.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct BeyondWindow;

impl Rings {
    pub(crate) fn new(limits: &Limits) -> Self {
        Self {
            rings: BTreeMap::new(),
            bytes_max: u64::from(limits.window_bytes.min(WINDOW_BYTES_MAX)),
            messages_max: limits.window_messages.clamp(1, WINDOW_MESSAGES_MAX) as usize,
        }
    }

    /// Keeps an own message, until [`Rings::free`]: a peer may need it once more.
    pub(crate) fn place(&mut self, me: NodeId, slot: &Slot, bytes: Bytes) {
        self.rings.entry((slot.shard, slot.since, me)).or_default().keep(slot, bytes);
    }

    /// Forgets own messages before this one: every member has delivered them.
    pub(crate) fn free(&mut self, me: NodeId, shard: ShardId, since: ViewId, below: u64) {
        if let Some(ring) = self.rings.get_mut(&(shard, since, me)) {
            ring.forget_below(below);
        }
    }

    /// Keeps a peer's message, unless it is here or was delivered. Whether it counts is for the
    /// protocol to say. Their numbers may lie far apart, for nulls have numbers too.
    /// # Errors  [`BeyondWindow`]: it was not kept.
    pub(crate) fn land(
        &mut self,
        from: NodeId,
        slot: &Slot,
        bytes: Bytes,
    ) -> Result<(), BeyondWindow> {
        let ring = self.rings.entry((slot.shard, slot.since, from)).or_default();
        if slot.index < ring.passed || ring.held.contains_key(&stretch(slot)) {
            return Ok(());
        }
        let full = ring.bytes + bytes.len() as u64 > self.bytes_max;
        if full || ring.held.len() >= self.messages_max {
            return Err(BeyondWindow);
        }
        ring.keep(slot, bytes);
        Ok(())
    }

    /// The bytes of a message, if they are here.
    pub(crate) fn get(&self, sender: NodeId, slot: &Slot) -> Option<Bytes> {
        let ring = self.rings.get(&(slot.shard, slot.since, sender))?;
        ring.held.get(&stretch(slot)).cloned()
    }

    /// Takes a message out for delivery. An own one stays, see [`Rings::free`].
    pub(crate) fn deliver(&mut self, me: NodeId, sender: NodeId, slot: &Slot) -> Option<Bytes> {
        let bytes = self.get(sender, slot)?;
        if sender != me {
            let ring = self.rings.get_mut(&(slot.shard, slot.since, sender))?;
            ring.passed = slot.index + 1;
            ring.forget_below(ring.passed);
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
    use super::*;

    const ME: NodeId = NodeId::new(1).unwrap();
    const PEER: NodeId = NodeId::new(2).unwrap();

    fn rings() -> Rings {
        Rings::new(&Limits { window_bytes: 100, window_messages: 8, ..Limits::USUAL })
    }

    fn slot(index: u64, bytes: u32) -> Slot {
        Slot { shard: ShardId(0), since: ViewId::FIRST, index, offset: 0, bytes }
    }

    fn land(rings: &mut Rings, index: u64, bytes: u32) -> Result<(), BeyondWindow> {
        rings.land(PEER, &slot(index, bytes), vec![index as u8; bytes as usize].into())
    }

    #[test]
    fn of_a_sender_that_said_nothing_for_long_takes_what_it_says_then() {
        let mut rings = rings();
        land(&mut rings, 1 << 30, 1).unwrap();
        assert!(rings.deliver(ME, PEER, &slot(1 << 30, 1)).is_some());
        land(&mut rings, 7, 1).unwrap();
        assert_eq!(rings.get(PEER, &slot(7, 1)), None, "what was passed is not kept again");
    }

    #[test]
    fn does_not_replace_what_counts_by_what_comes_again() {
        let mut rings = rings();
        rings.land(PEER, &slot(0, 1), Bytes::from_static(b"x")).unwrap();
        rings.land(PEER, &slot(0, 1), Bytes::from_static(b"y")).unwrap();
        rings.land(PEER, &slot(0, 2), Bytes::from_static(b"xy")).unwrap();
        let delivered = rings.deliver(ME, PEER, &slot(0, 1));
        assert_eq!(delivered, Some(Bytes::from_static(b"x")));
        assert_eq!(rings.get(PEER, &slot(0, 2)), None, "what was passed is forgotten");
    }

    #[test]
    fn is_bounded_by_a_window_of_messages() {
        let mut rings = rings();
        (0..8).for_each(|index| land(&mut rings, 3 * index, 1).unwrap());
        assert_eq!(land(&mut rings, 24, 1), Err(BeyondWindow));
        assert_eq!(land(&mut rings, 21, 1), Ok(()), "what is here may come again");
        rings.deliver(ME, PEER, &slot(0, 1)).unwrap();
        assert_eq!(land(&mut rings, 24, 1), Ok(()));
    }

    #[test]
    fn is_bounded_by_a_window_of_bytes() {
        let mut rings = rings();
        land(&mut rings, 0, 60).unwrap();
        assert_eq!(land(&mut rings, 1, 41), Err(BeyondWindow));
        land(&mut rings, 1, 40).unwrap();
        rings.deliver(ME, PEER, &slot(0, 60)).unwrap();
        assert_eq!(land(&mut rings, 2, 60), Ok(()));
    }
}
