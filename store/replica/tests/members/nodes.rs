//! Nodes of a group in one process, each with a durable shard and one in memory.

use std::sync::atomic::{AtomicU64, Ordering};

use notrace_store_fabric::loopback::Network;
use notrace_store_protocol::layout::Mode;
use notrace_store_protocol::limits::Limits;
use notrace_store_protocol::machine::Durability;
use notrace_store_replica::limits::LIMITS_DEFAULT;
use notrace_store_replica::{
    BootId, Delivered, Entry, Member, Replica, ReplicaConfig, Replicated, SendError, SystemClock,
    fabric_name,
};

use crate::common::{Lines, Told, node, spec, wait};
use crate::disks::Disks;

/// Nodes that are quick to suspect each other, as a test can afford on one machine.
const LIMITS: Limits = Limits {
    heartbeat: 10_000,
    suspect_after: 600_000,
    suspect_after_break: 50_000,
    ask_again: 20_000,
    restart_wait: 300_000,
    restart_patience: 300_000,
    ..LIMITS_DEFAULT
};

/// One node: what outlives it, and what runs of it.
pub(crate) struct Node {
    pub(crate) number: u32,
    pub(crate) disks: Disks,
    pub(crate) running: Option<(Replicated<Lines>, Replicated<Lines>, Member)>,
}

impl Node {
    pub(crate) fn new(number: u32) -> Self {
        Self { number, disks: Disks::default(), running: None }
    }

    /// Starts, with a durable shard and one in memory. The first node founds; others join.
    pub(crate) fn start(&mut self, network: &Network, others: &[u32]) {
        self.start_at(&fabric_name(node(self.number)), network, others);
    }

    /// The same at an address of its own.
    pub(crate) fn start_at(&mut self, at: &str, network: &Network, others: &[u32]) {
        static BOOTS: AtomicU64 = AtomicU64::new(0);
        let boot = BootId(BOOTS.fetch_add(1, Ordering::Relaxed));
        let config =
            ReplicaConfig { boot, limits: LIMITS, ..ReplicaConfig::new(node(self.number)) };
        let mut replica = Replica::on(self.disks.clone(), config);
        let durable = replica.shard(spec(Mode::Durable), Lines::default).unwrap();
        let volatile = replica.shard(spec(Mode::Volatile), Lines::default).unwrap();
        let name = |number: u32| fabric_name(node(number));
        let region = notrace_store_fabric::limits::REGION_BYTES_DEFAULT;
        let fabric = network.endpoint_at(at, &name(self.number), &[], region);
        let contacts = others.iter().map(|other| (node(*other), name(*other))).collect();
        let on_call =
            Box::new(|from, bytes: bytes::Bytes, answerer: notrace_store_replica::Answerer| {
                let _: notrace_store_protocol::ids::NodeId = from;
                let mut answer = bytes.to_vec();
                answer.reverse();
                answerer.answer(answer);
            });
        let member = replica.start(fabric, SystemClock, Entry::Join(contacts), on_call).unwrap();
        self.running = Some((durable, volatile, member));
    }

    pub(crate) fn lines(&self) -> &Replicated<Lines> {
        &self.running.as_ref().unwrap().0
    }

    pub(crate) fn volatile(&self) -> &Replicated<Lines> {
        &self.running.as_ref().unwrap().1
    }

    pub(crate) fn member(&self) -> &Member {
        &self.running.as_ref().unwrap().2
    }

    /// Ends without a word to the others.
    pub(crate) fn stop(&mut self) {
        if let Some((_, _, member)) = self.running.take() {
            wait(member.close());
        }
    }
}

/// A group of so many, all of whom hold both shards.
pub(crate) fn group(count: u32) -> (Network, Vec<Node>) {
    let network = Network::default();
    let mut nodes: Vec<Node> = (1..=count).map(Node::new).collect();
    for at in 0..nodes.len() {
        let others: Vec<u32> = (1..=at as u32).collect();
        nodes[at].start(&network, &others);
        for (earlier, later) in (0..at).flat_map(|earlier| [(earlier, at), (at, earlier)]) {
            let name = fabric_name(node(later as u32 + 1));
            nodes[earlier].member().know(node(later as u32 + 1), &name);
        }
    }
    all_hold(&nodes, count as usize);
    (network, nodes)
}

/// Waits until every running node is in a view of so many, which all hold both shards.
pub(crate) fn all_hold(nodes: &[Node], count: usize) {
    for node in nodes.iter().filter(|node| node.running.is_some()) {
        let status = wait(node.member().when(|status| {
            status.view.as_ref().is_some_and(|view| {
                view.members.len() == count
                    && view.shards.iter().all(|shard| shard.members.len() == count.min(3))
            }) && status.shards.iter().all(|shard| shard.holds || count > 3)
                && status.serves()
        }));
        assert!(status.is_some());
    }
}

pub(crate) fn send(
    lines: &Replicated<Lines>,
    count: u64,
    durability: Durability,
) -> Result<u64, SendError> {
    deliver(lines, count, durability).map(|sent| sent.reply as u64)
}

/// Sends, and says where it stands.
pub(crate) fn deliver(
    lines: &Replicated<Lines>,
    count: u64,
    durability: Durability,
) -> Result<Delivered<usize>, SendError> {
    let told = Told { sender: u64::from(lines.shard().0), count, length: count % 3000 };
    wait(lines.ordered_send(told, durability))
}

pub(crate) fn counts(lines: &Replicated<Lines>) -> Vec<u64> {
    lines.read(|lines| lines.0.iter().map(|line| line.count).collect())
}
