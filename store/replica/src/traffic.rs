//! Links and what comes over them, calls, and sending what waits.

use bytes::Bytes;
use notrace_store_fabric::mail::Letter;
use notrace_store_fabric::{Event as LinkEvent, Fabric};
use notrace_store_protocol::effect::Stopped;
use notrace_store_protocol::event::Event;
use notrace_store_protocol::group::Stage;
use notrace_store_protocol::ids::NodeId;
use notrace_store_protocol::message::{Message, Peer, Write};
use notrace_store_protocol::row::Frames;
use notrace_store_protocol::rpc::{Gather, RequestId};

use crate::admission::Verdict;
use crate::asks::Call;
use crate::clock::Clock;
use crate::error::{CallError, Fault, SendError};
use crate::letters::{self, Greeting, Word};
use crate::limits::{CALL_WAIT_MAX, ROOM_MIN};
use crate::links::Greeted;
use crate::member::Answerer;
use crate::rings::BeyondWindow;
use crate::worker::{Link, OpenCall, Phase, Worker};

/// Updates that are told to the protocol at once, and their bytes.
const BATCH_MAX: usize = 512;
const BATCH_BYTES_MAX: usize = 8 << 20;

impl<F: Fabric, C: Clock> Worker<F, C> {
    /// Hears what the fabric has to say. What comes over links is told to the protocol together,
    /// as far as it can be.
    pub(crate) fn hear(&mut self, events: impl Iterator<Item = LinkEvent>) {
        let mut arrived = Vec::new();
        let mut found = Vec::new();
        for event in events {
            match event {
                LinkEvent::Bell { link, word } => {
                    let heard = self.mail.rang(&mut self.fabric, link, word, &mut found);
                    for letter in found.drain(..) {
                        self.letter(link, letter, &mut arrived);
                    }
                    if heard.is_err() {
                        self.cut(link, Fault::Rules, &mut arrived);
                    }
                }
                // Between two lives it is nobody; the others will try again.
                LinkEvent::Up { link, .. } if !self.is_in_a_life() => self.fabric.cut(link),
                LinkEvent::Up { link, dialled, peer } => {
                    self.mail.open(link, &peer, self.config.region_bytes);
                    self.links.up(link, dialled, (&peer.name, peer.key), self.now);
                    self.consider(link, &mut arrived);
                }
                LinkEvent::Down { link, .. } => {
                    self.mail.close(link);
                    self.lost(link, &mut arrived);
                }
                LinkEvent::Failed { dial, .. } => self.links.failed(dial, self.now),
                LinkEvent::Sent { .. } => {}
            }
        }
        self.step_all(arrived);
    }

    /// Greets who may be linked to, and cuts off who may not. Of whom it is not known yet nothing
    /// is taken but the name.
    pub(crate) fn consider(&mut self, link: Link, arrived: &mut Vec<Event>) {
        match self.links.judge(link, &self.admission) {
            Verdict::Unknown => {}
            Verdict::Refused => self.cut(link, Fault::NotAdmitted, arrived),
            Verdict::Admitted => {
                let me = Peer { node: self.config.node, life: self.life };
                let heard = self.links.admit(link);
                let (boot, yours) = (self.config.boot, self.links.heard_of(link));
                self.post_letter(link, letters::greeting(&Greeting { peer: me, boot, yours }));
                if let Some(greeting) = heard {
                    self.greeted(link, greeting, arrived);
                }
            }
        }
    }

    /// Cuts off whoever is at the other end, and remembers why.
    fn cut(&mut self, link: Link, why: Fault, arrived: &mut Vec<Event>) {
        self.links.blame(link, why);
        self.part(link, arrived);
    }

    /// Ends a link.
    pub(crate) fn part(&mut self, link: Link, arrived: &mut Vec<Event>) {
        self.mail.close(link);
        self.fabric.cut(link);
        self.lost(link, arrived);
    }

    fn lost(&mut self, link: Link, arrived: &mut Vec<Event>) {
        if let Some(peer) = self.links.down(self.config.node, link, self.now) {
            arrived.push(self.lost_peer(peer));
        }
    }

    /// However a link to a peer ended: nothing that was asked over it will be answered.
    fn lost_peer(&mut self, peer: Peer) -> Event {
        for (_, call) in self.calls.extract_if(.., |_, call| call.to == peer.node) {
            // Whoever does not wait any more need not be told.
            let _ = call.answer.send(Err(CallError::NoAnswer));
        }
        self.donor.forget(peer.node);
        Event::LinkDown { peer }
    }

    fn letter(&mut self, link: Link, letter: Bytes, arrived: &mut Vec<Event>) {
        let Some(word) = letters::read(letter) else {
            return self.cut(link, Fault::Rules, arrived);
        };
        let peer = match (self.links.peer(link), word) {
            (None, Word::Greeting(greeting)) => return self.greeted(link, greeting, arrived),
            (None, _) | (Some(_), Word::Greeting(_)) => {
                return self.cut(link, Fault::Rules, arrived);
            }
            (Some(peer), word) => (peer, word),
        };
        match peer {
            (from, Word::Write(write, load)) => {
                // Whoever was a member once may still be linked; that does not make it one again.
                let joins = matches!(*write, Write::Message(Message::Join { .. }));
                let may = || self.links.judge(link, &self.admission) == Verdict::Admitted;
                let landed = match joins && !may() {
                    true => Err(Fault::NotAdmitted),
                    false => self.land(from, *write, load, arrived),
                };
                if let Err(why) = landed {
                    self.cut(link, why, arrived);
                }
            }
            (_, Word::Ask { view, round }) => {
                self.step_all(std::mem::take(arrived));
                if self.group.vouches_for(view) {
                    self.post_letter(link, letters::vouch(view, round));
                }
            }
            (from, Word::Vouch { view, round }) => self.reads.vouched(from.node, view, round),
            (from, Word::Call { number, bytes }) => {
                let Some(seat) = self.links.seat(link) else {
                    return self.post_letter(link, letters::answer(number, None));
                };
                let answerer = Answerer { asks: self.asks.clone(), link, number, seat };
                (self.on_call)(from.node, bytes, answerer);
            }
            (from, Word::Answer { number, bytes }) => {
                if self.calls.get(&number).is_some_and(|call| call.to == from.node)
                    && let Some(call) = self.calls.remove(&number)
                {
                    // Whoever does not wait any more need not be told.
                    let _ = call.answer.send(bytes.ok_or(CallError::Busy));
                }
            }
            (_, Word::Greeting(_)) => {}
        }
    }

    fn greeted(&mut self, link: Link, greeting: Greeting, arrived: &mut Vec<Event>) {
        match self.links.hear(link, greeting) {
            None => {}
            Some(true) => return,
            Some(false) => return self.cut(link, Fault::Rules, arrived),
        }
        let Greeting { peer, boot, yours } = greeting;
        if let Some(other) = yours.filter(|yours| self.is_taken(yours)) {
            return self.yield_to(other);
        }
        match self.links.greeted(self.config.node, link, (peer, boot)) {
            Greeted::Taken => {}
            Greeted::Refused => {
                self.mail.close(link);
                self.fabric.cut(link);
            }
            Greeted::Linked { replaced } => {
                if let Some((old, before)) = replaced {
                    self.mail.close(old);
                    self.fabric.cut(old);
                    arrived.push(self.lost_peer(before));
                }
                arrived.push(Event::LinkUp { peer });
            }
        }
    }

    /// Takes what a peer wrote.
    /// # Errors  [`Fault`], if it is not what a peer writes.
    fn land(
        &mut self,
        from: Peer,
        write: Write,
        load: Bytes,
        arrived: &mut Vec<Event>,
    ) -> Result<(), Fault> {
        match &write {
            Write::Frames(frames) => self.land_frames(from, frames, load, arrived)?,
            Write::Message(Message::Piece(_)) => {
                self.step_all(std::mem::take(arrived));
                self.load = load;
                self.step(Event::Arrived { from, write });
                self.load = Bytes::new();
                return Ok(());
            }
            _ if !load.is_empty() => return Err(Fault::Rules),
            _ => {}
        }
        arrived.push(Event::Arrived { from, write });
        Ok(())
    }

    fn land_frames(
        &mut self,
        from: Peer,
        frames: &Frames,
        load: Bytes,
        arrived: &mut Vec<Event>,
    ) -> Result<(), Fault> {
        let updates = letters::split(frames, load).ok_or(Fault::Rules)?;
        if !self.is_awaited(from, frames) {
            // What came before may begin the epoch.
            self.step_all(std::mem::take(arrived));
        }
        // To the protocol, too, frames of another epoch mean nothing.
        if self.is_awaited(from, frames) {
            for (slot, bytes) in updates {
                let landed = self.rings.land(from.node, &slot, bytes);
                landed.map_err(|BeyondWindow| Fault::BeyondWindow)?;
            }
        }
        Ok(())
    }

    fn is_awaited(&self, from: Peer, frames: &Frames) -> bool {
        let epoch = self.group.epoch(frames.shard);
        epoch.is_some_and(|epoch| {
            epoch.start().since == frames.since && epoch.members().contains(&from.node)
        })
    }

    /// Sends to a node, if it is linked.
    pub(crate) fn post(&mut self, to: NodeId, letter: Letter) {
        if let Some(link) = self.links.to(to) {
            self.post_letter(link, letter);
        }
    }

    pub(crate) fn post_on(&mut self, link: Link, letter: Letter) {
        if self.links.peer(link).is_some() {
            self.post_letter(link, letter);
        }
    }

    pub(crate) fn post_letter(&mut self, link: Link, letter: Letter) {
        if self.mail.post(link, letter).is_err() {
            // Too slow to be of use: its end of the link will find out.
            let mut lost = Vec::new();
            self.cut(link, Fault::TooSlow, &mut lost);
            self.follows.extend(lost);
        }
    }

    pub(crate) fn call(&mut self, call: Call) {
        let Call { to, bytes, answer, seat } = call;
        if self.links.to(to).is_none() {
            // Whoever does not wait any more need not be told.
            let _ = answer.send(Err(CallError::Unreachable));
            return;
        }
        self.call_numbers += 1;
        let number = self.call_numbers;
        let until = self.now + CALL_WAIT_MAX;
        self.calls.insert(number, OpenCall { to, until, answer, _seat: seat });
        self.post(to, letters::call(number, bytes));
    }

    /// Tells the protocol of updates that wait, as many as it takes.
    pub(crate) fn send(&mut self) {
        for id in std::mem::take(&mut self.backlog) {
            let stage = self.group.stage();
            let hopeless = matches!(
                stage,
                Stage::Stopped(Stopped::Minority | Stopped::Suspected | Stopped::Departed)
                    | Stage::Gone
            ) || matches!(self.phase, Phase::Resting(_) | Phase::Ended);
            let number = usize::from(id.0);
            let Some(shard) = self.shards.get_mut(number) else { continue };
            if hopeless {
                let ended = matches!(self.phase, Phase::Ended);
                let why = if ended { SendError::Stopped } else { SendError::NoMajority };
                while shard.host.next().is_some() {
                    shard.host.refuse_next(why);
                }
                continue;
            }
            if stage != Stage::Serving {
                if shard.host.next().is_some() {
                    self.backlog.insert(id);
                }
                continue;
            }
            self.send_of(number);
        }
    }

    fn send_of(&mut self, number: usize) {
        let now = self.now;
        loop {
            let Some(shard) = self.shards.get_mut(number) else { return };
            let (mut events, mut bytes) = (Vec::new(), 0);
            let room = shard.room(now);
            while let Some((length, level)) = shard.host.next() {
                if events.len() >= BATCH_MAX || bytes > BATCH_BYTES_MAX {
                    break;
                }
                if room < (bytes + length) as u64 + ROOM_MIN {
                    shard.host.refuse_next(SendError::OutOfSpace);
                    continue;
                }
                self.numbers += 1;
                let request = RequestId(self.numbers);
                self.outgoing.insert(request, shard.host.begin(request));
                self.requests.insert(request, shard.id);
                bytes += length;
                let (shard, length) = (shard.id, length as u32);
                let gather = Gather::None;
                events.push(Event::Send { request, shard, bytes: length, level, gather });
            }
            if events.is_empty() {
                return;
            }
            let id = self.shards.get(number).map(|shard| shard.id);
            self.step_all(events);
            // What found no room waits for some to be made.
            if id.is_some_and(|id| self.backlog.contains(&id)) {
                return;
            }
        }
    }
}
