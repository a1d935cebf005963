//! A member's own messages: taking them in, filling up for others, and writing both to the peers.
//!
//! Why nulls need no room, and what they cannot do. Let `S` be the number of senders, `W` the
//! messages of a window and `D` the slots that every member has delivered. An update of a sender
//! is taken in only where fewer than `W` of its messages stand at or after `D`, as far as it
//! knows `D`, which is at most what it is: so the update stands before slot `D + S * W`. A null
//! is sent only into a slot before another sender's last message; if that is a null too, it was
//! sent before yet another message, and so on, and the first in this chain is an update. So every
//! null stands before some update, hence before `D + S * W`, and there are `W` slots of each
//! sender from `D` to there: no member has to keep more than `W` messages of a sender, nulls
//! included, although a null is never refused. And because it is not, every slot before the last
//! update is filled by senders who have to do nothing for it but hear of the update: it is
//! delivered, `D` passes it, and whoever was refused has room again.
//!
//! Nulls are also sent ahead, for the next update of whoever sent one last. These are refused: of
//! a sender that knows `F` of its messages to be delivered by all, none has a number of `F + W - 1`
//! or more. Of another sender, `F - 1` or more are delivered then, so what fills the slots before
//! such a null has no number of its `F - 1 + W` or more either, and nobody has to keep more.

use std::sync::Arc;

use super::{Cut, Epoch, SendRefused};
use crate::effect::{Effect, Slot};
use crate::ids::NodeId;
use crate::layout::Mode;
use crate::limits::FRAMES_MAX;
use crate::mark::Mark;
use crate::message::Write;
use crate::order;
use crate::row::{Frame, Frames, ShardRow};
use crate::rpc::RequestId;
use crate::time::Hlc;

impl Epoch {
    /// Takes an update to send, of this many bytes. It goes out with the next [`Epoch::advance`].
    /// # Errors  [`SendRefused`]: nothing was sent.
    pub fn send(
        &mut self,
        request: RequestId,
        bytes: u32,
        wall: Hlc,
        out: &mut Vec<Effect>,
    ) -> Result<(), SendRefused> {
        let slot = self.reserve(request, bytes, wall)?;
        out.push(Effect::Place { request, slot });
        Ok(())
    }

    /// Sends again what the last epoch's trim cut off, in order and with its times; how many of
    /// them fitted.
    pub fn carry(&mut self, cut: &[Cut], out: &mut Vec<Effect>) -> usize {
        for (taken, cut) in cut.iter().enumerate() {
            let Ok(target) = self.reserve(cut.request, cut.slot.bytes, cut.time) else {
                return taken;
            };
            out.push(Effect::Carry { request: cut.request, source: cut.slot, target });
        }
        cut.len()
    }

    fn reserve(&mut self, request: RequestId, bytes: u32, time: Hlc) -> Result<Slot, SendRefused> {
        if !self.is_sender() {
            return Err(SendRefused::NotSender);
        }
        if self.wedged {
            return Err(SendRefused::Wedged);
        }
        if bytes > self.window.bytes_max() {
            return Err(SendRefused::TooLarge);
        }
        if self.window.sent() >= self.indices() {
            return Err(SendRefused::Busy);
        }
        let Ok(own) = self.window.reserve(request, bytes, time) else {
            self.marks.set(Mark::WindowFull);
            return Err(SendRefused::Busy);
        };
        if own.passed_the_end() {
            self.marks.set(Mark::Wrapped);
        }
        self.note_received(self.me, self.window.sent());
        Ok(self.slot(own.index, own.offset, own.bytes))
    }

    pub(super) fn slot(&self, index: u64, offset: u32, bytes: u32) -> Slot {
        Slot { shard: self.shard, since: self.start.since, index, offset, bytes }
    }

    /// Fills up what others wait for, and, as far as the window goes, what they would wait for if
    /// each whose last message is an update sent one more: else every update of a lone sender is
    /// held up until its nulls have gone around. A lone member waits for nobody. Whether anything
    /// was lacking.
    pub(super) fn send_owed_nulls(&mut self) -> bool {
        if self.wedged || !self.is_ordered() || !self.is_sender() {
            return false;
        }
        let owed = order::owed(self.me as u16, &self.received);
        let ahead = self.owed_ahead().min(self.window.end()).min(self.indices());
        let lacking = self.window.fill(owed.max(ahead));
        if lacking {
            self.marks.set(Mark::Nulls);
            self.note_received(self.me, self.window.sent());
        }
        lacking
    }

    /// What would be owed then. Nulls of others do not count, so nulls provoke no nulls.
    fn owed_ahead(&self) -> u64 {
        let mut ahead = self.received.clone();
        for (count, inbox) in ahead.iter_mut().zip(&self.inboxes) {
            let last = inbox.last_that_counts();
            *count = last.map_or(0, |last| last + 2);
        }
        order::owed(self.me as u16, &ahead)
    }

    /// Room is free once every member has delivered what was in it.
    pub(super) fn free_window(&mut self) {
        if !self.is_sender() {
            return;
        }
        let others = self.others.iter().map(|seat| &seat.standing);
        let below = match self.mode {
            Mode::Unordered => {
                let got = others.map(|other| other.got);
                got.min().map_or(self.window.sent(), |got| got.min(self.window.sent()))
            }
            Mode::Durable | Mode::Volatile => {
                let slots = others.map(|other| other.delivered).fold(self.mine.delivered, u64::min);
                self.sent_before(self.me as u16, slots)
            }
        };
        self.window.free(below);
    }

    /// Writes what is new to the other members: frames, then the row that guards them.
    pub(super) fn push(&mut self, out: &mut Vec<Effect>) {
        if self.others.is_empty() {
            self.window.tell();
            (self.changed, self.awaited) = (false, false);
            return;
        }
        if !self.wedged && self.window.sent() > self.window.told() {
            let news = self.window.untold();
            self.window.tell();
            // They count once the row says so.
            self.awaited = true;
            for frames in self.stretches(&news) {
                self.tell(&Write::Frames(frames), out);
            }
        }
        if self.awaited && self.changed {
            (self.changed, self.awaited) = (false, false);
            (self.untold_bytes, self.told_delivered) = (0, self.mine.delivered);
            self.tell(&self.row(), out);
        }
    }

    /// What was not worth a row of its own is told with the next [`Epoch::advance`]; whether there
    /// is any. To be asked now and then, for nothing else may follow for long.
    pub fn tell_rest(&mut self) -> bool {
        self.awaited |= self.changed;
        self.stale |= self.changed;
        self.changed
    }

    fn stretches(&self, frames: &[Frame]) -> impl Iterator<Item = Arc<Frames>> {
        let (shard, since) = (self.shard, self.start.since);
        let stretches = frames.chunks(FRAMES_MAX);
        stretches.map(move |frames| Arc::new(Frames { shard, since, frames: frames.to_vec() }))
    }

    fn tell(&self, write: &Write, out: &mut Vec<Effect>) {
        out.extend(
            self.others.iter().map(|seat| Effect::Write { to: seat.node, write: write.clone() }),
        );
    }

    /// The own row. It guards what was written to the others, which is less than what was sent if
    /// the wedge came between.
    fn row(&self) -> Write {
        Write::Shard(Arc::new(ShardRow {
            shard: self.shard,
            since: self.start.since,
            sent: self.window.told(),
            received: self.received.clone(),
            delivered: self.mine.delivered,
            persisted: self.mine.persisted,
            ready: self.mine.ready,
        }))
    }

    /// A link came up: writes again what its other end may lack, data before guard. What was not
    /// written to anybody yet goes out with the next push, to all.
    pub fn repeat_to(&mut self, peer: NodeId, out: &mut Vec<Effect>) {
        let Some(seat) = self.others.iter().find(|seat| seat.node == peer) else { return };
        let lacking = self.window.told_from(seat.standing.got);
        if !self.is_ordered() {
            // Who is told that telemetry was received may overwrite it.
            self.observe(out);
        }
        for frames in self.stretches(&lacking) {
            out.push(Effect::Write { to: peer, write: Write::Frames(frames) });
        }
        out.push(Effect::Write { to: peer, write: self.row() });
    }
}
