//! What will happen, in order of time; at the same time, in the order in which it was foreseen.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use notrace_store_protocol::ids::Life;

use crate::plan::{Loss, Micros};

/// Something that will happen.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(crate) enum Happening {
    /// The heartbeat of a node.
    Tick(usize, Life),
    /// The next write on its way from one node to another lands.
    Land { from: usize, to: usize, link: u32 },
    /// A node sees that its link to another is up.
    LinkUp { node: usize, to: usize, link: u32 },
    /// A node sees that it is broken.
    LinkDown { node: usize, to: usize, link: u32 },
    /// Two nodes try to connect.
    Connect { one: usize, other: usize },
    /// A lane of a node's disk is done with a job.
    Disk { node: usize, lane: usize, life: Life },
    /// A node's own reply to a request.
    Replied { node: usize, life: Life, request: u64 },
    /// A node starts.
    Start(usize),
    /// A client goes on.
    Client(usize),
    /// The next fault of the plan.
    Fault(usize),
    /// An ambush is sprung.
    Spring { node: usize, life: Life, loss: Loss },
}

/// The future.
#[derive(Default)]
pub(crate) struct Queue {
    heap: BinaryHeap<Reverse<(Micros, u64, Happening)>>,
    foreseen: u64,
}

impl Queue {
    pub(crate) fn push(&mut self, at: Micros, what: Happening) {
        self.foreseen += 1;
        self.heap.push(Reverse((at, self.foreseen, what)));
    }

    /// What is next, if it is before this time.
    pub(crate) fn pop_before(&mut self, end: Micros) -> Option<(Micros, Happening)> {
        let Reverse((at, ..)) = *self.heap.peek()?;
        if at >= end {
            return None;
        }
        self.heap.pop().map(|Reverse((at, _, what))| (at, what))
    }
}
