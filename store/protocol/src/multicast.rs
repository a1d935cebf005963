//! One epoch of one shard at one of its members: a total order without a sequencer.
//!
//! Senders take turns, so a message's slot follows from who sent it and how many it sent before. A
//! member delivers a slot once the rows say that every member holds everything up to it. Who has
//! nothing to say sends nulls, so that nobody waits for it. At a wedge a member stops sending and
//! receiving for good, and what it holds is final; the view change then decides how much of that is
//! delivered by everybody.
//!
//! What arrives only changes facts; [`Epoch::advance`] asks every question again and tells the
//! others once, however many facts have changed, and only if somebody may wait for one of them: the
//! rest goes with the next row, or when [`Epoch::tell_rest`] says so. `window` is what a member
//! sends, `inbox` what came from one sender, `seat` what is known of a member, `frontier` up to
//! where the disks have come; `sending` and `delivery` put them together.
//!
//! Every member has to have opened the epoch before another one writes to it; what it missed has to
//! be written again, see [`Epoch::repeat_to`].
//!
//! Source: Jha et al., "Derecho", TOCS 2019, §3.1 and §3.4; batching by asking every question once
//! an event as in Jha et al., "Spindle" (ICDCS 2022).

mod delivery;
mod frontier;
mod inbox;
#[cfg(test)]
mod network;
mod seat;
mod sending;
#[cfg(test)]
mod spec;
#[cfg(test)]
mod swarm;
mod window;

use std::sync::Arc;

use frontier::Frontier;
use inbox::Inbox;
use seat::{Seat, Standing};
use window::Window;

use crate::effect::{Effect, Slot};
use crate::ids::{NodeId, SeqNum, ShardId, Version, ViewId};
use crate::layout::{Mode, Senders, ShardSpec};
use crate::limits::{Limits, MEMBERS_MAX};
use crate::machine::Place;
use crate::mark::Marks;
use crate::message::Start;
use crate::order;
use crate::row::{Frames, ShardRow};
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
    /// Too much is under way, in bytes or in messages; or the epoch has no number left.
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
    members: Arc<[NodeId]>,
    me: usize,
    senders: u16,
    mode: Mode,
    wedged: bool,
    /// What this member says of itself.
    mine: Standing,
    others: Vec<Seat>,
    /// How many messages were received here from each sender.
    received: Vec<u64>,
    /// By sender; the own one stays empty, because the window has it all.
    inboxes: Vec<Inbox>,
    window: Window,
    /// Slots after which the shard should begin another epoch.
    slots_wished: u64,
    last: Place,
    frontier: Frontier,
    /// Something happened, so the questions have to be asked again.
    stale: bool,
    /// The own row is not what the others were told.
    changed: bool,
    /// Somebody may wait for what changed; else it goes with the next row that is awaited.
    awaited: bool,
    /// What is delivered here and the others were not told of, in bytes; and up to which slot they
    /// were.
    untold_bytes: u64,
    told_delivered: u64,
    /// Somebody's disk has come further.
    safer: bool,
    marks: Marks,
}

impl Epoch {
    /// Begins an epoch in which nobody has sent or received anything.
    #[must_use]
    pub fn open(opening: Opening) -> Self {
        let Opening { shard, start, members, me, spec, limits } = opening;
        assert!(me < members.len() && members.len() <= MEMBERS_MAX, "opened by a stranger");
        let senders = match spec.senders {
            Senders::All => members.len(),
            Senders::First => 1,
        };
        let others = members.iter().enumerate().filter(|(at, _)| *at != me);
        Self {
            shard,
            start,
            me,
            senders: senders as u16,
            mode: spec.mode,
            wedged: false,
            mine: Standing::NEW,
            others: others.map(|(at, node)| Seat::new(*node, at)).collect(),
            received: vec![0; senders],
            inboxes: vec![Inbox::default(); senders],
            window: Window::new(&limits),
            slots_wished: limits.epoch_slots,
            last: Place { version: start.through, time: Hlc::ZERO },
            frontier: Frontier::new(),
            // The others take it for granted that a member begins with nothing.
            stale: false,
            changed: false,
            awaited: false,
            untold_bytes: 0,
            told_delivered: 0,
            safer: false,
            marks: Marks::default(),
            members: members.into(),
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
        self.mine.ready
    }

    /// Who does not, as far as is known here. Until there is none, nothing is delivered.
    pub fn unready(&self) -> impl Iterator<Item = NodeId> + '_ {
        let me = self.members.get(self.me).filter(|_| !self.mine.ready).copied();
        let others = self.others.iter().filter(|seat| !seat.standing.ready);
        me.into_iter().chain(others.map(|seat| seat.node))
    }

    /// Whether the epoch has used so many of its numbers that another one should begin.
    #[must_use]
    pub fn is_worn(&self) -> bool {
        self.mine.held >= self.slots_wished
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

    /// How many own messages every member has delivered: their bytes are not needed any more.
    #[must_use]
    pub fn freed(&self) -> u64 {
        self.window.freed()
    }

    /// How many leading slots this member has passed: delivered, or null.
    #[must_use]
    pub fn passed(&self) -> u64 {
        self.mine.delivered
    }

    /// How many slots have to be passed until everything is delivered that this member has received
    /// by now, or sent itself: another one may deliver that first. Whatever anybody was told to be
    /// delivered is among it: an update is stable only once every member, so this one too, has it.
    #[must_use]
    pub fn heard(&self) -> u64 {
        let others = self.inboxes.iter().map(Inbox::last_that_counts).zip(0..);
        let own = (self.window.last_update_before(self.window.sent()), self.me as u16);
        let ends = others.chain([own]).filter_map(|(index, sender)| {
            // A member that does not send has sent nothing.
            Some(order::slot(self.senders, sender, index?) + 1)
        });
        ends.max().unwrap_or_default().max(self.mine.delivered)
    }

    /// This member now holds everything before the epoch; `base` is the last of it, and the times
    /// of what follows rise from its time.
    pub fn become_ready(&mut self, base: Place) {
        if self.mine.ready {
            return;
        }
        assert!(!self.wedged, "became ready after the wedge");
        if self.is_ordered() {
            assert!(base.version == self.start.through, "ready on another beginning");
            self.last = base;
        }
        if base.version > Version::ZERO {
            self.note_delivered(base);
        }
        self.mine.ready = true;
        (self.changed, self.awaited, self.stale) = (true, true, true);
    }

    /// The log is on the disk up to here. The last update bounds it, not the last slot: nulls at
    /// the end never hold it back.
    pub fn persist(&mut self, through: Version) {
        let reached = through.min(self.last.version);
        // What the log of an unready member holds may have left the agreed history.
        if self.mine.ready && self.is_ordered() && reached > self.mine.persisted {
            self.mine.persisted = reached;
            (self.changed, self.awaited) = (true, true);
            (self.stale, self.safer) = (true, true);
        }
    }

    /// Stops sending and receiving for good. What the others hold is still learned, and delivered
    /// where everybody holds it: no trim can be before that.
    pub fn wedge(&mut self) {
        self.wedged = true;
        for inbox in &mut self.inboxes {
            inbox.wedge();
        }
    }

    /// A stretch of a peer's ring came. It counts once a row of the peer, sent after it, says so.
    pub fn arrived_frames(&mut self, from: NodeId, frames: &Frames) {
        if self.wedged || !self.is_of_this_epoch(frames.shard, frames.since) {
            return;
        }
        let Some(at) = self.others.iter().find(|seat| seat.node == from).map(|seat| seat.at) else {
            return;
        };
        let settled = self.settled(at);
        let indices = self.indices();
        if let Some(inbox) = self.inboxes.get_mut(usize::from(at)) {
            inbox.take_in(&frames.frames, settled, indices);
        }
    }

    /// A peer's row came: what it says of the peer, and the guard of the frames before it.
    pub fn arrived_row(&mut self, from: NodeId, row: &ShardRow) {
        let Some(news) = self.read(row) else { return };
        let Some(seat) = self.others.iter_mut().find(|seat| seat.node == from) else { return };
        let (at, before) = (usize::from(seat.at), seat.standing);
        seat.standing.learn(news);
        self.stale |= seat.standing != before;
        self.safer |= seat.standing.persisted != before.persisted;
        // After the wedge nothing has come that does not count already.
        if let Some(inbox) = self.inboxes.get_mut(at) {
            let count = inbox.receive(row.sent);
            self.note_received(at, count);
        }
    }

    /// Asks every question again: who waits for a null, what is stable, how safe it is; then tells
    /// the others what changed here, once, data before guard. Costs next to nothing where nothing
    /// happened.
    pub fn advance(&mut self, out: &mut Vec<Effect>) {
        if !self.stale {
            return;
        }
        self.send_owed_nulls();
        loop {
            match self.mode {
                Mode::Unordered => self.observe(out),
                Mode::Durable | Mode::Volatile => self.deliver_to(self.stable(), out),
            }
            self.free_window();
            // An own null may be all that was lacking.
            if !self.send_owed_nulls() {
                break;
            }
        }
        self.advance_frontier(out);
        self.push(out);
        // What was done here gives no question another answer.
        self.stale = false;
    }

    /// What holds between any two events.
    pub fn check(&self) {
        let Standing { held, delivered, persisted, ready, .. } = self.mine;
        assert!(delivered <= self.stable(), "delivered what not everybody holds");
        assert!(delivered <= held, "delivered what is not held");
        assert!(persisted <= self.last.version, "persisted what was not delivered");
        assert!(self.last.version >= self.start.through, "delivered before the beginning");
        assert!(ready || delivered == 0, "delivered without what came before");
        let own = self.received.get(self.me).copied().unwrap_or_default();
        assert!(own == self.window.sent(), "an own message was lost");
        self.window.check();
        self.frontier.check();
        self.inboxes.iter().for_each(Inbox::check);
    }

    fn is_ordered(&self) -> bool {
        self.mode != Mode::Unordered
    }

    fn is_of_this_epoch(&self, shard: ShardId, since: ViewId) -> bool {
        shard == self.shard && since == self.start.since
    }

    fn is_sender(&self) -> bool {
        self.me < usize::from(self.senders)
    }

    /// How many messages a sender may send in an epoch, so that the last slot has a number.
    fn indices(&self) -> u64 {
        SeqNum::MAX.number() / u64::from(self.senders)
    }

    /// How many leading slots every member holds, if all of them are ready.
    fn stable(&self) -> u64 {
        let standings = self.others.iter().map(|seat| &seat.standing);
        let mut stable = if self.mine.ready { self.mine.held } else { 0 };
        for standing in standings {
            stable = stable.min(if standing.ready { standing.held } else { 0 });
        }
        stable
    }

    /// How many messages of a sender are done with here: a window goes no further beyond them.
    fn settled(&self, sender: u16) -> u64 {
        match self.mode {
            Mode::Unordered => self.received.get(usize::from(sender)).copied().unwrap_or_default(),
            Mode::Durable | Mode::Volatile => self.sent_before(sender, self.mine.delivered),
        }
    }

    /// How many messages of a sender stand before this slot.
    fn sent_before(&self, sender: u16, slot: u64) -> u64 {
        slot.saturating_sub(u64::from(sender)).div_ceil(u64::from(self.senders))
    }

    fn note_received(&mut self, sender: usize, count: u64) {
        let Some(received) = self.received.get_mut(sender).filter(|known| **known < count) else {
            return;
        };
        *received = count;
        if self.is_ordered() {
            let before = self.mine.held;
            self.mine.held = order::prefix(&self.received);
            // Whoever holds the same update waits for this; nobody waits for a null by itself.
            let vouched = self.last_update_before(self.mine.held).is_some_and(|it| it >= before);
            self.awaited |= vouched;
        } else {
            self.awaited = true;
        }
        (self.changed, self.stale) = (true, true);
    }
}
