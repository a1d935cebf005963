//! What this node does while its view works: time, links, calls, and what others ask of it.

use super::*;
use crate::effect::Refused;
use crate::ids::ViewId;
use crate::machine::Durability;
use crate::message::Fetch;
use crate::multicast::SendRefused;
use crate::rpc::{Gather, RequestId};
use crate::transfer;
use crate::view::Fate;

/// An update that somebody here wants to send.
pub(super) struct Wish {
    pub(super) request: RequestId,
    pub(super) shard: ShardId,
    pub(super) bytes: u32,
    pub(super) level: Durability,
    pub(super) gather: Gather,
}

impl Group {
    pub(super) fn tick(&mut self, now: Now, out: &mut Effects) {
        match &mut self.state {
            State::Gone => {}
            State::Departing(departing) => {
                let since = *departing.since.get_or_insert(now.micros);
                if now.micros.saturating_sub(since) > self.limits.ready_after {
                    self.go(out);
                }
            }
            State::Joining(joining) => {
                let due = |asked: u64| now.micros.saturating_sub(asked) >= self.limits.ask_again;
                if joining.noted && joining.asked.is_none_or(due) {
                    joining.asked = Some(now.micros);
                    for node in &joining.contacts {
                        let join = Message::Join { duty: self.duty };
                        out.push(Effect::Write { to: *node, write: Write::Message(join) });
                    }
                }
            }
            State::Member(membership) => {
                membership.tick(now, &self.limits, out);
                for share in &mut self.shares {
                    for node in share.too_slow(now, &self.limits) {
                        membership.suspect_node(node);
                    }
                    let rest = share.epoch.as_mut().is_some_and(Epoch::tell_rest);
                    if rest && !self.touched.contains(&share.shard) {
                        self.touched.push(share.shard);
                    }
                }
                self.dirty = true;
            }
        }
    }

    /// A link came up: whatever its other end may have missed is written again.
    pub(super) fn linked(&mut self, peer: Peer, now: Now, out: &mut Effects) {
        self.calls.link_lost(peer.node);
        match &mut self.state {
            State::Gone => {}
            State::Joining(joining) => joining.asked = None,
            State::Departing(departing) => {
                let decided = Write::Message(Message::Decided(departing.view.clone()));
                out.push(Effect::Write { to: peer.node, write: decided });
            }
            State::Member(membership) => {
                membership.linked(peer, now);
                self.dirty = true;
                membership.tell_decided(peer.node, out);
                membership.repeat_to(peer.node, out);
                for share in &mut self.shares {
                    let Some(epoch) = share.epoch.as_mut() else { continue };
                    if epoch.members().contains(&peer.node) {
                        epoch.repeat_to(peer.node, out);
                    }
                }
            }
        }
    }

    /// The epoch that a write of a peer is for, if the peer is a member of it in this life.
    pub(super) fn epoch_for(
        &mut self,
        from: Peer,
        shard: ShardId,
        since: ViewId,
    ) -> Option<&mut Epoch> {
        let State::Member(membership) = &self.state else { return None };
        membership.view().member_in(from.node, from.life)?;
        let epoch = self.share_mut(shard)?.epoch.as_mut()?;
        (epoch.start().since == since).then_some(epoch)
    }

    pub(super) fn donate(&mut self, from: Peer, fetch: &Fetch, out: &mut Effects) {
        let Some(share) = self.shares.get(usize::from(fetch.shard.0)) else { return };
        let Some(epoch) = share.epoch.as_ref().filter(|epoch| epoch.is_ready()) else { return };
        let delivered = epoch.last().version;
        let marks = transfer::answer(from.node, fetch, &share.journal, delivered, out);
        self.marks.join(marks);
    }

    pub(super) fn advance_shards(&mut self, out: &mut Effects) {
        while let Some(shard) = self.touched.pop() {
            let begin = out.len();
            let Some(share) = self.shares.get_mut(usize::from(shard.0)) else { continue };
            share.advance(out);
            self.note_calls(shard, begin, out);
        }
    }

    /// Our own updates among what was just delivered, and how safe the others have become.
    pub(super) fn note_calls(&mut self, shard: ShardId, begin: usize, out: &Effects) {
        for effect in out.get(begin..).unwrap_or_default() {
            if let Effect::Deliver { request: Some(request), place, .. } = effect {
                self.calls.delivered(*request, *place);
            }
        }
        let share = self.shares.get(usize::from(shard.0));
        if let Some(epoch) = share.and_then(|share| share.epoch.as_ref()) {
            self.calls.durable(shard, epoch.majority_frontier(), epoch.all_frontier());
        }
    }

    pub(super) fn resolve(&mut self, out: &mut Effects) {
        let mut resolved = Vec::new();
        self.calls.resolve(&mut resolved);
        out.extend(resolved.into_iter().map(Effect::Resolve));
    }

    pub(super) fn send(&mut self, now: Now, wish: &Wish, out: &mut Effects) {
        if let Err(why) = self.try_send(now, wish, out) {
            if why == Refused::Busy {
                self.marks.set(Mark::WindowFull);
            }
            out.push(Effect::Refuse { request: wish.request, why });
        }
    }

    fn try_send(&mut self, now: Now, wish: &Wish, out: &mut Effects) -> Result<(), Refused> {
        let Wish { request, shard, bytes, level, gather } = *wish;
        let State::Member(membership) = &self.state else { return Err(Refused::Stopped) };
        if !membership.is_serving() {
            return Err(Refused::Stopped);
        }
        let now_held = membership.view().shard(shard).ok_or(Refused::NotHeld)?;
        if now_held.fate == Fate::Lost {
            return Err(Refused::Lost);
        }
        let share = self.shares.get_mut(usize::from(shard.0)).ok_or(Refused::NotHeld)?;
        let (adequate, answered) = (share.is_adequate(), share.is_ordered());
        let epoch = share.epoch.as_mut().ok_or(Refused::NotHeld)?;
        if !adequate {
            return Err(Refused::Inadequate);
        }
        if self.calls.is_full() {
            return Err(Refused::Busy);
        }
        epoch.send(request, bytes, now.wall, out).map_err(|refused| match refused {
            SendRefused::Wedged => Refused::Wedged,
            SendRefused::Busy => Refused::Busy,
            SendRefused::TooLarge => Refused::TooLarge,
            SendRefused::NotSender => Refused::NotSender,
        })?;
        if answered {
            let members = epoch.members();
            let opened = self.calls.open_ordered(request, shard, level, gather, members);
            assert!(opened.is_ok(), "a call found no room that was there");
        }
        self.touch(shard);
        Ok(())
    }

    /// A direct call: only who is asked and whether they are still there is known here.
    pub(super) fn call(&mut self, request: RequestId, to: NodeId, out: &mut Effects) {
        let State::Member(membership) = &self.state else {
            return out.push(Effect::Refuse { request, why: Refused::Stopped });
        };
        let known = membership.view().rank_of(to).is_some();
        if !known || self.calls.open_p2p(request, to).is_err() {
            let why = if known { Refused::Busy } else { Refused::NotHeld };
            out.push(Effect::Refuse { request, why });
        }
    }
}
