//! Carrying out what the protocol says, in its order.

use bytes::Bytes;
use notrace_store_fabric::Fabric;
use notrace_store_fabric::mail::Letter;
use notrace_store_protocol::effect::{Effect, Refused, Slot};
use notrace_store_protocol::event::Event;
use notrace_store_protocol::ids::{NodeId, ShardId, Version};
use notrace_store_protocol::machine::Place;
use notrace_store_protocol::message::Write;
use notrace_store_protocol::rpc::{Outcome, RequestId, Resolved};
use notrace_store_protocol::view::View;

use crate::clock::Clock;
use crate::error::{Failure, SendError};
use crate::host::Company;
use crate::lane::Job;
use crate::letters;
use crate::shard::Shard;
use crate::worker::{Phase, Worker};

/// The last write that was made into a letter: the same goes to several peers.
struct Made {
    write: Write,
    letter: Letter,
}

impl<F: Fabric, C: Clock> Worker<F, C> {
    pub(crate) fn perform(&mut self, effects: impl Iterator<Item = Effect>) {
        let mut made: Option<Made> = None;
        let mut refused = Vec::new();
        for effect in effects {
            if matches!(self.phase, Phase::Ended) {
                return;
            }
            match effect {
                Effect::Write { to, write } => self.write(to, write, &mut made),
                Effect::Deliver { place, sender, slot, request } => {
                    self.deliver(place, sender, &slot, request);
                }
                Effect::Refuse { request, why } => refused.push((request, why)),
                other => self.perform_other(other),
            }
        }
        // The last one that was refused goes back first, so that they wait in their order.
        for (request, why) in refused.into_iter().rev() {
            self.refused(request, why);
        }
    }

    fn perform_other(&mut self, effect: Effect) {
        match effect {
            Effect::Record { number, durable } => {
                self.durable = Some(durable.clone());
                self.records.push(self.life, number, durable);
            }
            Effect::Begin { shard, start } => {
                if let Some(shard) = self.shard(shard) {
                    shard.ask(Job::Begin(start));
                }
            }
            Effect::Place { request, slot } => {
                let bytes = self.outgoing.remove(&request).unwrap_or_default();
                self.rings.place(self.config.node, &slot, bytes);
            }
            Effect::Carry { source, target, .. } => {
                match self.rings.get(self.config.node, &source) {
                    Some(bytes) => self.rings.place(self.config.node, &target, bytes),
                    None => self.fail(Failure::Missing),
                }
            }
            Effect::Sync { shard, through } => {
                let life = self.life;
                match self.shard(shard) {
                    Some(it) if it.is_durable() => it.ask(Job::Sync { life, through }),
                    _ => self.follows.push_back(Event::Synced { shard, through }),
                }
            }
            Effect::Resolve(resolved) => self.resolved(&resolved),
            Effect::Install { view } => self.installed(&view),
            Effect::SendTail { to, fetch, through, line } => {
                self.donor.ask_tail(to, fetch, through, line);
            }
            Effect::SendChunk { to, fetch, line } => self.donor.ask_chunk(to, fetch, line),
            Effect::Store { piece, .. } => self.store(piece),
            Effect::Stop { .. } | Effect::Lose { .. } => self.tell_status(),
            Effect::Leave => self.leave(),
            // Telemetry has no reader here, and the frontier is read from the epoch.
            Effect::Observe { sender, slot } => {
                drop(self.rings.deliver(self.config.node, sender, &slot));
            }
            Effect::Stable { .. } => {}
            Effect::Write { .. } | Effect::Deliver { .. } | Effect::Refuse { .. } => {}
        }
    }

    pub(crate) fn shard(&mut self, shard: ShardId) -> Option<&mut Shard> {
        self.shards.get_mut(usize::from(shard.0))
    }

    fn write(&mut self, to: NodeId, write: Write, made: &mut Option<Made>) {
        let Some(link) = self.links.to(to) else { return };
        let known = made.as_ref().filter(|made| is_same(&made.write, &write));
        let letter = match known {
            Some(made) => made.letter.clone(),
            None => {
                let letter = Letter { head: letters::write(&write), body: self.load_of(&write) };
                *made = Some(Made { write, letter: letter.clone() });
                letter
            }
        };
        self.post_letter(link, letter);
    }

    /// The bytes that go with a write: those of own updates.
    fn load_of(&mut self, write: &Write) -> Vec<Bytes> {
        let Write::Frames(frames) = write else { return Vec::new() };
        let slots: Vec<Slot> = letters::slots(frames).collect();
        let bytes: Option<Vec<Bytes>> =
            slots.iter().map(|slot| self.rings.get(self.config.node, slot)).collect();
        match bytes {
            Some(bytes) => bytes,
            None => {
                self.fail(Failure::Missing);
                Vec::new()
            }
        }
    }

    fn deliver(&mut self, place: Place, sender: NodeId, slot: &Slot, request: Option<RequestId>) {
        let Some(bytes) = self.rings.deliver(self.config.node, sender, slot) else {
            return self.fail(Failure::Missing);
        };
        let Some(shard) = self.shard(slot.shard) else { return };
        if shard.was_cut {
            // Nothing can come after what is being cut off.
            return self.fail(Failure::Missing);
        }
        let dropped = shard.take(place, bytes, request);
        self.note_dropped(slot.shard, dropped);
    }

    /// What a shard in memory no longer holds of its order, only its state covers.
    pub(crate) fn note_dropped(&mut self, shard: ShardId, dropped: Option<Version>) {
        let volatile = self.shard(shard).is_some_and(|shard| !shard.is_durable());
        if let (true, Some(through)) = (volatile, dropped) {
            self.follows.push_back(Event::Trimmed { shard, through });
        }
    }

    fn refused(&mut self, request: RequestId, why: Refused) {
        self.outgoing.remove(&request);
        let Some(id) = self.requests.remove(&request) else { return };
        let Some(shard) = self.shard(id) else { return };
        let error = match why {
            Refused::Wedged | Refused::Busy => {
                shard.host.give_back(request);
                self.backlog.insert(id);
                return;
            }
            Refused::TooLarge => SendError::TooLarge,
            Refused::NotSender | Refused::NotHeld => SendError::NotHere,
            Refused::Inadequate | Refused::Stopped => SendError::NoMajority,
            Refused::Lost => SendError::Lost,
        };
        shard.host.refuse(request, error);
    }

    fn resolved(&mut self, resolved: &Resolved) {
        let Some(id) = self.requests.remove(&resolved.request) else { return };
        if resolved.outcome == Outcome::NotApplied {
            self.backlog.insert(id);
        }
        if let Some(shard) = self.shard(id) {
            shard.host.resolve(resolved.request, &resolved.outcome);
        }
    }

    fn installed(&mut self, view: &View) {
        for shard in &self.shards {
            shard.host.be_in(Company::Others);
        }
        for (shard, entry) in view.shards() {
            self.rings.forget_before(shard, entry.since);
        }
        self.tell_status();
    }
}

/// Whether two writes are the same one to different peers.
fn is_same(one: &Write, other: &Write) -> bool {
    use std::sync::Arc;
    match (one, other) {
        (Write::Member(one), Write::Member(other)) => Arc::ptr_eq(one, other),
        (Write::Guard(one), Write::Guard(other)) => one == other,
        (Write::Frames(one), Write::Frames(other)) => Arc::ptr_eq(one, other),
        (Write::Shard(one), Write::Shard(other)) => Arc::ptr_eq(one, other),
        _ => false,
    }
}
