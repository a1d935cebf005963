//! Links: connecting, writing, landing, breaking.

use std::sync::Arc;

use notrace_store_protocol::effect::Slot;
use notrace_store_protocol::event::Event;
use notrace_store_protocol::ids::Life;
use notrace_store_protocol::message::{Peer, Write};
use notrace_store_protocol::row::{Content, Frames};

use super::World;
use super::links::{Load, Parcel};
use super::node::{Status, node_id};
use super::queue::Happening;
use crate::checks::{Verdict, Violation, violated};
use crate::plan::Micros;

impl World {
    /// Puts something on its way to a peer.
    pub(super) fn post(&mut self, from: usize, to: usize, parcel: Parcel) {
        if from == to || to >= self.nodes.len() {
            return;
        }
        if self.links.send(from, to, self.now, parcel) {
            self.arm(from, to);
        } else {
            self.break_link(from, to, true);
        }
    }

    /// Sees to it that the first thing under way lands.
    pub(super) fn arm(&mut self, from: usize, to: usize) {
        if !self.links.end(to, from).up {
            return;
        }
        let now = self.now;
        let end = self.links.end_mut(from, to);
        if end.armed || end.blocked {
            return;
        }
        if let Some((at, _)) = end.under_way.front() {
            let (at, link) = ((*at).max(now), end.link);
            end.armed = true;
            self.queue.push(at, Happening::Land { from, to, link });
        }
    }

    pub(super) fn land(&mut self, from: usize, to: usize, link: u32) -> Verdict {
        if self.links.end(from, to).link != link {
            return Ok(());
        }
        if self.is_missed(to, Happening::Land { from, to, link }) {
            return Ok(());
        }
        let end = self.links.end_mut(from, to);
        end.armed = false;
        if end.blocked {
            return Ok(());
        }
        let life = end.my_life;
        let Some((_, parcel)) = end.under_way.pop_front() else { return Ok(()) };
        self.arm(from, to);
        match parcel {
            Parcel::Write(write, load) => self.arrive(from, life, to, write, load),
            Parcel::Reply(request) => {
                self.step(to, Event::Replied { request, from: node_id(from) })
            }
        }
    }

    fn arrive(&mut self, from: usize, life: Life, to: usize, write: Write, load: Load) -> Verdict {
        if let (Write::Frames(frames), Load::Payloads(payloads)) = (&write, &load) {
            self.fill_ring(from, to, frames, payloads);
        }
        self.load = load;
        let from = Peer { node: node_id(from), life };
        self.step(to, Event::Arrived { from, write })
    }

    /// The bytes of updates land in the receiver's memory.
    fn fill_ring(&mut self, from: usize, to: usize, frames: &Frames, payloads: &[u32]) {
        let node = &mut self.nodes[to];
        let epoch = node.group.as_ref().and_then(|group| group.epoch(frames.shard));
        let counts = epoch.is_some_and(|it| it.start().since == frames.since && !it.is_wedged());
        let updates = frames.frames.iter().filter_map(|frame| match frame.content {
            Content::Update { offset, bytes, .. } => Some((frame.index, offset, bytes)),
            Content::Nulls { .. } => None,
        });
        for ((index, offset, bytes), payload) in updates.zip(payloads) {
            let slot = Slot { shard: frames.shard, since: frames.since, index, offset, bytes };
            node.rings.put(&slot, from, *payload);
            if counts {
                let key = (frames.shard, frames.since.number(), index);
                self.checks.holds(key, from, to);
            }
        }
    }

    /// What the updates among a sender's own frames are.
    pub(super) fn read_ring(&self, at: usize, frames: &Frames) -> Result<Arc<[u32]>, Violation> {
        let mut payloads = Vec::with_capacity(frames.frames.len());
        for frame in &frames.frames {
            let Content::Update { offset, bytes, .. } = frame.content else { continue };
            let (shard, since, index) = (frames.shard, frames.since, frame.index);
            let slot = Slot { shard, since, index, offset, bytes };
            match self.nodes[at].rings.get(&slot, at) {
                Some(payload) => payloads.push(payload),
                None => violated("stability", format!("sends bytes it has not: {slot:?}"))?,
            }
        }
        Ok(payloads.into())
    }

    /// Two nodes try to connect, until they are or one of them is down.
    pub(super) fn connect(&mut self, one: usize, other: usize) -> Verdict {
        if self.nodes[one].status != Status::Up || self.nodes[other].status != Status::Up {
            return Ok(());
        }
        let running = self.nodes[one].is_running() && self.nodes[other].is_running();
        let passes = !self.links.end(one, other).blocked && !self.links.end(other, one).blocked;
        if !self.links.end(one, other).cut {
            return Ok(());
        }
        if running && passes {
            // Who hears from a peer anew learns that the old link is gone.
            for (node, to) in [(one, other), (other, one)] {
                let link = self.links.end(node, to).link;
                self.link_down(node, to, link)?;
            }
            if self.nodes[one].is_running() && self.nodes[other].is_running() {
                let lives = [one, other].map(|at| (at, self.nodes[at].life));
                let link = self.links.connect(lives[0], lives[1]);
                for (node, to) in [(one, other), (other, one)] {
                    let at = self.now + self.links.delay(node, to);
                    self.queue.push(at, Happening::LinkUp { node, to, link });
                }
            }
            return Ok(());
        }
        let at = self.now + self.links.draw(one, other, 3_000, 12_000);
        self.queue.push(at, Happening::Connect { one, other });
        Ok(())
    }

    pub(super) fn link_up(&mut self, node: usize, to: usize, link: u32) -> Verdict {
        let end = self.links.end(node, to);
        if end.link != link || end.cut || end.my_life != self.nodes[node].life {
            return Ok(());
        }
        if self.is_missed(node, Happening::LinkUp { node, to, link }) {
            return Ok(());
        }
        let end = self.links.end_mut(node, to);
        end.up = true;
        let peer = Peer { node: node_id(to), life: end.peer_life };
        self.arm(to, node);
        self.step(node, Event::LinkUp { peer })
    }

    pub(super) fn link_down(&mut self, node: usize, to: usize, link: u32) -> Verdict {
        let end = self.links.end(node, to);
        if end.link != link || !end.cut {
            return Ok(());
        }
        if self.is_missed(node, Happening::LinkDown { node, to, link }) {
            return Ok(());
        }
        let end = self.links.end_mut(node, to);
        let known = std::mem::replace(&mut end.up, false);
        let peer = Peer { node: node_id(to), life: end.peer_life };
        let same = end.my_life == self.nodes[node].life;
        self.links.end_mut(to, node).under_way.clear();
        if known && same {
            self.step(node, Event::LinkDown { peer })?;
        }
        Ok(())
    }

    /// Breaks a link; both ends see that in their time, and connect anew. Silently, it takes long.
    pub(super) fn break_link(&mut self, one: usize, other: usize, loud: bool) {
        let Some(link) = self.links.cut(one, other) else { return };
        let most: Micros = if loud { 2_000 } else { 400_000 };
        for (node, to) in [(one, other), (other, one)] {
            let least = most / 20;
            let at = self.now + self.links.draw(node, to, least, most);
            self.queue.push(at, Happening::LinkDown { node, to, link });
        }
        let again = self.now + self.links.draw(one, other, 1_000, 30_000);
        self.queue.push(again, Happening::Connect { one, other });
    }

    /// Nothing passes from one node to another, or all does.
    pub(super) fn set_blocked(&mut self, from: usize, to: usize, blocked: bool) {
        if from == to {
            return;
        }
        self.links.end_mut(from, to).blocked = blocked;
        if !blocked {
            self.arm(from, to);
        }
    }
}
