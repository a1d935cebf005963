//! A sender's ring: bytes and messages that are under way, until every member has delivered them.

use std::collections::VecDeque;

use crate::limits::Limits;
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
    /// What it takes of the ring, with what was left free before it at the ring's end.
    taken: u32,
}

/// The ring and what is in it.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub(super) struct Window {
    bytes_max: u32,
    messages_max: u32,
    /// Where the next update begins.
    head: u32,
    used: u32,
    updates: VecDeque<Own>,
    /// Everything that is under way, nulls included.
    frames: VecDeque<Frame>,
    sent: u64,
    /// What was written to the others.
    told: u64,
}

/// There is no room.
pub(super) struct Full;

impl Window {
    pub(super) fn new(limits: &Limits) -> Self {
        Self {
            bytes_max: limits.window_bytes,
            messages_max: limits.window_messages,
            head: 0,
            used: 0,
            updates: VecDeque::new(),
            frames: VecDeque::new(),
            sent: 0,
            told: 0,
        }
    }

    /// Frames that a sender may have under way: each update may have nulls before it, and after the
    /// last; twice that, because a run that grows is told again.
    pub(super) fn bound(&self) -> usize {
        4 * self.messages_max as usize + 2
    }

    pub(super) fn bytes_max(&self) -> u32 {
        self.bytes_max
    }

    pub(super) fn sent(&self) -> u64 {
        self.sent
    }

    pub(super) fn updates(&self) -> impl Iterator<Item = &Own> {
        self.updates.iter()
    }

    /// The call that an own update under way belongs to.
    pub(super) fn request(&self, index: u64) -> Option<RequestId> {
        let at = self.updates.binary_search_by_key(&index, |own| own.index).ok()?;
        self.updates.get(at).map(|own| own.request)
    }

    /// Makes room for an update; it lies in one piece. Says where, and whether the ring was passed.
    pub(super) fn reserve(
        &mut self,
        request: RequestId,
        bytes: u32,
        time: Hlc,
    ) -> Result<(Own, bool), Full> {
        if self.updates.len() >= self.messages_max as usize {
            return Err(Full);
        }
        if self.used == 0 {
            self.head = 0;
        }
        let rest = self.bytes_max - self.head;
        let (offset, skipped) = if bytes <= rest { (self.head, 0) } else { (0, rest) };
        let taken = skipped.saturating_add(bytes);
        if taken > self.bytes_max - self.used {
            return Err(Full);
        }
        let own = Own { index: self.sent, request, offset, bytes, time, taken };
        self.head = offset + bytes;
        self.used += taken;
        self.updates.push_back(own);
        let content = Content::Update { offset, bytes, time };
        self.frames.push_back(Frame { index: self.sent, content });
        self.sent += 1;
        Ok((own, skipped > 0))
    }

    /// Sends nulls up to this number.
    pub(super) fn fill(&mut self, to: u64) -> bool {
        let missing = to.saturating_sub(self.sent).min(u64::from(u32::MAX / 2)) as u32;
        if missing == 0 {
            return false;
        }
        match self.frames.back_mut() {
            // A run grows even where its beginning was told: who has that takes the rest.
            Some(Frame { content: Content::Nulls { count }, .. }) if *count < u32::MAX / 2 => {
                *count = count.saturating_add(missing);
            }
            _ => {
                let content = Content::Nulls { count: missing };
                self.frames.push_back(Frame { index: self.sent, content });
            }
        }
        self.sent += u64::from(missing);
        true
    }

    /// What was not written to the others yet; from now on it was.
    pub(super) fn tell(&mut self) -> Vec<Frame> {
        let news = self.frames_from(self.told);
        self.told = self.sent;
        news
    }

    /// What is under way from this number on.
    pub(super) fn frames_from(&self, index: u64) -> Vec<Frame> {
        let behind = self.frames.iter().rev().take_while(|frame| frame.end() > index);
        let mut frames: Vec<Frame> = behind.copied().collect();
        frames.reverse();
        frames
    }

    pub(super) fn told(&self) -> u64 {
        self.told
    }

    pub(super) fn has_untold(&self) -> bool {
        self.sent > self.told
    }

    /// Every member has taken what is below this number: its room is free again.
    pub(super) fn free(&mut self, below: u64) {
        while self.frames.front().is_some_and(|frame| frame.end() <= below) {
            self.frames.pop_front();
        }
        while let Some(own) = self.updates.front().filter(|own| own.index < below) {
            self.used -= own.taken;
            self.updates.pop_front();
        }
    }

    pub(super) fn check(&self) {
        assert!(self.used <= self.bytes_max, "more in the ring than it holds");
        assert!(self.updates.len() <= self.messages_max as usize, "more under way than allowed");
        assert!(self.told <= self.sent, "told what was not sent");
    }
}
