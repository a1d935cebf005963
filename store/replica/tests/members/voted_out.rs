//! A member that the others voted out of their view, and its next life.

use std::sync::mpsc;
use std::time::Duration;

use notrace_store_fabric::loopback::Network;
use notrace_store_log::disk::Survives;
use notrace_store_log::{Log, LogConfig};
use notrace_store_protocol::group::Stage;
use notrace_store_protocol::ids::Version;
use notrace_store_protocol::machine::Durability::{Delivered, MajorityDurable};
use notrace_store_replica::{SendError, Status, fabric_name};

use crate::common::{node, wait};
use crate::nodes::{Node, all_hold, deliver, group, send};

/// How long it is looked whether something happens that must not.
const WATCH: Duration = Duration::from_millis(500);

/// Whether nothing between these two nodes arrives.
#[derive(Clone, Copy)]
enum Wire {
    Held,
    Released,
}

/// Holds, or releases again, all that the first node and the others say to each other.
fn between_the_first_and_the_others(network: &Network, wire: Wire) {
    let first = fabric_name(node(1));
    for other in [2, 3].map(|number| fabric_name(node(number))) {
        for (from, to) in [(&first, &other), (&other, &first)] {
            match wire {
                Wire::Held => network.hold(from, to),
                Wire::Released => network.release(from, to),
            }
        }
    }
}

/// Cuts the first node off until the others have gone on without it, and it knows.
fn vote_out_the_first(network: &Network, nodes: &[Node]) {
    between_the_first_and_the_others(network, Wire::Held);
    all_hold(&nodes[1..], nodes.len() - 1);
    between_the_first_and_the_others(network, Wire::Released);
    let is_out = |status: &Status| status.stage == Stage::Gone || status.life.0 > 1;
    wait(nodes[0].member().when(is_out)).unwrap();
}

/// Whether a node begins its second life while it is watched.
fn is_reborn(node: &Node) -> bool {
    let (tell, heard) = mpsc::channel();
    let member = node.member().clone();
    std::thread::spawn(move || {
        // Whoever does not listen any more has seen enough.
        let _ = tell.send(wait(member.when(|status| status.life.0 > 1)).is_some());
    });
    heard.recv_timeout(WATCH).is_ok_and(|reborn| reborn)
}

#[test]
fn tells_its_senders_that_it_does_not_know() {
    let (network, nodes) = group(3);
    send(nodes[0].lines(), 1, MajorityDurable).unwrap();
    between_the_first_and_the_others(&network, Wire::Held);
    std::thread::scope(|scope| {
        let sender = scope.spawn(|| send(nodes[0].lines(), 2, Delivered));
        // It is under way once it is not refused any more when the member finds itself alone.
        all_hold(&nodes[1..], 2);
        between_the_first_and_the_others(&network, Wire::Released);
        assert_eq!(sender.join().unwrap(), Err(SendError::Unknown));
    });
    all_hold(&nodes, 3);
    send(nodes[0].lines(), 3, MajorityDurable).unwrap();
}

/// What is on a node's disk for certain.
fn safe_on_disk(node: &Node) -> Version {
    let left = node.disks.of("shard-0").disk.after_crash(Survives::Nothing);
    Log::open(left, LogConfig::default(), |_| Ok(())).unwrap().last()
}

#[test]
fn begins_anew_only_once_its_log_has_all_that_it_delivered() {
    let (network, nodes) = group(3);
    let disk = nodes[0].disks.of("shard-0");
    disk.allow(0);
    send(nodes[1].lines(), 1, Delivered).unwrap();
    wait(nodes[0].lines().latest()).unwrap();
    // The first update is being made safe when the second comes.
    disk.until_one_waits();
    let last = deliver(nodes[1].lines(), 2, Delivered).unwrap().place.version;
    wait(nodes[0].lines().latest()).unwrap();
    vote_out_the_first(&network, &nodes);
    disk.allow(1);
    assert!(!is_reborn(&nodes[0]) || safe_on_disk(&nodes[0]) >= last, "the second is not safe");
    disk.allow_all();
    all_hold(&nodes, 3);
    assert!(safe_on_disk(&nodes[0]) >= last);
}

#[test]
fn vouches_for_nothing_that_was_read_before() {
    let (network, nodes) = group(3);
    let lines = nodes[0].volatile();
    let read = lines.generation();
    let version = deliver(lines, 1, Delivered).unwrap().place.version;
    assert!(wait(lines.is_safe(version, read, MajorityDurable)));
    vote_out_the_first(&network, &nodes);
    all_hold(&nodes, 3);
    deliver(lines, 2, MajorityDurable).unwrap();
    // What stands at that version now may be another update than the one that was read.
    assert!(!wait(lines.is_safe(version, read, MajorityDurable)));
    assert!(wait(lines.is_safe(version, lines.generation(), MajorityDurable)));
}
