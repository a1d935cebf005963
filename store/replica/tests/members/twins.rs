//! Folders that were copied: two processes that are the same node, or one that has an older folder
//! than the group saw it with.

use notrace_store_log::disk::Survives;
use notrace_store_protocol::machine::Durability::MajorityDurable;
use notrace_store_replica::Failure;

use crate::common::wait;
use crate::nodes::{Node, all_hold, group, send};

/// A node with a copy of what another has on its disks.
fn copy_of(node: &Node) -> Node {
    let disks = node.disks.after_crash(Survives::Everything);
    Node { number: node.number, disks, running: None }
}

fn failure_of(node: &Node) -> Option<Failure> {
    wait(node.member().when(|status| status.ended)).unwrap().failure
}

mod a_copy_of_a_folder {
    use super::*;

    #[test]
    fn is_told_that_the_node_is_there_already_and_ends() {
        let (network, mut nodes) = group(3);
        nodes[2].stop();
        let mut copy = copy_of(&nodes[2]);
        nodes[2].start(&network, &[1, 2]);
        all_hold(&nodes, 3);
        copy.start_at("elsewhere", &network, &[1, 2]);
        assert_eq!(failure_of(&copy), Some(Failure::Twin));
        all_hold(&nodes, 3);
        send(nodes[2].lines(), 1, MajorityDurable).unwrap();
    }

    #[test]
    fn that_begins_a_later_life_ends_the_process_that_it_was_copied_from() {
        let (network, mut nodes) = group(3);
        // Its first life is on its disk, so that the copy begins the second.
        send(nodes[2].lines(), 1, MajorityDurable).unwrap();
        let mut copy = copy_of(&nodes[2]);
        copy.start_at("elsewhere", &network, &[1, 2]);
        assert_eq!(failure_of(&nodes[2]), Some(Failure::Twin));
        nodes[2] = copy;
        all_hold(&nodes, 3);
        send(nodes[2].lines(), 2, MajorityDurable).unwrap();
    }
}

mod a_folder_that_was_put_back {
    use super::*;

    #[test]
    fn begins_a_life_after_all_that_the_group_saw() {
        let (network, mut nodes) = group(3);
        let old = copy_of(&nodes[2]);
        for round in 1..=3 {
            nodes[2].stop();
            nodes[2].start(&network, &[1, 2]);
            all_hold(&nodes, 3);
            send(nodes[2].lines(), round, MajorityDurable).unwrap();
        }
        let life = nodes[2].member().status().life;
        nodes[2].stop();
        all_hold(&nodes[..2], 2);
        nodes[2] = old;
        nodes[2].start(&network, &[1, 2]);
        all_hold(&nodes, 3);
        assert!(nodes[2].member().status().life > life);
        assert_eq!(nodes[2].lines().read(|lines| lines.0.len()), 3);
    }
}
