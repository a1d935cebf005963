//! What a member has sent itself, until every member has delivered it.
//!
//! An update lies in the ring in one piece. Where the rest of the ring is too short for it, the
//! rest is left out, and counts as the update's own until that is delivered. Nulls take no room:
//! they are the numbers between two updates, so a run of them is one frame however it came about.

use std::collections::VecDeque;

use crate::limits::{Limits, WINDOW_BYTES_MAX, WINDOW_MESSAGES_MAX};
use crate::row::{Content, Frame};
use crate::rpc::RequestId;
use crate::time::Hlc;

/// An own update that is under way.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(super) struct Own {
    pub(super) index: u64,
    pub(super) request: RequestId,
    pub(super) offset: u32,
    pub(super) bytes: u32,
    pub(super) time: Hlc,
    /// What it takes of the ring, with what was left out before it.
    taken: u32,
}

impl Own {
    /// Whether the rest of the ring was too short for it.
    pub(super) fn passed_the_end(&self) -> bool {
        self.taken > self.bytes
    }
}

/// The ring and what is in it.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub(super) struct Window {
    bytes_max: u32,
    messages_max: u64,
    /// Where the next update begins, if it fits there.
    head: u32,
    used: u32,
    updates: VecDeque<Own>,
    /// How many of `updates` were delivered here.
    delivered: usize,
    /// Messages sent, nulls included.
    sent: u64,
    /// Those of them that were written to the others.
    told: u64,
    /// Those of them that every member is known to have delivered.
    freed: u64,
}

/// There is no room.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Full;

impl Window {
    pub(super) fn new(limits: &Limits) -> Self {
        Self {
            bytes_max: limits.window_bytes.min(WINDOW_BYTES_MAX),
            messages_max: u64::from(limits.window_messages.clamp(1, WINDOW_MESSAGES_MAX)),
            head: 0,
            used: 0,
            updates: VecDeque::new(),
            delivered: 0,
            sent: 0,
            told: 0,
            freed: 0,
        }
    }

    pub(super) fn bytes_max(&self) -> u32 {
        self.bytes_max
    }

    /// Whether so much is a good part of what anybody may have under way.
    pub(super) fn is_much(&self, messages: u64, bytes: u64) -> bool {
        4 * messages >= self.messages_max || 4 * bytes >= u64::from(self.bytes_max)
    }

    /// How many messages a window surely has room for, whoever is asked, after those that every
    /// member is known to have delivered.
    pub(super) fn end(&self) -> u64 {
        // Of a sender further behind in the order one less may be delivered.
        self.freed + self.messages_max - 1
    }

    pub(super) fn sent(&self) -> u64 {
        self.sent
    }

    pub(super) fn freed(&self) -> u64 {
        self.freed
    }

    pub(super) fn told(&self) -> u64 {
        self.told
    }

    /// Everything that was sent is written to the others now.
    pub(super) fn tell(&mut self) {
        self.told = self.sent;
    }

    /// Takes an update in; `bytes` are at most [`Window::bytes_max`]. A number counts as under way
    /// until every member has delivered it, null or not: so nobody has to keep more than
    /// `messages_max` numbers of a sender.
    pub(super) fn reserve(
        &mut self,
        request: RequestId,
        bytes: u32,
        time: Hlc,
    ) -> Result<Own, Full> {
        if self.sent - self.freed >= self.messages_max {
            return Err(Full);
        }
        // An empty ring begins at its beginning, so that the longest update fits it.
        let head = if self.used == 0 { 0 } else { self.head };
        let rest = self.bytes_max - head;
        let (offset, left_out) = if bytes <= rest { (head, 0) } else { (0, rest) };
        let taken = left_out.saturating_add(bytes);
        if taken > self.bytes_max - self.used {
            return Err(Full);
        }
        let own = Own { index: self.sent, request, offset, bytes, time, taken };
        self.head = offset + bytes;
        self.used += taken;
        self.updates.push_back(own);
        self.sent += 1;
        Ok(own)
    }

    /// Sends nulls until this many messages were sent, and says whether any were lacking. They need
    /// no room, and must not: others may wait for them before they free any.
    pub(super) fn fill(&mut self, to: u64) -> bool {
        let lacking = to > self.sent;
        self.sent = self.sent.max(to);
        lacking
    }

    /// The next own update, if it has this number, is delivered here; it stays in the ring.
    pub(super) fn deliver(&mut self, index: u64) -> Option<Own> {
        let next = self.updates.get(self.delivered).filter(|own| own.index == index).copied();
        self.delivered += usize::from(next.is_some());
        next
    }

    /// The next own update is delivered here, whatever its number.
    pub(super) fn deliver_next(&mut self) -> Option<Own> {
        let next = self.updates.get(self.delivered).copied();
        self.delivered += usize::from(next.is_some());
        next
    }

    /// Those that were not delivered here, in order.
    pub(super) fn undelivered(&self) -> impl Iterator<Item = &Own> {
        self.updates.iter().skip(self.delivered)
    }

    /// The number of the last update under way before this number.
    pub(super) fn last_update_before(&self, end: u64) -> Option<u64> {
        let count = self.updates.partition_point(|own| own.index < end);
        self.updates.get(count.checked_sub(1)?).map(|own| own.index)
    }

    /// What is under way from this number on, as far as it was written to the others before.
    pub(super) fn told_from(&self, begin: u64) -> Vec<Frame> {
        self.frames(begin.max(self.freed), self.told)
    }

    /// What was not written to the others yet.
    pub(super) fn untold(&self) -> Vec<Frame> {
        self.frames(self.told, self.sent)
    }

    fn frames(&self, begin: u64, end: u64) -> Vec<Frame> {
        let first = self.updates.partition_point(|own| own.index < begin);
        let mut next = begin;
        let mut frames = Vec::new();
        for own in self.updates.iter().skip(first).take_while(|own| own.index < end) {
            push_nulls(next, own.index, &mut frames);
            let content = Content::Update { offset: own.offset, bytes: own.bytes, time: own.time };
            frames.push(Frame { index: own.index, content });
            next = own.index + 1;
        }
        push_nulls(next, end, &mut frames);
        frames
    }

    /// Every member has delivered what is below this number: its room is free again.
    pub(super) fn free(&mut self, below: u64) {
        while let Some(own) = self.updates.front().filter(|own| own.index < below) {
            assert!(self.delivered > 0, "freed before it was delivered here");
            self.used -= own.taken;
            self.delivered -= 1;
            self.updates.pop_front();
        }
        self.freed = self.freed.max(below);
    }

    pub(super) fn check(&self) {
        assert!(self.used <= self.bytes_max, "more in the ring than it holds");
        assert!(self.updates.len() as u64 <= self.messages_max, "more under way than allowed");
        assert!(self.delivered <= self.updates.len(), "delivered what was not sent");
        assert!(self.freed <= self.sent && self.told <= self.sent, "told what was not sent");
    }
}

/// A run of nulls; more than one frame only where its length does not fit one.
fn push_nulls(mut begin: u64, end: u64, frames: &mut Vec<Frame>) {
    while begin < end {
        let count = u32::try_from(end - begin).unwrap_or(u32::MAX);
        frames.push(Frame { index: begin, content: Content::Nulls { count } });
        begin += u64::from(count);
    }
}

#[cfg(test)]
mod a_window {
    use super::*;

    fn of(bytes: u32, messages: u32) -> Window {
        let limits = Limits { window_bytes: bytes, window_messages: messages, ..Limits::USUAL };
        Window::new(&limits)
    }

    fn put(window: &mut Window, bytes: u32) -> Result<u32, Full> {
        let (head, rest) = (window.head, window.bytes_max - window.head);
        let own = window.reserve(RequestId(0), bytes, Hlc::ZERO);
        window.check();
        if let Ok(own) = own {
            let passed = own.offset < head && rest > 0 && window.used > bytes;
            assert_eq!(own.passed_the_end(), passed);
        }
        own.map(|own| own.offset)
    }

    fn pass(window: &mut Window, below: u64) {
        while window.updates.get(window.delivered).is_some_and(|own| own.index < below) {
            window.deliver_next();
        }
        window.free(below);
        window.check();
    }

    #[test]
    fn keeps_each_update_in_one_piece() {
        let mut window = of(10, 9);
        assert_eq!(put(&mut window, 6), Ok(0));
        assert_eq!(put(&mut window, 3), Ok(6));
        assert_eq!(put(&mut window, 2), Err(Full), "one byte at the end, none at the beginning");
        pass(&mut window, 1);
        assert_eq!(put(&mut window, 2), Ok(0), "the last byte is left out");
        assert_eq!(put(&mut window, 4), Ok(2));
        assert_eq!(put(&mut window, 1), Err(Full), "what was left out is taken");
        pass(&mut window, 2);
        assert_eq!(put(&mut window, 4), Err(Full), "what was left out lies before the third");
        assert_eq!(put(&mut window, 3), Ok(6));
        pass(&mut window, 3);
        assert_eq!(put(&mut window, 2), Ok(0), "and is free with it");
    }

    #[test]
    fn takes_the_longest_update_whenever_it_is_empty() {
        let mut window = of(10, 9);
        for round in 0..5 {
            assert_eq!(put(&mut window, 3), Ok(0));
            pass(&mut window, 2 * round + 1);
            assert_eq!(put(&mut window, 10), Ok(0));
            assert_eq!(put(&mut window, 1), Err(Full));
            assert_eq!(put(&mut window, 0), Ok(10), "nothing at all needs no room");
            pass(&mut window, 2 * round + 3);
            window.sent = 2 * round + 2;
            window.freed = window.sent;
        }
    }

    #[test]
    fn counts_nulls_but_is_never_too_full_for_them() {
        let mut window = of(10, 2);
        assert!(window.fill(1));
        assert_eq!(put(&mut window, 1), Ok(0));
        assert_eq!(put(&mut window, 1), Err(Full));
        assert!(window.fill(3) && !window.fill(2));
        pass(&mut window, 2);
        assert_eq!(put(&mut window, 1), Ok(0));
    }

    #[test]
    fn shows_a_run_of_nulls_as_one_frame() {
        let mut window = of(10, 9);
        window.fill(2);
        window.tell();
        window.fill(3);
        let nulls = |index, count| Frame { index, content: Content::Nulls { count } };
        assert_eq!(window.untold(), [nulls(2, 1)]);
        assert_eq!(put(&mut window, 1), Ok(0));
        window.fill(6);
        window.tell();
        let content = Content::Update { offset: 0, bytes: 1, time: Hlc::ZERO };
        let update = Frame { index: 3, content };
        assert_eq!(window.told_from(0), [nulls(0, 3), update, nulls(4, 2)]);
        assert_eq!(window.told_from(4), [nulls(4, 2)]);
        pass(&mut window, 3);
        assert_eq!(window.told_from(0), [update, nulls(4, 2)]);
        assert_eq!(window.untold(), []);
        put(&mut window, 1).unwrap();
        assert_eq!(window.told_from(0), [update, nulls(4, 2)], "the next one was not told yet");
    }

    #[test]
    fn splits_a_run_that_no_frame_can_count() {
        let mut window = of(10, 9);
        let long = u64::from(u32::MAX) + 7;
        window.fill(long);
        assert_eq!(window.untold().len(), 2);
        assert_eq!(window.untold()[1].end(), long);
    }
}
