//! A member's own messages: taking them in, filling up for others, and writing both to the peers.

use std::sync::Arc;

use super::{Cut, Epoch, SendRefused};
use crate::effect::{Effect, Slot};
use crate::ids::{NodeId, SeqNum};
use crate::layout::Mode;
use crate::limits::FRAMES_MAX;
use crate::mark::Mark;
use crate::message::Write;
use crate::order;
use crate::row::{Content, Frame, Frames};
use crate::rpc::RequestId;
use crate::time::Hlc;

impl Epoch {
    /// Takes an update to send. It goes out with the next [`Epoch::advance`].
    /// # Errors  [`SendRefused`]
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
        if self.me >= usize::from(self.senders) {
            return Err(SendRefused::NotSender);
        }
        if self.wedged {
            return Err(SendRefused::Wedged);
        }
        if bytes > self.window.bytes_max() {
            return Err(SendRefused::TooLarge);
        }
        let next = order::slot(self.senders, self.me as u16, self.window.sent() + 1);
        if next >= SeqNum::MAX.number() {
            return Err(SendRefused::Busy);
        }
        let reserved = self.window.reserve(request, bytes, time);
        let (own, passed) = reserved.map_err(|_| SendRefused::Busy)?;
        if passed {
            self.set(Mark::Wrapped);
        }
        self.note_sent();
        let (shard, since) = (self.shard, self.start.since);
        Ok(Slot { shard, since, index: own.index, offset: own.offset, bytes })
    }

    /// Own messages are received as they are sent.
    fn note_sent(&mut self) {
        let (me, sent) = (self.me, self.window.sent());
        let news = self.window.frames_from(self.mine().sent);
        let bound = usize::MAX;
        if let Some(inbox) = self.inboxes.get_mut(me) {
            for frame in news {
                inbox.stage(frame, bound);
            }
            inbox.receive(sent);
        }
        self.mine_mut().sent = sent;
        self.note_received(me, sent);
        self.changed = true;
    }

    /// Nulls need no room in the window: a run of them is one frame, and without them the room that
    /// others wait for would never become free.
    pub(super) fn send_owed_nulls(&mut self) {
        let sends = self.me < usize::from(self.senders) && self.senders > 1;
        if !sends || self.wedged || self.mode == Mode::Unordered {
            return;
        }
        let owed = order::owed(self.me as u16, &self.mine().received);
        if self.window.fill(owed) {
            self.set(Mark::Nulls);
            self.note_sent();
        }
    }

    /// Telemetry is handed out as it comes.
    pub(super) fn observe(&mut self, out: &mut Vec<Effect>) {
        let (shard, since) = (self.shard, self.start.since);
        for (inbox, sender) in self.inboxes.iter_mut().zip(&self.members) {
            while let Some(Frame { index, content }) = inbox.next() {
                if let Content::Update { offset, bytes, .. } = content {
                    let slot = Slot { shard, since, index, offset, bytes };
                    out.push(Effect::Observe { sender: *sender, slot });
                }
            }
        }
    }

    /// Room is free once every member has delivered what was in it.
    pub(super) fn free_window(&mut self) {
        let me = self.me;
        if me >= usize::from(self.senders) {
            return;
        }
        let below = match self.mode {
            Mode::Unordered => {
                let received = self.rows.iter().filter_map(|row| row.received.get(me));
                received.min().copied().unwrap_or_default()
            }
            Mode::Durable | Mode::Volatile => {
                let delivered = self.rows.iter().map(|row| row.delivered).min();
                let slots = delivered.unwrap_or_default();
                // Those of ours that stand before the first slot that somebody has not delivered.
                let turns = slots.saturating_sub(me as u64);
                turns.div_ceil(u64::from(self.senders))
            }
        };
        self.window.free(below);
    }

    /// Writes what is new to the other members: frames, then the row that guards them.
    pub(super) fn push(&mut self, out: &mut Vec<Effect>) {
        if self.window.has_untold() {
            let news = self.window.tell();
            if self.members.len() > 1 {
                for frames in self.stretches(&news) {
                    self.tell(&Write::Frames(frames), out);
                }
            }
        }
        if std::mem::take(&mut self.changed) && self.members.len() > 1 {
            self.tell(&self.row_write(), out);
        }
    }

    fn stretches(&self, frames: &[Frame]) -> Vec<Arc<Frames>> {
        let (shard, since) = (self.shard, self.start.since);
        let stretch = |frames: &[Frame]| Arc::new(Frames { shard, since, frames: frames.to_vec() });
        frames.chunks(FRAMES_MAX).map(stretch).collect()
    }

    /// A link came up: writes again what its other end may lack.
    pub fn repeat_to(&mut self, peer: NodeId, out: &mut Vec<Effect>) {
        let Some(at) = self.position(peer) else { return };
        let row = self.rows.get(at).and_then(|row| row.received.get(self.me));
        let frames = self.window.frames_from(row.copied().unwrap_or_default());
        // What has not been told to anybody goes out with the next push, to all.
        let told: Vec<Frame> =
            frames.into_iter().filter(|frame| frame.end() <= self.window.told()).collect();
        for frames in self.stretches(&told) {
            out.push(Effect::Write { to: peer, write: Write::Frames(frames) });
        }
        out.push(Effect::Write { to: peer, write: self.row_write() });
    }
}
