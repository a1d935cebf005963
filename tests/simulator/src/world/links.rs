//! Links between nodes: in order, slow, mortal. What is written before a node knows that the link
//! is up, or after it broke, goes nowhere.

use std::collections::VecDeque;
use std::sync::Arc;

use notrace_store_protocol::ids::Life;
use notrace_store_protocol::message::Write;
use notrace_store_protocol::rpc::RequestId;

use super::replica::Entry;
use crate::plan::{Micros, Shape};
use crate::random::Random;

/// Writes under way on one link, beyond which it breaks.
pub(crate) const UNDER_WAY_MAX: usize = 4_000;

/// What travels beside a write.
#[derive(Clone, Debug)]
pub(crate) enum Load {
    Nothing,
    /// What the updates among the frames are.
    Payloads(Arc<[u32]>),
    Entries(Arc<[Entry]>),
}

/// What travels.
#[derive(Clone, Debug)]
pub(crate) enum Parcel {
    Write(Write, Load),
    Reply(RequestId),
}

/// One node's end of its link to another, and what is on its way there.
#[derive(Debug)]
pub(crate) struct End {
    /// The link's number, 0 before the first.
    pub(crate) link: u32,
    /// The node knows that it is up.
    pub(crate) up: bool,
    /// It is broken, whether or not the node knows.
    pub(crate) cut: bool,
    /// The lives of the two when it came up.
    pub(crate) my_life: Life,
    pub(crate) peer_life: Life,
    pub(crate) under_way: VecDeque<(Micros, Parcel)>,
    pub(crate) last: Micros,
    /// The first of them will land.
    pub(crate) armed: bool,
    pub(crate) blocked: bool,
    random: Random,
}

/// All ends.
pub(crate) struct Links {
    nodes: usize,
    ends: Vec<End>,
    pub(crate) slowness: Vec<u64>,
    delay: (Micros, Micros),
    made: u32,
}

impl Links {
    pub(crate) fn new(shape: &Shape, seed: u64) -> Self {
        let nodes = shape.nodes();
        let end = |number: usize| End {
            link: 0,
            up: false,
            cut: true,
            my_life: Life(0),
            peer_life: Life(0),
            under_way: VecDeque::new(),
            last: 0,
            armed: false,
            blocked: false,
            random: Random::branch(seed, 0x006c_696e_6b00 + number as u64),
        };
        let ends = (0..nodes * nodes).map(end).collect();
        Self { nodes, ends, slowness: vec![1; nodes], delay: shape.delay, made: 0 }
    }

    pub(crate) fn end(&self, node: usize, to: usize) -> &End {
        &self.ends[node * self.nodes + to]
    }

    pub(crate) fn end_mut(&mut self, node: usize, to: usize) -> &mut End {
        &mut self.ends[node * self.nodes + to]
    }

    /// How long a write takes, or a word about a link.
    pub(crate) fn delay(&mut self, from: usize, to: usize) -> Micros {
        let (least, most) = self.delay;
        let times = self.slowness[from].max(self.slowness[to]);
        let random = &mut self.end_mut(from, to).random;
        // A few take much longer, as if they had been lost and sent again.
        let rare = if random.chance(5) { 10 } else { 1 };
        random.within(least, most) * times * rare
    }

    /// A time drawn for a pair.
    pub(crate) fn draw(&mut self, from: usize, to: usize, least: Micros, most: Micros) -> Micros {
        self.end_mut(from, to).random.within(least, most)
    }

    /// Connects two nodes anew, in these lives; the number of the link.
    pub(crate) fn connect(&mut self, one: (usize, Life), other: (usize, Life)) -> u32 {
        self.made += 1;
        let link = self.made;
        for ((node, my_life), (to, peer_life)) in [(one, other), (other, one)] {
            let end = self.end_mut(node, to);
            (end.link, end.up, end.cut) = (link, false, false);
            (end.my_life, end.peer_life) = (my_life, peer_life);
            end.under_way.clear();
            (end.last, end.armed) = (0, false);
        }
        link
    }

    /// Cuts a link; of what is under way each way, a leading part still lands. Nothing if there is
    /// no link to cut.
    pub(crate) fn cut(&mut self, one: usize, other: usize) -> Option<u32> {
        if self.end(one, other).cut {
            return None;
        }
        for (node, to) in [(one, other), (other, one)] {
            let end = self.end_mut(node, to);
            end.cut = true;
            let kept = end.random.below(end.under_way.len() as u64 + 1) as usize;
            end.under_way.truncate(kept);
        }
        Some(self.end(one, other).link)
    }

    /// Puts a parcel on its way.
    pub(crate) fn send(&mut self, from: usize, to: usize, now: Micros, parcel: Parcel) -> bool {
        let end = self.end(from, to);
        if !end.up || end.cut {
            return true;
        }
        let delay = self.delay(from, to);
        let end = self.end_mut(from, to);
        end.last = end.last.max(now + delay);
        let at = end.last;
        end.under_way.push_back((at, parcel));
        end.under_way.len() <= UNDER_WAY_MAX
    }
}
