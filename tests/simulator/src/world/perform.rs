//! Carrying out what a group asks for.

use notrace_store_protocol::effect::{Effect, Slot, Stopped};
use notrace_store_protocol::ids::{NodeId, ShardId};
use notrace_store_protocol::layout::Mode;
use notrace_store_protocol::machine::{Durability, Place};
use notrace_store_protocol::message::{Message, Write};
use notrace_store_protocol::row::MemberRow;
use notrace_store_protocol::rpc::{Gather, Outcome, RequestId, Resolved};
use notrace_store_protocol::view::{Fate, View};

use super::World;
use super::disk::Job;
use super::links::{Load, Parcel};
use super::node::{bit, index};
use super::queue::Happening;
use super::replica::Entry;
use super::sends::State;
use crate::checks::{Answered, Delivery, Held, Verdict};
use crate::checks::{durability, exactly_once, reads, violated};
use crate::coverage::Scene;
use crate::plan::{Loss, Moment};

impl World {
    /// Carries out the effects of one step, in their order.
    pub(super) fn perform(&mut self, at: usize, out: &mut [Effect]) -> Verdict {
        let goes =
            |it: &Effect| matches!(it, Effect::Leave | Effect::Stop { why: Stopped::Departed });
        let closes = out.iter().any(|it| goes(it) || matches!(it, Effect::Install { .. }));
        if closes {
            let last = self.nodes[at].replicas.iter().map(|replica| replica.last().version);
            self.before.clear();
            self.before.extend(last);
        }
        let mut payloads = None;
        for number in 0..out.len() {
            let (done, rest) = out.split_at_mut(number + 1);
            let Some(effect) = done.last_mut() else { continue };
            if self.tracing {
                self.trace_effect(at, effect);
            }
            match effect {
                Effect::Write { to, write } => self.write(at, *to, write, &mut payloads)?,
                Effect::Deliver { place, sender, slot, request } => {
                    let coming = |it: &&Effect| matches!(it, Effect::Install { .. });
                    let closing = if closes { rest.iter().find(coming) } else { None };
                    let view = match closing {
                        Some(Effect::Install { view }) => Some(&**view),
                        _ => None,
                    };
                    let departing = closes && rest.iter().any(goes);
                    self.deliver(at, (*place, *sender, *slot), *request, (view, departing))?;
                }
                other => self.perform_other(at, other)?,
            }
        }
        self.note_ready(at);
        Ok(())
    }

    fn perform_other(&mut self, at: usize, effect: &Effect) -> Verdict {
        match effect {
            Effect::Write { .. } | Effect::Deliver { .. } => Ok(()),
            Effect::Record { number, durable } => {
                let lane = self.nodes[at].disk.lanes.len() - 1;
                let job = Job::Record { number: *number, durable: durable.clone() };
                self.ask_disk(at, lane, job);
                Ok(())
            }
            Effect::Begin { shard, start } => {
                let (node, shard) = (&mut self.nodes[at], usize::from(shard.0));
                node.replicas[shard].line.push(*start);
                if self.plan.shape.shards[shard].mode == Mode::Durable {
                    node.disk.logs[shard].begin(*start);
                }
                Ok(())
            }
            Effect::Place { request, slot } => {
                let Some(payload) = self.payload(at, *request) else {
                    return violated("exactly_once", format!("no request {request:?}"));
                };
                self.put(at, slot, payload);
                Ok(())
            }
            Effect::Carry { request, source, target } => {
                let payload = self.nodes[at].rings.get(source, at);
                if payload.is_none() || payload != self.payload(at, *request) {
                    return violated(
                        "exactly_once",
                        format!("carried what is not there {source:?}"),
                    );
                }
                self.put(at, target, payload.unwrap_or_default());
                Ok(())
            }
            Effect::Observe { sender, slot } => self.observe(at, index(*sender), slot),
            Effect::Sync { shard, through } => {
                self.ask_sync(at, usize::from(shard.0), *through);
                Ok(())
            }
            Effect::Stable { shard, place } => self.stable(at, *shard, *place),
            Effect::Resolve(resolved) => self.resolve(at, resolved),
            Effect::Refuse { request, .. } => {
                let Some(payload) = self.payload(at, *request) else { return Ok(()) };
                self.sends[payload as usize].state = State::Refused;
                self.client_refused(payload);
                Ok(())
            }
            Effect::Install { view } => self.install(at, view),
            Effect::SendTail { to, fetch, through, line } => {
                let (to, fetch, tail) = (*to, *fetch, Some(*through));
                let job = Job::Answer { to, fetch, tail, line: line.clone() };
                self.ask_disk(at, usize::from(fetch.shard.0), job);
                Ok(())
            }
            Effect::SendChunk { to, fetch, line } => {
                let (to, fetch, tail) = (*to, *fetch, None);
                let job = Job::Answer { to, fetch, tail, line: line.clone() };
                self.ask_disk(at, usize::from(fetch.shard.0), job);
                Ok(())
            }
            Effect::Store { piece, .. } => self.store(at, piece),
            Effect::Lose { .. } | Effect::Stop { .. } => Ok(()),
            Effect::Leave => self.leave(at),
        }
    }

    pub(super) fn payload(&self, at: usize, request: RequestId) -> Option<u32> {
        self.nodes[at].requests.get(request.0 as usize).copied()
    }

    fn put(&mut self, at: usize, slot: &Slot, payload: u32) {
        self.nodes[at].rings.put(slot, at, payload);
        self.checks.holds((slot.shard, slot.since.number(), slot.index), at, at);
    }

    fn write(
        &mut self,
        at: usize,
        to: NodeId,
        write: &Write,
        cached: &mut Option<(usize, std::sync::Arc<[u32]>)>,
    ) -> Verdict {
        self.watch(at, write);
        let load = match write {
            Write::Frames(frames) => {
                let key = std::sync::Arc::as_ptr(frames) as usize;
                let payloads = match cached {
                    Some((known, payloads)) if *known == key => payloads.clone(),
                    _ => self.read_ring(at, frames)?,
                };
                *cached = Some((key, payloads.clone()));
                Load::Payloads(payloads)
            }
            _ => Load::Nothing,
        };
        self.post(at, index(to), Parcel::Write(write.clone(), load));
        Ok(())
    }

    /// Looks at what is told, for ambushes and scenes.
    fn watch(&mut self, at: usize, write: &Write) {
        match write {
            Write::Shard(row) if row.ready => self.ready(at, row.shard),
            Write::Member(row) => self.watch_row(at, row),
            Write::Message(Message::Fetch(_)) => self.occasion(at, Moment::Fetch),
            _ => {}
        }
    }

    fn watch_row(&mut self, at: usize, row: &MemberRow) {
        let scene = &mut self.nodes[at].scene;
        let usual = |attempt: u32| attempt == 0;
        scene.leads = row.call.as_ref().is_some_and(|call| usual(call.ballot.attempt))
            || row.proposal.as_ref().is_some_and(|it| usual(it.ballot.attempt));
        scene.flushes = row.suspected != 0 && !row.stopped;
        if self.ambushes.is_empty() {
            return;
        }
        let moments = [
            (row.call.is_some(), Moment::Call),
            (row.proposal.is_some(), Moment::Propose),
            (row.echo.is_some(), Moment::Echo),
            (!row.learned.is_empty(), Moment::Learned),
        ];
        for (is_now, moment) in moments {
            if is_now {
                self.occasion(at, moment);
            }
        }
    }

    fn ready(&mut self, at: usize, shard: ShardId) {
        let epoch = &mut self.nodes[at].epochs[usize::from(shard.0)];
        if let Some((since, ready @ false)) = epoch {
            *ready = true;
            self.checks.history.is_ready(shard, *since, at);
        }
    }

    /// Sees in which epochs the node has become ready.
    fn note_ready(&mut self, at: usize) {
        for shard in 0..self.plan.shape.shards.len() {
            let Some((since, false)) = self.nodes[at].epochs[shard] else { continue };
            let shard = ShardId(shard as u16);
            let epoch = self.nodes[at].group.as_ref().and_then(|group| group.epoch(shard));
            if epoch.is_some_and(|epoch| epoch.start().since == since && epoch.is_ready()) {
                self.ready(at, shard);
            }
        }
    }

    fn deliver(
        &mut self,
        at: usize,
        (place, sender, slot): (Place, NodeId, Slot),
        request: Option<RequestId>,
        (closing, departing): (Option<&View>, bool),
    ) -> Verdict {
        let (sender, shard) = (index(sender), usize::from(slot.shard.0));
        let node = &self.nodes[at];
        let Some(payload) = node.rings.get(&slot, sender) else {
            let text = format!("node {} lacks the bytes of {}: {slot:?}", at + 1, place.version);
            return violated("stability", text);
        };
        let before = node.replicas[shard].entries.last().copied();
        let entry = Entry::after(before.as_ref(), place, payload);
        let delivery = Delivery {
            node: at,
            life: node.life,
            shard: slot.shard,
            place,
            sender,
            slot,
            before,
            entry,
            closing,
            departing,
        };
        let sent = &mut self.sends[payload as usize];
        self.checks.delivered(&delivery, sent)?;
        reads::delivered(&delivery, &self.nodes)?;
        self.report.delivered += 1;
        let node = &mut self.nodes[at];
        if self.plan.shape.shards[shard].mode == Mode::Durable {
            node.disk.logs[shard].append(entry);
        }
        let reply = node.replicas[shard].apply(entry, sent);
        if let Some(request) = request {
            if (request.0, at, node.life) != (sent.request, sent.node, sent.life) {
                let text = format!("{} was taken for {request:?}: {sent:?}", place.version);
                return violated("exactly_once", text);
            }
            sent.reply = Some(reply);
        }
        let (gather, asker, life) = (sent.gather, sent.node, sent.life);
        let request = sent.request;
        if asker == at && life == node.life && gather != Gather::None {
            self.queue.push(self.now, Happening::Replied { node: at, life, request });
        } else if gather == Gather::All && self.nodes[asker].life == life {
            self.post(at, asker, Parcel::Reply(RequestId(request)));
        }
        Ok(())
    }

    fn observe(&mut self, at: usize, sender: usize, slot: &Slot) -> Verdict {
        let Some(payload) = self.nodes[at].rings.get(slot, sender) else {
            return violated("stability", format!("node {} lacks bytes {slot:?}", at + 1));
        };
        self.checks.observed(at, sender, &self.sends[payload as usize])
    }

    /// On whose disks an update is; nothing if a disk was lost, or the shard has none.
    fn disks(&self, shard: ShardId, place: Place) -> Option<u64> {
        let at = usize::from(shard.0);
        if self.mode(at) != Mode::Durable || self.nodes.iter().any(|node| node.was_lost) {
            return None;
        }
        let there = self.nodes.iter().filter(|node| {
            let last = node.disk.logs[at].last().version;
            self.checks.history.includes(shard, last, place.version)
        });
        Some(there.fold(0, |mask, node| mask | bit(node.index)))
    }

    fn stable(&mut self, at: usize, shard: ShardId, place: Place) -> Verdict {
        let known = &mut self.nodes[at].stable[usize::from(shard.0)];
        *known = (*known).max_by_version(place);
        let epoch = self.nodes[at].epochs[usize::from(shard.0)];
        let epoch = epoch.and_then(|(since, _)| self.checks.history.epoch(shard, since));
        match (epoch, self.disks(shard, place)) {
            (Some(epoch), Some(disks)) => durability::stable(epoch, shard, disks, place.version),
            _ => Ok(()),
        }
    }

    fn resolve(&mut self, at: usize, resolved: &Resolved) -> Verdict {
        let Some(payload) = self.payload(at, resolved.request) else { return Ok(()) };
        let sent = &self.sends[payload as usize];
        if sent.state != State::Open {
            return violated("exactly_once", format!("answered again: {sent:?}"));
        }
        let state = match &resolved.outcome {
            Outcome::Delivered { place, .. } => {
                let waits = sent.level > Durability::Delivered;
                let disks = if waits { self.disks(sent.shard, *place) } else { None };
                let answered = Answered { node: at, sent, payload, place: *place, disks };
                self.checks.answered(&answered)?;
                State::Answered
            }
            Outcome::NotApplied => {
                exactly_once::denied(sent)?;
                State::NotApplied
            }
            Outcome::Replied { .. } | Outcome::ViewChanged | Outcome::Unknown { .. } => {
                State::Unknown
            }
        };
        self.sends[payload as usize].state = state;
        self.client_answered(payload);
        Ok(())
    }

    fn install(&mut self, at: usize, view: &std::sync::Arc<View>) -> Verdict {
        let node = &mut self.nodes[at];
        let me = node.peer();
        let lives = view.member_in(me.node, me.life).is_some();
        let mut held = Vec::new();
        for (shard, next) in view.shards() {
            let epoch = &mut node.epochs[usize::from(shard.0)];
            let replica = &node.replicas[usize::from(shard.0)];
            if let Some((since, ready)) = *epoch {
                if since == next.since && next.fate == Fate::Held {
                    continue;
                }
                let mode = self.plan.shape.shards[usize::from(shard.0)].mode;
                if ready && next.fate == Fate::Held && mode != Mode::Unordered {
                    let entries = &replica.entries;
                    let begin = entries.partition_point(|entry| entry.version.view() < since);
                    held.push(Held {
                        shard,
                        since,
                        last: replica.last().version,
                        count: entries.len() - begin,
                        digest: entries.last().map_or(0, |entry| entry.digest),
                    });
                }
            }
            let member = next.is_held_by(me.node) && lives;
            *epoch = member.then_some((next.since, false));
        }
        let life = node.life;
        let nodes = &self.nodes;
        let last = |node: usize, shard: ShardId| {
            let shard = usize::from(shard.0);
            let now = nodes[node].replicas[shard].last().version;
            if node == at { now.max(self.before[shard]) } else { now }
        };
        self.checks.installed(at, life, view, &held, (&self.plan.shape, &last))?;
        self.occasion(at, Moment::Install);
        self.nodes[at].scene = super::node::Scene::default();
        if self.nodes[at].epochs.iter().flatten().any(|(since, _)| *since == view.id) {
            self.nodes[at].scene.joins = true;
        }
        Ok(())
    }

    /// The group is over. The node comes back, unless it wanted to go.
    fn leave(&mut self, at: usize) -> Verdict {
        let wanted = self.nodes[at].leaving;
        self.crash(at, Loss::Kept, true)?;
        if wanted {
            self.report.scenes.set(Scene::Left);
            self.nodes[at].status = super::node::Status::Left;
        } else {
            let back = self.now + self.random.within(2_000, 40_000);
            self.queue.push(back, Happening::Start(at));
        }
        Ok(())
    }

    fn trace_effect(&self, at: usize, effect: &Effect) {
        if matches!(effect, Effect::Write { write: Write::Guard(_), .. }) {
            return;
        }
        self.say(|| format!("{}.{}    -> {effect:?}", at + 1, self.nodes[at].life.0));
    }
}

/// The later of two places.
trait Later {
    fn max_by_version(self, other: Self) -> Self;
}

impl Later for Place {
    fn max_by_version(self, other: Self) -> Self {
        if other.version > self.version { other } else { self }
    }
}
