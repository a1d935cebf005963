//! What came from one sender and is not delivered yet.

use std::collections::VecDeque;

use crate::row::{Content, Frame};

/// The messages of one sender, contiguous from the next one to deliver.
#[derive(Clone, PartialEq, Eq, Hash, Debug, Default)]
pub(super) struct Inbox {
    /// Received: the sender's row covers them. The first may be nulls of which some are taken.
    held: VecDeque<Frame>,
    /// Came, but the guard has not.
    staged: VecDeque<Frame>,
    /// The sender's number after the last frame received.
    received: u64,
    /// The sender's number after the last frame that came.
    came: u64,
}

impl Inbox {
    /// Takes a frame that follows on what is here; one that came before is nothing new. `bound` is
    /// how many a sender may have under way, with room for the nulls between them.
    pub(super) fn stage(&mut self, frame: Frame, bound: usize) {
        let end = frame.end();
        let fits = self.held.len() + self.staged.len() < bound;
        if frame.index > self.came || end <= self.came || !fits {
            return;
        }
        let rest = match frame.content {
            Content::Update { .. } => frame.content,
            Content::Nulls { .. } => Content::Nulls { count: (end - self.came) as u32 },
        };
        self.staged.push_back(Frame { index: self.came, content: rest });
        self.came = end;
    }

    /// The sender's row covers everything below `sent`; how many messages are received now.
    pub(super) fn receive(&mut self, sent: u64) -> u64 {
        while let Some(frame) = self.staged.front().filter(|frame| frame.end() <= sent) {
            self.received = frame.end();
            match (self.held.back_mut().map(|last| &mut last.content), frame.content) {
                (Some(Content::Nulls { count }), Content::Nulls { count: more })
                    if *count < u32::MAX / 2 && more < u32::MAX / 2 =>
                {
                    *count += more;
                }
                _ => self.held.push_back(*frame),
            }
            self.staged.pop_front();
        }
        self.received
    }

    /// Nothing more will be received.
    pub(super) fn wedge(&mut self) {
        self.staged.clear();
    }

    /// Takes the message of this number, which is the next one.
    pub(super) fn take(&mut self, index: u64) -> Option<Content> {
        let front = self.held.front_mut().filter(|frame| frame.index == index)?;
        match &mut front.content {
            Content::Nulls { count } if *count > 1 => {
                *count -= 1;
                front.index += 1;
                Some(Content::Nulls { count: 1 })
            }
            _ => self.held.pop_front().map(|frame| frame.content),
        }
    }

    /// Takes whatever is next.
    pub(super) fn next(&mut self) -> Option<Frame> {
        self.held.pop_front()
    }

    /// The number of the last update received and not delivered that lies before some point.
    pub(super) fn last_update_before(&self, before: impl Fn(u64) -> bool) -> Option<u64> {
        let updates = self.held.iter().rev();
        let mut updates = updates.filter(|frame| matches!(frame.content, Content::Update { .. }));
        updates.find(|frame| before(frame.index)).map(|frame| frame.index)
    }
}
