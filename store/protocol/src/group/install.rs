//! How views begin and end at this node.

use super::*;
use crate::limits::CONTACTS_MAX;
use crate::membership::{Local, Verdict};
use crate::share::{Left, Lesson};
use crate::view::{Fate, ShardView};

impl Group {
    pub(super) fn seek(&mut self, contacts: Vec<NodeId>, latest: Option<Arc<View>>, noted: bool) {
        let joining = Joining { contacts: Vec::new(), asked: None, latest, noted };
        self.state = State::Joining(joining);
        self.seek_also(contacts);
    }

    fn seek_also(&mut self, contacts: impl IntoIterator<Item = NodeId>) {
        let State::Joining(joining) = &mut self.state else { return };
        for node in contacts {
            let room = joining.contacts.len() < CONTACTS_MAX;
            if room && node != self.me.node && !joining.contacts.contains(&node) {
                joining.contacts.push(node);
            }
        }
    }

    /// Goes on from what an earlier life wrote down: to end that view together with others who come
    /// back, or to be told that it has ended without us.
    pub(super) fn resume(
        &mut self,
        durable: &Durable,
        contacts: Vec<NodeId>,
        now: Now,
        out: &mut Effects,
    ) {
        let members = durable.view.iter().flat_map(|view| &view.members);
        let contacts = contacts.into_iter().chain(members.map(|member| member.node)).collect();
        let view = durable.view.clone().filter(|view| view.rank_of(self.me.node).is_some());
        let Some(view) = view else {
            return self.seek(contacts, durable.view.clone(), true);
        };
        let Some(rank) = view.rank_of(self.me.node) else { return };
        let acceptor = Acceptor::restored(durable.promised, durable.echo.clone());
        self.state = State::Member(Box::new(Membership::new(view, self.me, rank, acceptor, now)));
        out.push(Effect::Stop { why: Stopped::Restarted });
    }

    /// Another node says that this view was decided.
    pub(super) fn learn_decision(&mut self, view: Arc<View>, now: Now, out: &mut Effects) {
        if view.shards.len() != self.shares.len() {
            return;
        }
        match &mut self.state {
            State::Gone | State::Departing(_) => {}
            State::Joining(joining) if joining.latest.as_ref().is_none_or(|it| it.id < view.id) => {
                joining.latest = Some(view.clone());
                self.learn_decision_outside(view, now, out);
            }
            State::Joining(_) => {}
            State::Member(membership) => {
                let (ours, lives) = (membership.view().clone(), membership.lives());
                if view.id <= ours.id {
                    return;
                }
                if ours.id.next() == Some(view.id) {
                    self.marks.set(Mark::LearntDecision);
                    self.install(view, now, out);
                } else if self.remembers(&view) && !lives {
                    self.install(view, now, out);
                } else {
                    self.retire(&ours, &view, out);
                }
            }
        }
    }

    /// The same, to somebody who wants in.
    fn learn_decision_outside(&mut self, view: Arc<View>, now: Now, out: &mut Effects) {
        if view.member_in(self.me.node, self.me.life).is_some() {
            self.marks.set(Mark::Joined);
            self.enter(view, now, out);
        } else if self.remembers(&view) {
            self.member_of(view, None, now, out);
            out.push(Effect::Stop { why: Stopped::Restarted });
        } else {
            self.seek_also(view.members.iter().map(|member| member.node));
        }
    }

    /// Whether this node is in the view in an earlier life that its disk would remember, had it
    /// bound itself to anything in that view. So it has not, and may help to end the view.
    fn remembers(&self, view: &View) -> bool {
        let member = view.rank_of(self.me.node).and_then(|rank| view.member(rank));
        member.is_some_and(|member| member.life >= self.born)
    }

    pub(super) fn advance_membership(&mut self, now: Now, out: &mut Effects) {
        let State::Member(membership) = &mut self.state else { return };
        membership.look(now, out);
        let view = membership.view().clone();
        for ((shard, _), share) in view.shards().zip(&mut self.shares) {
            // Whoever has wedged a shard makes the leader begin its next epoch.
            if membership.wants_wedged(shard) || share.is_worn() {
                share.wedge();
            }
        }
        self.learn(now, out);
        let local = self.local(&view);
        let State::Member(membership) = &mut self.state else { return };
        if !membership.is_noted() {
            return;
        }
        let rules = Rules { spec: &self.spec, limits: &self.limits, born: self.born };
        match membership.advance(now, rules, &local, &mut self.records, out) {
            Verdict::Go => {}
            Verdict::Install(view) => self.install(view, now, out),
        }
    }

    /// What the shards of this node let its row tell.
    fn local(&self, view: &View) -> Local {
        let stopped = !matches!(self.stage(), Stage::Serving);
        let each = || view.shards().zip(&self.shares);
        Local {
            held: each().filter_map(|((_, now), share)| share.held(now, stopped)).collect(),
            learned: each().filter_map(|((_, now), share)| share.learned(now)).collect(),
        }
    }

    /// Lets learners ask for what they lack.
    pub(super) fn learn(&mut self, now: Now, out: &mut Effects) {
        let State::Member(membership) = &self.state else { return };
        if !membership.is_serving() {
            return;
        }
        let targets = membership.targets(&self.spec);
        let view = membership.view().clone();
        for (((_, shard), share), target) in view.shards().zip(&mut self.shares).zip(&targets) {
            let wanted = shard.fate == Fate::Held && target.contains(&self.me.node);
            let mut donors = share.donors(shard);
            donors.retain(|node| !membership.is_suspected_node(*node));
            let lesson = Lesson { wanted, donors: &donors, since: shard.since };
            share.learn(&lesson, now, &self.limits, out);
        }
    }

    /// The node's first view: nothing ends with it.
    pub(super) fn enter(&mut self, view: Arc<View>, now: Now, out: &mut Effects) {
        let shards: Vec<_> = view.shards().map(|(shard, next)| (shard, next.clone())).collect();
        for (shard, next) in &shards {
            self.begin_if_member(*shard, next, now, out);
        }
        self.member_of(view, None, now, out);
    }

    /// Ends the view and begins its successor. What every member delivers of the old one is the
    /// same, whoever decided it.
    pub(super) fn install(&mut self, view: Arc<View>, now: Now, out: &mut Effects) {
        let State::Member(old) = &self.state else { return };
        let old_view = old.view().clone();
        let rank = view.rank_of(self.me.node).filter(|_| self.remembers(&view));
        let Some(rank) = rank else { return self.retire(&old_view, &view, out) };
        let lives = view.member(rank).is_some_and(|member| member.life == self.me.life);
        let pairs = old_view.shards.iter().zip(&view.shards).zip(0..);
        for ((before, next), number) in pairs {
            if before != next && lives {
                self.change_shard(ShardId(number), next, now, out);
            }
        }
        self.member_of(view, Some(&old_view), now, out);
    }

    fn change_shard(&mut self, shard: ShardId, next: &ShardView, now: Now, out: &mut Effects) {
        let begin = out.len();
        let left = self.share_mut(shard).and_then(|share| share.end(next, out));
        self.note_calls(shard, begin, out);
        if next.fate == Fate::Lost {
            out.push(Effect::Lose { shard });
        }
        self.begin_if_member(shard, next, now, out);
        match left {
            None => {}
            Some(Left::Unknown) => self.calls.lost_sight(shard),
            Some(Left::Cut(cut)) => {
                let taken = self.share_mut(shard).map_or(0, |share| share.carry(&cut, out));
                for (at, cut) in cut.iter().enumerate() {
                    if at < taken {
                        self.calls.carried(cut.request);
                    } else {
                        self.marks.set(Mark::CutForGood);
                        self.calls.cut(cut.request);
                    }
                }
                if !next.is_held_by(self.me.node) {
                    self.calls.lost_sight(shard);
                }
            }
        }
        self.calls.view_changed(shard, &next.members);
        self.touch(shard);
    }

    fn begin_if_member(&mut self, shard: ShardId, next: &ShardView, now: Now, out: &mut Effects) {
        let limits = self.limits;
        if next.is_held_by(self.me.node) {
            if let Some(share) = self.share_mut(shard) {
                share.begin(next, limits, now, out);
            }
            self.touch(shard);
        }
    }

    /// Becomes a member of a view, and says so to all who may wait for it.
    fn member_of(&mut self, view: Arc<View>, old: Option<&Arc<View>>, now: Now, out: &mut Effects) {
        let Some(rank) = view.rank_of(self.me.node) else { return };
        let mut next = Membership::new(view.clone(), self.me, rank, Acceptor::new(), now);
        if let State::Member(old) = &mut self.state {
            self.marks.join(old.marks());
            next.inherit(old);
            if next.is_serving() && next.suspects() != 0 {
                self.marks.set(Mark::InstalledSuspect);
            }
        }
        out.push(Effect::Install { view: view.clone() });
        let before = old.map_or(&[][..], |view| &view.members);
        let others = view.members.iter().chain(before).map(|member| member.node);
        let mut told: Vec<NodeId> = others.filter(|node| *node != self.me.node).collect();
        told.sort_unstable();
        told.dedup();
        for node in told {
            next.tell_decided(node, out);
        }
        self.record(Some(view), out);
        next.is_noted_by(self.records);
        for member in old.map_or(&[][..], |view| &view.members) {
            if next.view().rank_of(member.node).is_none() {
                self.calls.member_gone(member.node);
            }
        }
        self.state = State::Member(Box::new(next));
        self.dirty = true;
    }

    /// Writes down where this node is, free of bonds.
    pub(super) fn record(&mut self, view: Option<Arc<View>>, out: &mut Effects) {
        self.records += 1;
        let (born, life) = (self.born, self.me.life);
        let durable = Durable { born, life, view, promised: None, echo: None };
        out.push(Effect::Record { number: self.records, durable: Arc::new(durable) });
    }

    /// The view went on without this node: it delivers what it can, and is over. Who has nothing in
    /// memory that could mislead it asks to be taken in again at once.
    fn retire(&mut self, old: &View, view: &Arc<View>, out: &mut Effects) {
        let State::Member(membership) = &self.state else { return };
        if !membership.lives() {
            self.marks = self.marks();
            let members = view.members.iter().map(|member| member.node);
            return self.seek(members.collect(), Some(view.clone()), true);
        }
        let departs = membership.is_leaving();
        for (before, (shard, next)) in old.shards.iter().zip(view.shards()) {
            if before != next && old.id.next() == Some(view.id) {
                let begin = out.len();
                self.share_mut(shard).and_then(|share| share.end(next, out));
                self.note_calls(shard, begin, out);
            }
        }
        for member in &view.members {
            let decided = Write::Message(Message::Decided(view.clone()));
            out.push(Effect::Write { to: member.node, write: decided });
        }
        if departs {
            self.marks = self.marks();
            self.marks.set(Mark::Departed);
            self.calls.stopped();
            out.push(Effect::Stop { why: Stopped::Departed });
            self.state =
                State::Departing(Departing { view: view.clone(), noted: Vec::new(), since: None });
        } else {
            self.go(out);
        }
    }

    /// A row is told only once the view that it is about is on its owner's disk.
    pub(super) fn is_noted_by(&mut self, from: Peer, row: &MemberRow, out: &mut Effects) {
        let State::Departing(departing) = &mut self.state else { return };
        let member = departing.view.member_in(from.node, from.life).is_some();
        if member && row.view >= departing.view.id && !departing.noted.contains(&from.node) {
            departing.noted.push(from.node);
        }
        if departing.noted.len() >= departing.view.majority() || row.view > departing.view.id {
            self.go(out);
        }
    }

    pub(super) fn go(&mut self, out: &mut Effects) {
        self.marks = self.marks();
        self.calls.stopped();
        self.state = State::Gone;
        out.push(Effect::Leave);
    }
}
