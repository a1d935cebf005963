//! Epochs of all members joined by links, with every rule of the order checked at each effect: a
//! second, naive account of what was sent, where bytes lie, and who was handed what.

use std::collections::VecDeque;

use super::{Cut, Epoch, Opening, SendRefused};
use crate::effect::{Effect, Slot};
use crate::ids::{NodeId, SeqNum, ShardId, Version, ViewId};
use crate::layout::{Mode, Senders, ShardSpec};
use crate::limits::Limits;
use crate::machine::Place;
use crate::message::{Start, Write};
use crate::row::{Content, Holding};
use crate::rpc::RequestId;
use crate::time::Hlc;

/// Numbers without a pattern, the same for the same seed.
pub(super) struct Dice(u64);

impl Dice {
    pub(super) fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1)
    }

    pub(super) fn below(&mut self, bound: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 16) as usize % bound
    }
}

/// What the network checks against.
pub(super) struct Network {
    pub(super) epochs: Vec<Epoch>,
    pub(super) links: Vec<Vec<VecDeque<Write>>>,
    pub(super) mode: Mode,
    limits: Limits,
    /// By holder and sender, which message's bytes are where.
    rings: Vec<Vec<Vec<u64>>>,
    /// By sender, the updates sent: their number and call.
    pub(super) sent: Vec<Vec<(u64, RequestId)>>,
    /// The order, as the first member to deliver each place saw it.
    pub(super) order: Vec<(Place, NodeId, u64)>,
    /// How much of it each member delivered.
    pub(super) delivered: Vec<usize>,
    /// By observer and sender, what was observed.
    observed: Vec<Vec<Vec<u64>>>,
    pub(super) synced: Vec<Version>,
    pub(super) stable: Vec<Place>,
    requests: u64,
    /// Who has to hold what is delivered.
    among: Vec<usize>,
}

pub(super) fn node(at: usize) -> NodeId {
    NodeId::new(at as u32 + 1).unwrap()
}

pub(super) const USUAL: (u32, u32) = (64, 8);

/// So many members, all of them senders and ready.
pub(super) fn all(n: usize) -> Network {
    Network::of(n, Senders::All, Mode::Durable, USUAL).ready()
}

/// The update in this slot, counted from 1.
pub(super) fn version(seq: u64) -> Version {
    Version::new(ViewId::new(7).unwrap(), SeqNum::new(seq).unwrap())
}

pub(super) fn opening(n: usize, me: usize, spec: ShardSpec, limits: Limits) -> Opening {
    let start = Start { since: ViewId::new(7).unwrap(), through: "5:3".parse().unwrap() };
    Opening { shard: ShardId(2), start, members: (0..n).map(node).collect(), me, spec, limits }
}

pub(super) const BASE: Hlc = Hlc::from_unix_micros(1_000);

impl Network {
    pub(super) fn of(n: usize, senders: Senders, mode: Mode, window: (u32, u32)) -> Self {
        let spec = ShardSpec { min: 1, max: n as u16, senders, mode };
        let (window_bytes, window_messages) = window;
        let limits = Limits { window_bytes, window_messages, ..Limits::USUAL };
        Self {
            epochs: (0..n).map(|me| Epoch::open(opening(n, me, spec, limits))).collect(),
            links: vec![vec![VecDeque::new(); n]; n],
            mode,
            limits,
            rings: vec![vec![vec![u64::MAX; window_bytes as usize]; n]; n],
            sent: vec![Vec::new(); n],
            order: Vec::new(),
            delivered: vec![0; n],
            observed: vec![vec![Vec::new(); n]; n],
            synced: vec![Version::ZERO; n],
            stable: vec![Place::ZERO; n],
            requests: 0,
            among: (0..n).collect(),
        }
    }

    pub(super) fn ready(mut self) -> Self {
        for at in 0..self.epochs.len() {
            self.become_ready(at);
        }
        self
    }

    pub(super) fn become_ready(&mut self, at: usize) {
        let version = self.epochs[at].start().through;
        self.epochs[at].become_ready(Place { version, time: BASE });
        self.epochs[at].persist(version);
        self.advance(at);
    }

    pub(super) fn n(&self) -> usize {
        self.epochs.len()
    }

    pub(super) fn advance(&mut self, at: usize) {
        let mut out = Vec::new();
        self.epochs[at].advance(&mut out);
        self.perform(at, out);
        self.epochs[at].check();
        assert!(!self.epochs[at].stale, "the next time costs nothing");
        let told = out_of(&mut self.epochs[at]);
        assert!(told.is_empty(), "asked again, nothing has changed");
        self.check_bounds(at);
    }

    fn check_bounds(&self, at: usize) {
        for (sender, inbox) in self.epochs[at].inboxes.iter().enumerate() {
            let settled = self.epochs[at].settled(sender as u16);
            let came = inbox.came().max(self.epochs[at].received[sender]);
            let beyond = came.saturating_sub(settled);
            assert!(beyond <= u64::from(self.limits.window_messages), "nulls included");
            assert!(inbox.len() <= self.limits.window_messages as usize);
        }
    }

    pub(super) fn send(&mut self, at: usize, bytes: u32, wall: Hlc) -> Result<(), SendRefused> {
        let (mut out, request) = (Vec::new(), RequestId(self.requests));
        self.epochs[at].send(request, bytes, wall, &mut out)?;
        self.requests += 1;
        self.perform(at, out);
        Ok(())
    }

    pub(super) fn carry(&mut self, at: usize, cut: &[Cut]) -> usize {
        let mut out = Vec::new();
        let taken = self.epochs[at].carry(cut, &mut out);
        self.perform(at, out);
        taken
    }

    fn perform(&mut self, at: usize, effects: Vec<Effect>) {
        let mut row_told = false;
        for effect in effects {
            match effect {
                Effect::Place { request, slot } | Effect::Carry { request, target: slot, .. } => {
                    self.tag(at, at, slot.index, slot.offset, slot.bytes);
                    self.sent[at].push((slot.index, request));
                }
                Effect::Write { to, write } => {
                    let to = to.number() as usize - 1;
                    match &write {
                        Write::Frames(frames) => {
                            assert!(!row_told, "data follows its guard");
                            assert!(!frames.frames.is_empty());
                            for frame in &frames.frames {
                                if let Content::Update { offset, bytes, .. } = frame.content {
                                    self.read(at, at, frame.index, offset, bytes);
                                }
                            }
                        }
                        Write::Shard(_) => row_told = true,
                        _ => unreachable!(),
                    }
                    self.links[at][to].push_back(write);
                }
                Effect::Deliver { place, sender, slot, request } => {
                    self.deliver(at, place, sender, slot, request);
                }
                Effect::Observe { sender, slot } => {
                    let sender = sender.number() as usize - 1;
                    self.read(at, sender, slot.index, slot.offset, slot.bytes);
                    self.observed[at][sender].push(slot.index);
                }
                Effect::Sync { through, .. } => {
                    assert!(self.mode == Mode::Durable && through > self.synced[at]);
                    assert_eq!(through, self.order[self.delivered[at] - 1].0.version);
                    self.synced[at] = through;
                }
                Effect::Stable { place, .. } => {
                    assert!(place.version > self.stable[at].version);
                    let all = self.epochs.iter().map(|epoch| epoch.mine.persisted).min();
                    assert!(place.version <= all.unwrap());
                    self.stable[at] = place;
                }
                _ => unreachable!(),
            }
        }
    }

    fn deliver(
        &mut self,
        at: usize,
        place: Place,
        sender: NodeId,
        slot: Slot,
        own: Option<RequestId>,
    ) {
        let from = sender.number() as usize - 1;
        self.read(at, from, slot.index, slot.offset, slot.bytes);
        let request = self.sent[from].iter().find(|(index, _)| *index == slot.index);
        let (_, request) = request.expect("a null, or nobody's update, was delivered");
        assert_eq!(own, (from == at).then_some(*request));
        for epoch in self.among.iter().map(|at| &self.epochs[*at]) {
            assert!(epoch.received[from] > slot.index, "not everybody received it");
            assert!(epoch.is_ready());
            // Else a read there could miss what a read here shows.
            assert!(epoch.heard() >= place.version.seq().number(), "not everybody waits for it");
        }
        let next = self.delivered[at];
        match self.order.get(next) {
            Some(known) => assert_eq!(*known, (place, sender, slot.index)),
            None => {
                let last = self.order.last().map_or(BASE, |(last, ..)| last.time);
                assert!(place.time > last);
                self.order.push((place, sender, slot.index));
            }
        }
        self.delivered[at] = next + 1;
    }

    fn tag(&mut self, holder: usize, sender: usize, index: u64, offset: u32, bytes: u32) {
        let stretch = offset as usize..(offset + bytes) as usize;
        self.rings[holder][sender][stretch].fill(index);
    }

    fn read(&self, holder: usize, sender: usize, index: u64, offset: u32, bytes: u32) {
        let stretch = offset as usize..(offset + bytes) as usize;
        let whole = self.rings[holder][sender][stretch].iter().all(|tag| *tag == index);
        assert!(whole, "other bytes lie there");
    }

    /// Lets the next write on a link arrive; whether there was one.
    pub(super) fn pass(&mut self, from: usize, to: usize) -> bool {
        let Some(write) = self.links[from][to].pop_front() else { return false };
        match write {
            Write::Frames(frames) => {
                for frame in &frames.frames {
                    if let Content::Update { offset, bytes, .. } = frame.content {
                        // A write that comes twice lands twice.
                        self.tag(to, from, frame.index, offset, bytes);
                    }
                }
                self.epochs[to].arrived_frames(node(from), &frames);
            }
            Write::Shard(row) => self.epochs[to].arrived_row(node(from), &row),
            _ => unreachable!(),
        }
        true
    }

    /// Breaks a link in the middle of what is under way, and has it come up again.
    pub(super) fn break_link(&mut self, one: usize, other: usize, dice: &mut Dice) {
        for (from, to) in [(one, other), (other, one)] {
            let kept = dice.below(self.links[from][to].len() + 1);
            for _ in 0..kept {
                self.pass(from, to);
            }
            self.links[from][to].clear();
        }
        for (from, to) in [(one, other), (other, one)] {
            let mut out = Vec::new();
            self.epochs[from].repeat_to(node(to), &mut out);
            assert!(matches!(out.last(), Some(Effect::Write { write: Write::Shard(_), .. })));
            self.perform(from, out);
        }
    }

    pub(super) fn persist(&mut self, at: usize) {
        let through = self.synced[at];
        self.epochs[at].persist(through);
        self.advance(at);
    }

    pub(super) fn run_until_quiet(&mut self) {
        loop {
            let mut moved = false;
            for from in 0..self.n() {
                for to in 0..self.n() {
                    while self.pass(from, to) {
                        moved = true;
                    }
                    self.advance(to);
                    self.persist(to);
                }
            }
            for at in 0..self.n() {
                moved |= self.epochs[at].tell_rest();
                self.advance(at);
            }
            if !moved {
                break;
            }
        }
    }

    /// One thing that may happen.
    pub(super) fn happen(&mut self, dice: &mut Dice) {
        let (at, other) = (dice.below(self.n()), dice.below(self.n()));
        match dice.below(20) {
            0..4 => {
                let bytes = dice.below(self.limits.window_bytes as usize / 2) as u32;
                let wall = Hlc::from_unix_micros(dice.below(3_000) as u64);
                let refused = self.send(at, bytes, wall).err();
                let sends = at < usize::from(self.epochs[at].senders);
                assert_eq!(refused == Some(SendRefused::NotSender), !sends);
                if dice.below(2) == 0 {
                    self.advance(at);
                }
            }
            4..7 => self.persist(at),
            7 if at != other && dice.below(8) == 0 => self.break_link(at, other, dice),
            _ => {
                for _ in 0..dice.below(4) {
                    self.pass(at, other);
                }
                if dice.below(3) > 0 {
                    self.advance(other);
                }
            }
        }
    }

    pub(super) fn expect_all_delivered(&self) {
        let sent: usize = self.sent.iter().map(Vec::len).sum();
        assert!(self.delivered.iter().all(|delivered| *delivered == sent));
        for from in 0..self.n() {
            let own = self.order.iter().filter(|(_, sender, _)| *sender == node(from));
            let sent = self.sent[from].iter().map(|(index, _)| *index);
            assert!(own.map(|(.., index)| *index).eq(sent), "in the order of sending");
        }
    }

    pub(super) fn expect_all_observed(&self) {
        for observed in &self.observed {
            for (observed, sent) in observed.iter().zip(&self.sent) {
                assert!(observed.iter().eq(sent.iter().map(|(index, _)| index)), "once, in order");
            }
        }
    }

    /// Ends the epoch among these survivors, who have wedged it. What their own updates became, by
    /// survivor.
    pub(super) fn end(&mut self, survivors: &[usize]) -> Vec<Vec<Cut>> {
        self.among = survivors.to_vec();
        let held = |at: &usize| self.epochs[*at].held();
        let trim = survivors.iter().map(held).min_by_key(|held| held.slots).unwrap();
        assert_eq!(trim.how, Holding::Ready);
        let mut cuts = Vec::new();
        for at in survivors {
            let mut out = Vec::new();
            let ending = self.epochs[*at].clone().finish(trim.last, &mut out);
            self.perform(*at, out);
            assert_eq!(ending.last.version, trim.last);
            cuts.push(ending.cut);
        }
        cuts
    }
}

/// What an epoch would do if it were asked again.
fn out_of(epoch: &mut Epoch) -> Vec<Effect> {
    let mut out = Vec::new();
    epoch.stale = true;
    epoch.advance(&mut out);
    out
}
