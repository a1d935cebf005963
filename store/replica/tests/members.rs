//! Several members in one process, with real threads, real time, and links that break.
#![cfg(test)]

mod common;
#[path = "common/folders.rs"]
mod folders;

use common::{Lines, Told, node, spec, wait};
use folders::Folders;
use notrace_store_fabric::loopback::Network;
use notrace_store_log::disk::Survives;
use notrace_store_protocol::layout::Mode;
use notrace_store_protocol::limits::Limits;
use notrace_store_protocol::machine::Durability::{self, AllDurable, Delivered, MajorityDurable};
use notrace_store_replica::limits::LIMITS_DEFAULT;
use notrace_store_replica::{
    Entry, Member, Replica, ReplicaConfig, Replicated, SendError, SystemClock, fabric_name,
};

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
struct Node {
    number: u32,
    folders: Folders,
    running: Option<(Replicated<Lines>, Replicated<Lines>, Member)>,
}

impl Node {
    fn new(number: u32) -> Self {
        Self { number, folders: Folders::default(), running: None }
    }

    /// Starts, with a durable shard and one in memory. The first node founds; others join.
    fn start(&mut self, network: &Network, others: &[u32]) {
        let config = ReplicaConfig { limits: LIMITS, ..ReplicaConfig::new(node(self.number)) };
        let mut replica = Replica::on(self.folders.clone(), config);
        let durable = replica.shard(spec(Mode::Durable), Lines::default).unwrap();
        let volatile = replica.shard(spec(Mode::Volatile), Lines::default).unwrap();
        let name = |number: u32| fabric_name(node(number));
        let region = notrace_store_fabric::limits::REGION_BYTES_DEFAULT;
        let fabric = network.endpoint(&name(self.number), &[], region);
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

    fn lines(&self) -> &Replicated<Lines> {
        &self.running.as_ref().unwrap().0
    }

    fn volatile(&self) -> &Replicated<Lines> {
        &self.running.as_ref().unwrap().1
    }

    fn member(&self) -> &Member {
        &self.running.as_ref().unwrap().2
    }

    /// Ends without a word to the others.
    fn stop(&mut self) {
        if let Some((_, _, member)) = self.running.take() {
            wait(member.close());
        }
    }
}

/// A group of so many, all of whom hold both shards.
fn group(count: u32) -> (Network, Vec<Node>) {
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
fn all_hold(nodes: &[Node], count: usize) {
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

fn send(lines: &Replicated<Lines>, count: u64, durability: Durability) -> Result<u64, SendError> {
    let told = Told { sender: u64::from(lines.shard().0), count, length: count % 3000 };
    wait(lines.ordered_send(told, durability)).map(|sent| sent.reply as u64)
}

fn counts(lines: &Replicated<Lines>) -> Vec<u64> {
    lines.read(|lines| lines.0.iter().map(|line| line.count).collect())
}

#[test]
fn three_members_deliver_the_same_in_the_same_order() {
    let (_network, nodes) = group(3);
    std::thread::scope(|scope| {
        for (node, number) in nodes.iter().zip(0..) {
            for lines in [node.lines(), node.volatile()] {
                scope.spawn(move || {
                    for count in 0..200 {
                        let durability =
                            [Delivered, MajorityDurable, AllDurable][count as usize % 3];
                        send(lines, number * 1000 + count, durability).unwrap();
                    }
                });
            }
        }
    });
    for of in [Node::lines, Node::volatile] {
        let first = counts(of(&nodes[0]));
        assert_eq!(first.len(), 600);
        for node in &nodes {
            wait(of(node).latest()).unwrap();
            assert_eq!(counts(of(node)), first);
        }
    }
}

#[test]
fn a_read_sees_what_was_acknowledged_elsewhere() {
    let (_network, nodes) = group(3);
    for count in 0..300 {
        let (writer, reader) = (&nodes[count % 3], &nodes[(count + 1) % 3]);
        send(writer.lines(), count as u64, Delivered).unwrap();
        wait(reader.lines().latest()).unwrap();
        assert_eq!(counts(reader.lines()).len(), count + 1);
    }
}

#[test]
fn a_read_in_a_view_sees_what_was_acknowledged_in_it_and_asks_nobody() {
    let (network, nodes) = group(3);
    let view = |node: &Node| node.member().status().view.as_ref().unwrap().id;
    for count in 0..300 {
        let (writer, reader) = (&nodes[count % 3], &nodes[(count + 1) % 3]);
        send(writer.lines(), count as u64, Delivered).unwrap();
        wait(reader.lines().caught_up(view(writer))).unwrap();
        assert_eq!(counts(reader.lines()).len(), count + 1);
    }
    wait(nodes[2].lines().latest()).unwrap();
    for (one, other) in [(1, 3), (2, 3), (3, 1), (3, 2)] {
        network.hold(&fabric_name(node(one)), &fabric_name(node(other)));
    }
    wait(nodes[2].lines().caught_up(view(&nodes[0]))).unwrap();
}

#[test]
fn a_read_waits_for_the_view_that_somebody_has_seen() {
    let (_network, mut nodes) = group(3);
    let (reader, view) = (nodes[0].lines().clone(), nodes[0].member().status().view.clone());
    let next = view.unwrap().id.next().unwrap();
    let (tell, told) = std::sync::mpsc::channel();
    let waits = std::thread::spawn(move || tell.send(wait(reader.caught_up(next))).unwrap());
    wait(nodes[0].lines().latest()).unwrap();
    assert!(told.try_recv().is_err(), "there is no such view yet");
    nodes[2].stop();
    waits.join().unwrap();
    assert_eq!(told.recv(), Ok(Ok(())));
    assert!(nodes[0].member().status().view.as_ref().is_some_and(|view| view.id >= next));
}

#[test]
fn one_that_was_silent_for_long_is_heard() {
    let (_network, nodes) = group(3);
    for count in 0..6000 {
        send(nodes[0].volatile(), count, Delivered).unwrap();
    }
    for node in &nodes {
        send(node.volatile(), 1, Delivered).unwrap();
    }
    for node in &nodes {
        wait(node.volatile().latest()).unwrap();
        assert_eq!(counts(node.volatile()).len(), 6003);
    }
}

#[test]
fn direct_calls_are_answered() {
    let (_network, nodes) = group(2);
    let answer = wait(nodes[0].member().p2p_send(node(2), b"abc".to_vec())).unwrap();
    assert_eq!(&answer[..], b"cba");
    assert!(wait(nodes[0].member().p2p_send(node(7), b"abc".to_vec())).is_err());
}

#[test]
fn two_go_on_when_the_third_dies_and_it_comes_back_with_everything() {
    let (network, mut nodes) = group(3);
    for count in 0..50 {
        send(nodes[(count % 3) as usize].lines(), count, AllDurable).unwrap();
    }
    for dies in [2, 0, 1] {
        nodes[dies].stop();
        let others: Vec<usize> = (0..3).filter(|at| *at != dies).collect();
        all_hold(&nodes, 2);
        for count in 0..50 {
            let sender = &nodes[others[count as usize % 2]];
            send(sender.lines(), 100 * (dies as u64 + 1) + count, AllDurable).unwrap();
            send(sender.volatile(), count, AllDurable).unwrap();
        }
        let contacts: Vec<u32> = others.iter().map(|at| *at as u32 + 1).collect();
        nodes[dies].start(&network, &contacts);
        all_hold(&nodes, 3);
        for of in [Node::lines, Node::volatile] {
            let expected = counts(of(&nodes[others[0]]));
            wait(of(&nodes[dies]).latest()).unwrap();
            assert_eq!(counts(of(&nodes[dies])), expected);
        }
    }
    assert_eq!(counts(nodes[0].lines()).len(), 200);
}

#[test]
fn all_come_back_after_a_loss_of_power() {
    let (network, mut nodes) = group(3);
    for count in 0..90 {
        send(nodes[(count % 3) as usize].lines(), count, MajorityDurable).unwrap();
    }
    let crashed: Vec<Folders> =
        nodes.iter().map(|node| node.folders.after_crash(Survives::Nothing)).collect();
    for (node, crashed) in nodes.iter_mut().zip(crashed) {
        node.stop();
        node.folders = crashed;
    }
    for at in [2, 0, 1] {
        let others: Vec<u32> = (1..=3).filter(|number| *number != at as u32 + 1).collect();
        nodes[at].start(&network, &others);
    }
    for node in &nodes {
        wait(node.member().when(|status| status.serves())).unwrap();
    }
    wait(nodes[1].lines().latest()).unwrap();
    assert!(counts(nodes[1].lines()).into_iter().eq(0..90));
    send(nodes[0].lines(), 90, AllDurable).unwrap();
}

#[test]
fn one_that_is_cut_off_says_so_and_comes_back() {
    let (network, nodes) = group(3);
    let name = |number: u32| fabric_name(node(number));
    for other in [1, 2] {
        network.hold(&name(3), &name(other));
        network.hold(&name(other), &name(3));
    }
    wait(nodes[2].member().when(|status| status.lacks_majority())).unwrap();
    assert_eq!(send(nodes[2].lines(), 1, Delivered), Err(SendError::NoMajority));
    assert!(wait(nodes[2].lines().latest()).is_err());
    all_hold(&nodes[..2], 2);
    send(nodes[0].lines(), 2, AllDurable).unwrap();
    for other in [1, 2] {
        network.release(&name(3), &name(other));
        network.release(&name(other), &name(3));
    }
    all_hold(&nodes, 3);
    wait(nodes[2].lines().latest()).unwrap();
    assert_eq!(counts(nodes[2].lines()), [2]);
}

#[test]
fn who_leaves_is_not_waited_for() {
    let (_network, nodes) = group(3);
    send(nodes[0].lines(), 1, AllDurable).unwrap();
    nodes[2].member().leave();
    wait(nodes[2].member().when(|status| status.ended)).unwrap();
    all_hold(&nodes[..2], 2);
    send(nodes[1].lines(), 2, AllDurable).unwrap();
    assert_eq!(send(nodes[2].lines(), 3, Delivered), Err(SendError::Stopped));
}
