//! Handing out what is stable, in its order; and the end of an epoch.

use super::{Cut, Ending, Epoch};
use crate::effect::{Effect, Slot};
use crate::ids::{SeqNum, Version};
use crate::layout::Mode;
use crate::machine::Place;
use crate::order;
use crate::row::{Held, Holding};

impl Epoch {
    /// Delivers what stands before this slot and has not been delivered. Nulls are passed over:
    /// they have a slot and nothing else.
    pub(super) fn deliver_to(&mut self, end: u64, out: &mut Vec<Effect>) {
        let begin = self.mine.delivered;
        if end <= begin {
            return;
        }
        let before = self.last.version;
        let (mut sender, mut index) = order::sent_in(self.senders, begin);
        for slot in begin..end {
            self.deliver_one(slot, sender, index, out);
            sender += 1;
            if sender == self.senders {
                (sender, index) = (0, index + 1);
            }
        }
        self.mine.delivered = end;
        self.changed = true;
        // Others need it only for room in their windows.
        let untold = (end - self.told_delivered) / u64::from(self.senders);
        self.awaited |= self.window.is_much(untold, self.untold_bytes);
        if self.last.version > before && self.mode == Mode::Durable {
            out.push(Effect::Sync { shard: self.shard, through: self.last.version });
        }
    }

    fn deliver_one(&mut self, slot: u64, sender: u16, index: u64, out: &mut Vec<Effect>) {
        let at = usize::from(sender);
        let (request, offset, bytes, time) = if at == self.me {
            let Some(own) = self.window.deliver(index) else { return };
            (Some(own.request), own.offset, own.bytes, own.time)
        } else {
            let inbox = self.inboxes.get_mut(at);
            let Some(update) = inbox.and_then(|inbox| inbox.deliver(index)) else { return };
            (None, update.offset, update.bytes, update.time)
        };
        let place = Place { version: self.version(slot), time: self.last.time.tick(time) };
        self.last = place;
        self.untold_bytes += u64::from(bytes);
        self.note_delivered(place);
        if let Some(sender) = self.members.get(at).copied() {
            let slot = self.slot(index, offset, bytes);
            out.push(Effect::Deliver { place, sender, slot, request });
        }
    }

    /// An update, or all that came before the epoch, is in this member's hands.
    pub(super) fn note_delivered(&mut self, place: Place) {
        self.frontier.delivered(place);
        // Memory is all the disk that a volatile shard has.
        if self.mode == Mode::Volatile {
            self.mine.persisted = place.version;
            (self.safer, self.awaited) = (true, true);
        }
    }

    pub(super) fn advance_frontier(&mut self, out: &mut Vec<Effect>) {
        // Before all are ready the epoch may turn out never to have begun, and then the disks of
        // another set of members are what counts.
        let ready = self.mine.ready && self.others.iter().all(|seat| seat.standing.ready);
        if !ready || !std::mem::take(&mut self.safer) {
            return;
        }
        let others = self.others.iter().map(|seat| seat.standing.persisted);
        let persisted = std::iter::once(self.mine.persisted).chain(others);
        if let Some(place) = self.frontier.raise(persisted) {
            out.push(Effect::Stable { shard: self.shard, place });
        }
    }

    /// Telemetry is handed out as it comes.
    pub(super) fn observe(&mut self, out: &mut Vec<Effect>) {
        let inboxes = self.inboxes.iter_mut().zip(self.members.iter()).enumerate();
        let (shard, since) = (self.shard, self.start.since);
        let slot = |index, offset, bytes| Slot { shard, since, index, offset, bytes };
        for (at, (inbox, sender)) in inboxes {
            while let Some(update) = inbox.deliver_next() {
                let slot = slot(update.index, update.offset, update.bytes);
                out.push(Effect::Observe { sender: *sender, slot });
            }
            while at == self.me
                && let Some(own) = self.window.deliver_next()
            {
                let slot = slot(own.index, own.offset, own.bytes);
                out.push(Effect::Observe { sender: *sender, slot });
            }
        }
    }

    /// What this member holds of the epoch; final after the wedge.
    #[must_use]
    pub fn held(&self) -> Held {
        let (shard, since) = (self.shard, self.start.since);
        if !self.mine.ready {
            let last = self.start.through;
            return Held { shard, since, slots: 0, last, how: Holding::Unready };
        }
        let slots = self.mine.held;
        let last = self.last_update_before(slots).map(|slot| self.version(slot));
        let last = last.map_or(self.last.version, |last| last.max(self.last.version));
        Held { shard, since, slots, last, how: Holding::Ready }
    }

    /// The slot of the last update that is here, was not delivered unless it is an own one, and
    /// stands before this slot.
    pub(super) fn last_update_before(&self, end: u64) -> Option<u64> {
        let updates = self.inboxes.iter().zip(0..).filter_map(|(inbox, sender)| {
            let end = self.sent_before(sender, end);
            let last = if usize::from(sender) == self.me {
                self.window.last_update_before(end)
            } else {
                inbox.last_update_before(end)
            };
            last.map(|index| order::slot(self.senders, sender, index))
        });
        updates.max()
    }

    /// Delivers exactly through this update, which every survivor holds, and ends. An update of an
    /// earlier epoch says that nothing of this one survives.
    pub fn finish(mut self, through: Version, out: &mut Vec<Effect>) -> Ending {
        if self.is_ordered() && through.view() == self.start.since {
            let end = through.seq().number();
            assert!(self.mine.ready && end <= self.mine.held, "ended beyond what is held");
            assert!(through >= self.last.version, "ended before what was delivered");
            self.deliver_to(end, out);
            assert!(self.last.version == through, "ended on what is no update");
        } else if self.is_ordered() {
            assert!(self.last.version == self.start.through, "ended before what was delivered");
        }
        let cut = self.window.undelivered().map(|own| Cut {
            request: own.request,
            slot: self.slot(own.index, own.offset, own.bytes),
            time: own.time,
        });
        Ending { last: self.last, cut: cut.collect() }
    }

    fn version(&self, slot: u64) -> Version {
        let Some(seq) = SeqNum::new(slot + 1) else {
            unreachable!("sends are refused before the numbers end")
        };
        Version::new(self.start.since, seq)
    }
}
