//! One epoch of one shard at one of its members: a total order without a sequencer.
//!
//! Senders take turns, so a message's place follows from who sent it and how many it sent before.
//! A member delivers a message once the rows say that every member holds everything up to it. Who
//! has nothing to say sends nulls, so that nobody waits for it. At a wedge a member stops sending
//! and receiving for good, and what it holds is final; the view change then decides how much of
//! that is delivered by everybody.
//!
//! `window` is a sender's ring; `inbox` what came from the senders and is not delivered yet;
//! `frontier` up to where disks have come; `sending` the member's own part.
//!
//! Source: Jha et al., "Derecho", TOCS 2019, §3.1 and §3.4; batching by asking every question once
//! an event as in Jha et al., "Spindle" (ICDCS 2022).

mod frontier;
mod inbox;
mod sending;
mod window;

use std::sync::Arc;

use frontier::Frontier;
use inbox::Inbox;
use window::Window;

use crate::effect::{Effect, Slot};
use crate::ids::{NodeId, SeqNum, ShardId, Version};
use crate::layout::{Mode, Senders, ShardSpec};
use crate::limits::Limits;
use crate::machine::Place;
use crate::mark::{Mark, Marks};
use crate::message::{Start, Write};
use crate::order;
use crate::row::{Content, Frames, Held, Holding, ShardRow};
use crate::rpc::RequestId;
use crate::time::Hlc;

/// What an epoch begins with.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Opening {
    /// Which shard.
    pub shard: ShardId,
    /// The epoch, and the last update before it.
    pub start: Start,
    /// Who is in it, in order; the first ones send.
    pub members: Vec<NodeId>,
    /// Where this member stands among them.
    pub me: usize,
    /// What the layout says of the shard.
    pub spec: ShardSpec,
    /// The bounds of the window.
    pub limits: Limits,
}

/// An own update that the trim cut off: nobody delivered it, and nobody will.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Cut {
    /// Which call.
    pub request: RequestId,
    /// Where its bytes are.
    pub slot: Slot,
    /// When it was sent.
    pub time: Hlc,
}

/// How an epoch ended at this member.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Ending {
    /// The last update delivered; what came before the epoch if it had none.
    pub last: Place,
    /// Own updates that were cut off, in order.
    pub cut: Vec<Cut>,
}

/// Why a send did not happen. Nothing was sent in any of these cases.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum SendRefused {
    /// The epoch is ending; in the next one it will do.
    Wedged,
    /// Too much is under way.
    Busy,
    /// It does not fit the ring.
    TooLarge,
    /// This member does not send in this shard.
    NotSender,
}

/// One member's part in one epoch of a shard.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct Epoch {
    shard: ShardId,
    start: Start,
    members: Vec<NodeId>,
    me: usize,
    senders: u16,
    mode: Mode,
    wedged: bool,
    /// Everyone's rows, by position.
    rows: Vec<ShardRow>,
    /// How many leading slots each row holds.
    prefixes: Vec<u64>,
    inboxes: Vec<Inbox>,
    window: Window,
    last: Place,
    frontier: Frontier,
    /// The own row has changed since it was told.
    changed: bool,
    marks: Marks,
}

impl Epoch {
    /// Begins an epoch in which nobody has sent or received anything.
    #[must_use]
    pub fn open(opening: Opening) -> Self {
        let Opening { shard, start, members, me, spec, limits } = opening;
        let senders = match spec.senders {
            Senders::All => members.len(),
            Senders::First => 1,
        };
        let row = ShardRow {
            shard,
            since: start.since,
            sent: 0,
            received: vec![0; senders],
            delivered: 0,
            persisted: Version::ZERO,
            ready: false,
        };
        Self {
            shard,
            start,
            me,
            senders: senders as u16,
            mode: spec.mode,
            wedged: false,
            rows: vec![row; members.len()],
            prefixes: vec![0; members.len()],
            inboxes: vec![Inbox::default(); senders],
            window: Window::new(&limits),
            last: Place { version: start.through, time: Hlc::ZERO },
            frontier: Frontier::default(),
            changed: true,
            marks: Marks::default(),
            members,
        }
    }

    /// Which shard.
    #[must_use]
    pub fn shard(&self) -> ShardId {
        self.shard
    }

    /// The epoch, and the last update before it.
    #[must_use]
    pub fn start(&self) -> Start {
        self.start
    }

    /// Who is in it, in order.
    #[must_use]
    pub fn members(&self) -> &[NodeId] {
        &self.members
    }

    /// The last update delivered here; what came before the epoch if there is none.
    #[must_use]
    pub fn last(&self) -> Place {
        self.last
    }

    /// Whether this member holds everything that came before the epoch.
    #[must_use]
    pub fn is_ready(&self) -> bool {
        self.mine().ready
    }

    /// Who does not, as far as is known here.
    pub fn unready(&self) -> impl Iterator<Item = NodeId> + '_ {
        let rows = self.members.iter().zip(&self.rows);
        rows.filter(|(_, row)| !row.ready).map(|(node, _)| *node)
    }

    /// Whether this member has stopped sending and receiving in the epoch.
    #[must_use]
    pub fn is_wedged(&self) -> bool {
        self.wedged
    }

    /// The rare paths walked.
    #[must_use]
    pub fn marks(&self) -> Marks {
        self.marks
    }

    /// Up to where more than half of the members have it on their disks.
    #[must_use]
    pub fn majority_frontier(&self) -> Version {
        self.frontier.majority()
    }

    /// Up to where all members have it on their disks.
    #[must_use]
    pub fn all_frontier(&self) -> Version {
        self.frontier.all()
    }

    /// This member now holds everything before the epoch; `base` is the last of it.
    pub fn become_ready(&mut self, base: Place) {
        assert!(!self.wedged, "became ready after the wedge");
        assert!(base.version == self.start.through, "ready on another beginning");
        if !self.mine().ready {
            self.last = base;
            self.mine_mut().ready = true;
            self.changed = true;
        }
    }

    /// The log is on the disk up to here. What follows the last update are nulls, which need none.
    pub fn persist(&mut self, through: Version) {
        let reached = through.min(self.last.version);
        if self.is_ready() && reached > self.mine().persisted {
            self.mine_mut().persisted = reached;
            self.changed = true;
        }
    }

    /// Stops sending and receiving for good.
    pub fn wedge(&mut self) {
        self.wedged = true;
        for inbox in &mut self.inboxes {
            inbox.wedge();
        }
    }

    /// What this member holds of the epoch; final after the wedge.
    #[must_use]
    pub fn held(&self) -> Held {
        let (shard, since) = (self.shard, self.start.since);
        if !self.is_ready() {
            let last = self.start.through;
            return Held { shard, since, slots: 0, last, how: Holding::Unready };
        }
        let slots = self.prefixes.get(self.me).copied().unwrap_or_default();
        let last = (0..self.senders).zip(&self.inboxes).filter_map(|(sender, inbox)| {
            inbox
                .last_update_before(|index| order::slot(self.senders, sender, index) < slots)
                .map(|index| order::slot(self.senders, sender, index))
        });
        let last = last.max().map_or(self.last.version, |slot| self.version(slot));
        Held { shard, since, slots, last, how: Holding::Ready }
    }

    /// A stretch of a peer's ring came. It counts once the peer's row says so; a stretch that does
    /// not follow on what is here was preceded by one that is lost, and will come again.
    pub fn arrived_frames(&mut self, from: NodeId, frames: &Frames) {
        let Some(at) = self.position(from) else { return };
        let bound = self.window.bound();
        if let (false, Some(inbox)) = (self.wedged, self.inboxes.get_mut(at)) {
            for frame in &frames.frames {
                inbox.stage(*frame, bound);
            }
        }
    }

    /// A peer's row came.
    pub fn arrived_row(&mut self, from: NodeId, row: &ShardRow) {
        let Some(at) = self.position(from) else { return };
        if row.received.len() != usize::from(self.senders) {
            return;
        }
        let Some(known) = self.rows.get_mut(at) else { return };
        known.sent = known.sent.max(row.sent);
        for (known, new) in known.received.iter_mut().zip(&row.received) {
            *known = (*known).max(*new);
        }
        known.delivered = known.delivered.max(row.delivered);
        known.persisted = known.persisted.max(row.persisted);
        known.ready |= row.ready;
        let (sent, prefix) = (known.sent, order::prefix(&known.received));
        if let Some(held) = self.prefixes.get_mut(at) {
            *held = prefix;
        }
        self.receive(at, sent);
    }

    /// Counts what the guard covers.
    fn receive(&mut self, at: usize, sent: u64) {
        let Some(inbox) = self.inboxes.get_mut(at).filter(|_| !self.wedged) else { return };
        let count = inbox.receive(sent);
        self.note_received(at, count);
    }

    fn note_received(&mut self, sender: usize, count: u64) {
        let me = self.me;
        let Some(row) = self.rows.get_mut(me) else { return };
        let Some(received) = row.received.get_mut(sender) else { return };
        if count > *received {
            *received = count;
            let prefix = order::prefix(&row.received);
            if let Some(held) = self.prefixes.get_mut(me) {
                *held = prefix;
            }
            self.changed = true;
        }
    }

    /// Asks every question again: who waits for a null, what is stable, how safe it is; then tells
    /// the others what changed here, once, data before guard.
    pub fn advance(&mut self, out: &mut Vec<Effect>) {
        self.send_owed_nulls();
        match self.mode {
            Mode::Unordered => self.observe(out),
            Mode::Durable | Mode::Volatile => {
                if self.rows.iter().all(|row| row.ready) {
                    let stable = order::stable(self.prefixes.iter().copied());
                    self.deliver_to(stable, out);
                }
            }
        }
        self.advance_frontier(out);
        self.free_window();
        self.push(out);
    }

    fn advance_frontier(&mut self, out: &mut Vec<Effect>) {
        let persisted = self.rows.iter().map(|row| row.persisted);
        if let Some(place) = self.frontier.raise(persisted) {
            out.push(Effect::Stable { shard: self.shard, place });
        }
    }

    /// Delivers what stands before this slot and has not been delivered.
    fn deliver_to(&mut self, end: u64, out: &mut Vec<Effect>) {
        let before = self.last.version;
        let mut delivered = self.mine().delivered;
        if delivered >= end {
            return;
        }
        while delivered < end {
            let (sender, index) = order::sent_in(self.senders, delivered);
            self.deliver_one(sender, index, delivered, out);
            delivered += 1;
        }
        self.mine_mut().delivered = delivered;
        self.changed = true;
        if self.last.version > before && self.mode == Mode::Durable {
            out.push(Effect::Sync { shard: self.shard, through: self.last.version });
        }
    }

    fn deliver_one(&mut self, sender: u16, index: u64, at: u64, out: &mut Vec<Effect>) {
        let inbox = self.inboxes.get_mut(usize::from(sender));
        let content = inbox.and_then(|inbox| inbox.take(index));
        let Some(content) = content else { unreachable!("delivered what was not received") };
        let Content::Update { offset, bytes, time } = content else { return };
        let place = Place { version: self.version(at), time: self.last.time.tick(time) };
        self.last = place;
        self.frontier.delivered(place);
        let own = usize::from(sender) == self.me;
        let request = if own { self.window.request(index) } else { None };
        let slot = Slot { shard: self.shard, since: self.start.since, index, offset, bytes };
        if let Some(sender) = self.members.get(usize::from(sender)).copied() {
            out.push(Effect::Deliver { place, sender, slot, request });
        }
    }

    /// Delivers exactly through this update, which every survivor holds, and ends.
    pub fn finish(mut self, through: Version, out: &mut Vec<Effect>) -> Ending {
        if through.view() == self.start.since && self.mode != Mode::Unordered {
            self.deliver_to(through.seq().number(), out);
        }
        let since = self.start.since;
        let (shard, first) = (self.shard, self.mine().delivered);
        let first = self
            .window
            .updates()
            .filter(|own| order::slot(self.senders, self.me as u16, own.index) >= first);
        let cut = first.map(|own| Cut {
            request: own.request,
            slot: Slot { shard, since, index: own.index, offset: own.offset, bytes: own.bytes },
            time: own.time,
        });
        Ending { last: self.last, cut: cut.collect() }
    }

    fn version(&self, slot: u64) -> Version {
        let seq = SeqNum::new(slot + 1).unwrap_or(SeqNum::MAX);
        Version::new(self.start.since, seq)
    }

    fn position(&self, node: NodeId) -> Option<usize> {
        let at = self.members.iter().position(|member| *member == node)?;
        (at != self.me).then_some(at)
    }

    fn mine(&self) -> &ShardRow {
        match self.rows.get(self.me) {
            Some(row) => row,
            None => unreachable!("a member of the epoch has a row"),
        }
    }

    fn mine_mut(&mut self) -> &mut ShardRow {
        match self.rows.get_mut(self.me) {
            Some(row) => row,
            None => unreachable!("a member of the epoch has a row"),
        }
    }

    /// What holds between any two events.
    pub fn check(&self) {
        let mine = self.mine();
        let held = self.prefixes.get(self.me).copied().unwrap_or_default();
        assert!(mine.delivered <= held, "delivered what is not held");
        assert!(mine.persisted <= self.last.version, "persisted what was not delivered");
        assert!(self.last.version >= self.start.through, "delivered before the beginning");
        assert!(self.window.sent() == mine.sent || self.wedged, "the row lags behind the ring");
        self.window.check();
    }

    fn tell(&self, write: &Write, out: &mut Vec<Effect>) {
        for (at, node) in self.members.iter().enumerate() {
            if at != self.me {
                out.push(Effect::Write { to: *node, write: write.clone() });
            }
        }
    }

    fn row_write(&self) -> Write {
        Write::Shard(Arc::new(self.mine().clone()))
    }

    fn set(&mut self, mark: Mark) {
        self.marks.set(mark);
    }
}
