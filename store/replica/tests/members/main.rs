//! Several members in one process, with real threads, real time, and links that break.
#![cfg(test)]

mod bounds;
#[path = "../common/mod.rs"]
mod common;
mod disks;
mod learners;
mod nodes;
mod puppet;
mod twins;
mod voted_out;

use common::{node, wait};
use disks::Disks;
use nodes::{Node, all_hold, counts, group, send};
use notrace_store_log::disk::Survives;
use notrace_store_protocol::machine::Durability::{AllDurable, Delivered, MajorityDurable};
use notrace_store_replica::{SendError, Status, fabric_name};

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
    let crashed: Vec<Disks> =
        nodes.iter().map(|node| node.disks.after_crash(Survives::Nothing)).collect();
    for (node, crashed) in nodes.iter_mut().zip(crashed) {
        node.stop();
        node.disks = crashed;
    }
    for at in [2, 0, 1] {
        let others: Vec<u32> = (1..=3).filter(|number| *number != at as u32 + 1).collect();
        nodes[at].start(&network, &others);
    }
    let can_send = |status: &Status| status.serves() && status.shards[0].holds;
    for node in &nodes {
        wait(node.member().when(can_send)).unwrap();
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
