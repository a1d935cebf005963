//! First in, first out: what one life of a sender sends in a shard is delivered in that order by
//! everybody, across views too, with nothing sent again out of turn.
//!
//! Source: FIFO broadcast in Birman and Joseph (1987); kept across views as in Jha et al.,
//! "Derecho", TOCS 2019, §3.3.

use notrace_store_protocol::ids::Life;

use super::{Delivery, Verdict, violated};
use crate::world::sends::Sent;

/// The last number of each sender at each node in each shard.
pub(crate) struct Fifo {
    nodes: usize,
    shards: usize,
    last: Vec<(Life, u32)>,
}

impl Fifo {
    pub(crate) fn new(nodes: usize, shards: usize) -> Self {
        Self { nodes, shards, last: vec![(Life(0), 0); nodes * nodes * shards] }
    }

    pub(crate) fn delivered(&mut self, it: &Delivery<'_>, sent: &Sent) -> Verdict {
        self.seen(it.node, it.sender, sent)
    }

    /// A node gets an update of a sender.
    pub(crate) fn seen(&mut self, node: usize, sender: usize, sent: &Sent) -> Verdict {
        let row = (node * self.shards + usize::from(sent.shard.0)) * self.nodes;
        let last = &mut self.last[row + sender];
        if last.0 == sent.life && last.1 >= sent.number {
            let text = format!(
                "node {} delivers number {} of node {} after number {}",
                node + 1,
                sent.number,
                sender + 1,
                last.1
            );
            return violated("fifo", text);
        }
        *last = (sent.life, sent.number);
        Ok(())
    }

    /// The node starts anew, or its log was cut: what it saw no longer counts.
    pub(crate) fn forget(&mut self, node: usize, shard: Option<usize>) {
        let shards = shard.map_or(0..self.shards, |shard| shard..shard + 1);
        for shard in shards {
            let row = (node * self.shards + shard) * self.nodes;
            self.last[row..row + self.nodes].fill((Life(0), 0));
        }
    }
}
