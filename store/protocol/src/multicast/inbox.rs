//! What came from one sender and is not delivered here yet.

use std::collections::VecDeque;

use crate::limits::{FRAMES_MAX, WINDOW_BYTES_MAX, WINDOW_MESSAGES_MAX};
use crate::row::{Content, Frame};
use crate::time::Hlc;

/// An update as its sender told of it.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(super) struct Update {
    pub(super) index: u64,
    pub(super) offset: u32,
    pub(super) bytes: u32,
    pub(super) time: Hlc,
}

/// The messages of one sender. Only updates are kept; every number between them is a null.
#[derive(Clone, PartialEq, Eq, Hash, Debug, Default)]
pub(super) struct Inbox {
    updates: VecDeque<Update>,
    /// Messages that came without a gap.
    came: u64,
    /// Those of them that count: the sender's row, which is their guard, came after them.
    received: u64,
}

impl Inbox {
    /// Takes frames that follow on what is here. What came before is nothing new; what lies behind
    /// a gap was preceded by a write that a link lost, and will come again after that. A sender has
    /// no more than a window under way beyond the `settled` messages that are delivered here, so
    /// what goes further is no sender's, and what is kept here is bounded.
    pub(super) fn take_in(&mut self, frames: &[Frame], settled: u64, indices: u64) {
        if frames.len() > FRAMES_MAX {
            return;
        }
        let end_max = settled.saturating_add(u64::from(WINDOW_MESSAGES_MAX)).min(indices);
        for frame in frames {
            // Before its end is asked for: the sum must fit.
            if frame.index > self.came || frame.end() > end_max {
                return;
            }
            if frame.end() <= self.came {
                continue;
            }
            if let Content::Update { offset, bytes, time } = frame.content {
                if offset.checked_add(bytes).is_none_or(|end| end > WINDOW_BYTES_MAX) {
                    return;
                }
                self.updates.push_back(Update { index: frame.index, offset, bytes, time });
            }
            self.came = frame.end();
        }
    }

    /// The sender's row says that it sent this many: what came of them counts. Says how many do.
    pub(super) fn receive(&mut self, sent: u64) -> u64 {
        self.received = self.received.max(self.came.min(sent));
        self.received
    }

    /// Nothing more will count.
    pub(super) fn wedge(&mut self) {
        self.came = self.received;
        let count = self.updates.partition_point(|update| update.index < self.received);
        self.updates.truncate(count);
    }

    /// The next update, if it has this number.
    pub(super) fn deliver(&mut self, index: u64) -> Option<Update> {
        self.updates.pop_front_if(|update| update.index == index)
    }

    /// The next update that counts, whatever its number.
    pub(super) fn deliver_next(&mut self) -> Option<Update> {
        let received = self.received;
        self.updates.pop_front_if(|update| update.index < received)
    }

    /// The number of the last update that is here and comes before this number.
    pub(super) fn last_update_before(&self, end: u64) -> Option<u64> {
        let count = self.updates.partition_point(|update| update.index < end);
        self.updates.get(count.checked_sub(1)?).map(|update| update.index)
    }

    /// The number of the last update that is here and counts.
    pub(super) fn last_that_counts(&self) -> Option<u64> {
        self.last_update_before(self.received)
    }

    pub(super) fn check(&self) {
        assert!(self.received <= self.came, "what did not come counts");
    }

    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.updates.len()
    }

    #[cfg(test)]
    pub(super) fn came(&self) -> u64 {
        self.came
    }
}

#[cfg(test)]
mod an_inbox {
    use super::*;

    const ALL: u64 = 1 << 40;

    fn update(index: u64) -> Frame {
        let content = Content::Update { offset: 0, bytes: 8, time: Hlc::ZERO };
        Frame { index, content }
    }

    fn nulls(index: u64, count: u32) -> Frame {
        Frame { index, content: Content::Nulls { count } }
    }

    #[test]
    fn counts_nothing_before_its_guard() {
        let mut inbox = Inbox::default();
        inbox.take_in(&[update(0), nulls(1, 3), update(4)], 0, ALL);
        assert_eq!(inbox.receive(0), 0);
        assert_eq!(inbox.receive(2), 2);
        assert_eq!(inbox.receive(1), 2);
        assert_eq!(inbox.receive(9), 5);
    }

    #[test]
    fn does_not_count_what_came_after_the_guard_that_covers_it() {
        let mut inbox = Inbox::default();
        assert_eq!(inbox.receive(2), 0);
        inbox.take_in(&[update(0), update(1)], 0, ALL);
        assert_eq!(inbox.deliver_next(), None);
        assert_eq!(inbox.receive(2), 2);
    }

    #[test]
    fn stops_at_a_gap_until_it_is_filled() {
        let mut inbox = Inbox::default();
        inbox.take_in(&[update(0)], 0, ALL);
        inbox.take_in(&[update(2), update(3)], 0, ALL);
        assert_eq!(inbox.receive(4), 1);
        inbox.take_in(&[update(0), update(1), update(2)], 0, ALL);
        inbox.take_in(&[update(3)], 0, ALL);
        assert_eq!(inbox.receive(4), 4);
        for index in 0..4 {
            assert_eq!(inbox.deliver(index).unwrap().index, index, "once each");
        }
        assert_eq!(inbox.len(), 0);
    }

    #[test]
    fn takes_the_rest_of_a_run_that_has_grown() {
        let mut inbox = Inbox::default();
        inbox.take_in(&[nulls(0, 2)], 0, ALL);
        inbox.take_in(&[nulls(0, 5), update(5)], 0, ALL);
        assert_eq!(inbox.receive(6), 6);
        assert_eq!(inbox.deliver(4), None);
        assert!(inbox.deliver(5).is_some());
    }

    #[test]
    fn forgets_at_the_wedge_what_does_not_count() {
        let mut inbox = Inbox::default();
        inbox.take_in(&[update(0), update(1)], 0, ALL);
        inbox.receive(1);
        inbox.wedge();
        assert_eq!(inbox.receive(2), 1);
        assert_eq!(inbox.last_update_before(9), Some(0));
        assert_eq!(inbox.last_update_before(0), None);
    }

    #[test]
    fn takes_as_much_as_a_sender_can_have_sent_at_once() {
        let mut inbox = Inbox::default();
        let frames: Vec<Frame> = (0..FRAMES_MAX as u64).map(update).collect();
        inbox.take_in(&frames, 0, ALL);
        let last = Content::Update { offset: WINDOW_BYTES_MAX - 1, bytes: 1, time: Hlc::ZERO };
        let last = Frame { index: FRAMES_MAX as u64, content: last };
        inbox.take_in(&[last], 1, last.end());
        assert_eq!(inbox.receive(last.end()), last.end());
        inbox.check();
    }

    #[test]
    fn ignores_what_no_sender_can_have_sent() {
        let mut inbox = Inbox::default();
        let far = u64::from(WINDOW_MESSAGES_MAX);
        let long = Content::Update { offset: u32::MAX, bytes: 2, time: Hlc::ZERO };
        for frame in [
            update(u64::MAX),
            nulls(0, u32::MAX),
            nulls(u64::MAX, u32::MAX),
            nulls(0, WINDOW_MESSAGES_MAX + 1),
            Frame { index: 0, content: long },
        ] {
            inbox.take_in(&[frame], 0, ALL);
        }
        inbox.take_in(&vec![update(0); FRAMES_MAX + 1], 0, ALL);
        inbox.take_in(&[nulls(0, 3)], 0, 2);
        assert_eq!(inbox.receive(u64::MAX), 0);
        inbox.take_in(&[nulls(0, WINDOW_MESSAGES_MAX)], 0, ALL);
        inbox.take_in(&[update(far)], 0, ALL);
        assert_eq!(inbox.receive(u64::MAX), far);
        inbox.take_in(&[update(far)], 1, ALL);
        assert_eq!(inbox.receive(u64::MAX), far + 1);
    }
}
