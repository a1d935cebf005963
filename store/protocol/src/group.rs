//! One node of a group: a value with one door.
//!
//! Whatever happens goes through [`Group::step`], and whatever is to be done comes out of it, in
//! order. Facts only accumulate, so after every event every question is asked again and no handler
//! can forget a duty. (Derecho's monotonic predicates, without the predicate registry.)

mod install;
mod serve;

use std::sync::Arc;

use serve::Wish;

use crate::effect::{Durable, Effect, Stopped};
use crate::event::{Event, Now};
use crate::ids::{Life, NodeId, ShardId, ViewId};
use crate::journal::Journal;
use crate::layout::LayoutSpec;
use crate::limits::Limits;
use crate::mark::{Mark, Marks};
use crate::membership::{Acceptor, Membership, Mode, Rules};
use crate::message::{Message, Peer, Write};
use crate::multicast::Epoch;
use crate::row::MemberRow;
use crate::rpc::Calls;
use crate::share::{self, Share};
use crate::view::{Duty, Member, View};

/// What effects are collected in.
pub type Effects = Vec<Effect>;

/// How a node begins a life.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Begin {
    /// With a new group, alone.
    Found,
    /// By asking others to be taken in.
    Join {
        /// Whom to ask.
        contacts: Vec<NodeId>,
    },
    /// With what its earlier life wrote down last.
    Restart {
        /// That.
        durable: Arc<Durable>,
        /// Whom to ask besides the members of that view.
        contacts: Vec<NodeId>,
    },
}

/// All that a node begins with.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Setup {
    /// Who it is.
    pub node: NodeId,
    /// In which life; higher than in any before.
    pub life: Life,
    /// What for.
    pub duty: Duty,
    /// The shards, the same at every node of the group for ever.
    pub spec: Arc<LayoutSpec>,
    /// Bounds and times.
    pub limits: Limits,
    /// How it begins.
    pub begin: Begin,
    /// What its logs hold, by shard; empty where there is none.
    pub journals: Vec<Journal>,
}

/// What a node is at the moment.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Stage {
    /// Asking to be taken in.
    Joining,
    /// A member of a view that works.
    Serving,
    /// A member of a view that does not, as far as it can see.
    Stopped(Stopped),
    /// No member any more; over, once [`Effect::Leave`] says so.
    Gone,
}

/// One node of a group.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct Group {
    me: Peer,
    /// The first life that this node's disk remembers.
    born: Life,
    duty: Duty,
    spec: Arc<LayoutSpec>,
    limits: Limits,
    state: State,
    shares: Vec<Share>,
    calls: Calls,
    /// Records asked for so far.
    records: u64,
    marks: Marks,
    /// The membership has to be asked again.
    dirty: bool,
    /// Shards that have to be asked again.
    touched: Vec<ShardId>,
}

#[derive(Clone, PartialEq, Eq, Hash, Debug)]
enum State {
    Joining(Joining),
    Member(Box<Membership>),
    Departing(Departing),
    Gone,
}

/// Somebody who is no member any more by its own wish, and stays until more than half of the others
/// have that on their disks: if they forgot it before, they would wait for this one's vote.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
struct Departing {
    view: Arc<View>,
    noted: Vec<NodeId>,
    /// Since when it waits. It does not for ever: whoever is left may not be able to tell.
    since: Option<u64>,
}

/// Somebody who wants in.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
struct Joining {
    contacts: Vec<NodeId>,
    asked: Option<u64>,
    /// The latest view it was told of; older ones are over, and whoever does not know that is told.
    latest: Option<Arc<View>>,
    /// The disk knows that this node has begun: whoever finds it empty later knows that it is lost.
    noted: bool,
}

impl Group {
    /// A node at the beginning of a life.
    #[must_use]
    pub fn new(setup: Setup, now: Now, out: &mut Effects) -> Self {
        let me = Peer { node: setup.node, life: setup.life };
        let shares = share::shares(&setup.spec, me, setup.journals);
        let mut group = Self {
            me,
            born: match &setup.begin {
                Begin::Found | Begin::Join { .. } => me.life,
                Begin::Restart { durable, .. } => durable.born,
            },
            duty: setup.duty,
            spec: setup.spec,
            limits: setup.limits,
            state: State::Gone,
            shares,
            calls: Calls::new(me.node),
            records: 0,
            marks: Marks::default(),
            dirty: true,
            touched: Vec::new(),
        };
        match setup.begin {
            Begin::Found => {
                let founder = Member { node: me.node, life: me.life, duty: setup.duty };
                let view = View::founded_by(founder, group.shares.len() as u16);
                group.enter(view, now, out);
            }
            Begin::Join { contacts } => {
                group.record(None, out);
                group.seek(contacts, None, false);
            }
            Begin::Restart { durable, contacts } => group.resume(&durable, contacts, now, out),
        }
        group.settle(now, out);
        group
    }

    /// Advances the node by one event. Reads no clock (`now` is all the time there is), never
    /// blocks. Costs time in the number of members for what the event touches.
    pub fn step(&mut self, now: Now, event: Event, out: &mut Effects) {
        self.take(now, event, out);
        self.settle(now, out);
    }

    /// Advances the node by several events at once: the same as one by one, but the questions are
    /// asked once, so that what happened together is told together.
    ///
    /// Source: opportunistic batching in Jha et al., "Spindle" (2021).
    pub fn step_all(
        &mut self,
        now: Now,
        events: impl IntoIterator<Item = Event>,
        out: &mut Effects,
    ) {
        for event in events {
            self.take(now, event, out);
        }
        self.settle(now, out);
    }

    fn take(&mut self, now: Now, event: Event, out: &mut Effects) {
        match event {
            Event::Tick => self.tick(now, out),
            Event::Arrived { from, write } => self.arrived(from, write, now, out),
            Event::LinkUp { peer } => self.linked(peer, now, out),
            Event::LinkDown { peer } => {
                self.calls.link_lost(peer.node);
                if let State::Member(membership) = &mut self.state {
                    membership.broke(peer, now);
                }
            }
            Event::Suspect { node } => {
                if let State::Member(membership) = &mut self.state {
                    membership.suspect_node(node);
                    self.dirty = true;
                }
            }
            Event::Recorded { number } => match &mut self.state {
                State::Member(membership) => self.dirty |= membership.recorded(number),
                State::Joining(joining) => joining.noted |= number == self.records,
                State::Departing(_) | State::Gone => {}
            },
            Event::Synced { shard, through } => {
                if let Some(share) = self.share_mut(shard) {
                    share.synced(through);
                    self.touch(shard);
                }
            }
            Event::Trimmed { shard, through } => {
                if let Some(share) = self.share_mut(shard) {
                    share.journal.trimmed_to(through);
                }
            }
            Event::Stored { shard, last, resume } => {
                if let Some(share) = self.share_mut(shard) {
                    share.stored(last, resume);
                    self.touch(shard);
                    self.dirty = true;
                }
            }
            Event::Send { request, shard, bytes, level, gather } => {
                self.send(now, &Wish { request, shard, bytes, level, gather }, out);
            }
            Event::Called { request, to } => self.call(request, to, out),
            Event::Replied { request, from } => self.calls.replied(request, from),
            Event::Leave => {
                if let State::Member(membership) = &mut self.state {
                    membership.leave();
                    self.dirty = true;
                }
            }
            Event::Refound { shard } => {
                if let State::Member(membership) = &mut self.state {
                    membership.give_up(shard);
                    self.dirty = true;
                }
            }
        }
    }

    fn arrived(&mut self, from: Peer, write: Write, now: Now, out: &mut Effects) {
        match write {
            Write::Member(row) => self.arrived_row(from, &row, now, out),
            Write::Guard(guard) => {
                if let State::Member(membership) = &mut self.state {
                    self.dirty |= membership.guarded(from, guard, now);
                }
            }
            Write::Frames(frames) => {
                if let Some(epoch) = self.epoch_for(from, frames.shard, frames.since) {
                    epoch.arrived_frames(from.node, &frames);
                }
            }
            Write::Shard(row) => {
                if let Some(epoch) = self.epoch_for(from, row.shard, row.since) {
                    epoch.arrived_row(from.node, &row);
                    self.touch(row.shard);
                }
            }
            Write::Message(message) => self.heard(from, message, now, out),
        }
    }

    /// Whoever writes about a view that is over, or that it is not in, is told of the latest one.
    fn arrived_row(&mut self, from: Peer, row: &Arc<MemberRow>, now: Now, out: &mut Effects) {
        let latest = match &self.state {
            State::Gone => None,
            State::Joining(joining) => joining.latest.as_ref(),
            State::Departing(departing) => Some(&departing.view),
            State::Member(membership) => Some(membership.view()),
        };
        let strange = |view: &&Arc<View>| {
            row.view < view.id || row.view == view.id && view.rank_of(from.node).is_none()
        };
        if let Some(view) = latest.filter(strange) {
            let decided = Write::Message(Message::Decided(view.clone()));
            out.push(Effect::Write { to: from.node, write: decided });
        }
        match &mut self.state {
            State::Member(membership) => {
                let suspects = membership.suspects();
                membership.arrived(from, row, now);
                self.dirty |= membership.suspects() != suspects;
            }
            State::Departing(_) => self.is_noted_by(from, row, out),
            State::Joining(_) | State::Gone => {}
        }
    }

    fn heard(&mut self, from: Peer, message: Message, now: Now, out: &mut Effects) {
        match message {
            Message::Join { duty } => {
                if let State::Member(membership) = &mut self.state {
                    membership.asked_to_join(from, duty, now);
                    if membership.is_serving() {
                        membership.tell_decided(from.node, out);
                    }
                    self.dirty = true;
                }
            }
            Message::Decided(view) => self.learn_decision(view, now, out),
            Message::Fetch(fetch) => self.donate(from, &fetch, out),
            Message::Piece(piece) => {
                if let Some(share) = self.share_mut(piece.shard) {
                    share.arrived(from, &piece, out);
                    self.dirty = true;
                }
            }
        }
    }

    /// Asks every question again whose answer may have changed, until none does.
    fn settle(&mut self, now: Now, out: &mut Effects) {
        loop {
            self.advance_shards(out);
            if !std::mem::take(&mut self.dirty) {
                break;
            }
            self.advance_membership(now, out);
        }
        self.resolve(out);
        self.check();
    }

    fn share_mut(&mut self, shard: ShardId) -> Option<&mut Share> {
        self.shares.get_mut(usize::from(shard.0))
    }

    fn touch(&mut self, shard: ShardId) {
        if !self.touched.contains(&shard) {
            self.touched.push(shard);
        }
    }

    /// The latest view that this node installed.
    #[must_use]
    pub fn view(&self) -> Option<&Arc<View>> {
        match &self.state {
            State::Member(membership) => Some(membership.view()),
            State::Joining(_) | State::Departing(_) | State::Gone => None,
        }
    }

    /// What it is at the moment.
    #[must_use]
    pub fn stage(&self) -> Stage {
        match &self.state {
            State::Joining(_) => Stage::Joining,
            State::Departing(_) | State::Gone => Stage::Gone,
            State::Member(membership) => match membership.mode() {
                Mode::Serving => Stage::Serving,
                Mode::Stopped(why) => Stage::Stopped(why),
            },
        }
    }

    /// The rare paths that this node has walked in this life.
    #[must_use]
    pub fn marks(&self) -> Marks {
        let mut marks = self.marks;
        if let State::Member(membership) = &self.state {
            marks.join(membership.marks());
        }
        for share in &self.shares {
            marks.join(share.marks());
        }
        marks
    }

    /// The epoch of a shard that this node is a member of.
    #[must_use]
    pub fn epoch(&self, shard: ShardId) -> Option<&Epoch> {
        self.shares.get(usize::from(shard.0))?.epoch.as_ref()
    }

    /// What this node's log of a shard holds.
    #[must_use]
    pub fn journal(&self, shard: ShardId) -> Option<&Journal> {
        Some(&self.shares.get(usize::from(shard.0))?.journal)
    }

    /// Whether evidence against a node would be news: it is a member of this node's view, which
    /// works, and is not suspected yet.
    #[must_use]
    pub fn may_suspect(&self, node: NodeId) -> bool {
        let State::Member(membership) = &self.state else { return false };
        let known = membership.view().rank_of(node).is_some() && node != self.me.node;
        known && membership.is_serving() && !membership.is_suspected_node(node)
    }

    /// Whether this node vouches that the view it is in was not followed by another when it was
    /// asked: it has not agreed to any successor, and more than half who have not are enough to
    /// know that there was none. Then whoever asked all of them may read what it holds.
    ///
    /// Source: read-index in Ongaro, "Consensus: Bridging Theory and Practice" (2014), §6.4, with
    /// views for terms.
    #[must_use]
    pub fn vouches_for(&self, view: ViewId) -> bool {
        let State::Member(membership) = &self.state else { return false };
        membership.is_serving() && membership.view().id == view && !membership.has_echoed()
    }

    /// Who it is, in which life.
    #[must_use]
    pub fn peer(&self) -> Peer {
        self.me
    }

    /// What holds between any two events. On in release: a wrong replica must stop, and a stopped
    /// one is merely suspected and left out of the next view. That is the failure model we assume.
    pub fn check(&self) {
        if let State::Member(membership) = &self.state {
            membership.check();
        }
        for share in &self.shares {
            share.check();
        }
    }
}
