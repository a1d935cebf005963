//! Layouts that change: a longer one after a restart, and more members than a shard has copies.
#![cfg(test)]

mod common;
#[path = "common/folders.rs"]
mod folders;

use common::{Lines, Told, node, spec, wait};
use folders::Folders;
use notrace_store_fabric::loopback::Network;
use notrace_store_log::disk::Survives;
use notrace_store_protocol::layout::{Mode, ShardSpec};
use notrace_store_protocol::machine::Durability::AllDurable;
use notrace_store_replica::{
    Entry, Member, OpenError, Replica, ReplicaConfig, Replicated, SystemClock, fabric_name,
};

/// Starts a node with so many shards of so many copies each; the last is kept in memory alone.
fn start(
    network: &Network,
    (number, folders): (u32, &Folders),
    others: &[u32],
    (shards, copies): (usize, u16),
) -> Result<(Vec<Replicated<Lines>>, Member), OpenError> {
    let name = |number: u32| fabric_name(node(number));
    let mut replica = Replica::on(folders.clone(), ReplicaConfig::new(node(number)));
    let mut lines = Vec::new();
    for shard in 0..shards {
        let last = shard > 0 && shard + 1 == shards;
        let mode = if last { Mode::Volatile } else { Mode::Durable };
        let spec = ShardSpec { max: copies, ..spec(mode) };
        lines.push(replica.shard(spec, Lines::default)?);
    }
    let region = notrace_store_fabric::limits::REGION_BYTES_DEFAULT;
    let fabric = network.endpoint(&name(number), &[], region);
    let contacts = others.iter().map(|other| (node(*other), name(*other))).collect();
    let member =
        replica.start(fabric, SystemClock, Entry::Join(contacts), Box::new(|_, _, _| {}))?;
    others.iter().for_each(|other| member.know(node(*other), &name(*other)));
    Ok((lines, member))
}

fn told(count: u64) -> Told {
    Told { sender: 0, count, length: 10 }
}

fn counts(lines: &Replicated<Lines>) -> Vec<u64> {
    lines.read(|lines| lines.0.iter().map(|line| line.count).collect())
}

mod a_longer_layout {
    use super::*;

    #[test]
    fn keeps_what_there_was_and_begins_the_new_shards_empty() {
        let mut folders: Vec<_> = (0..3).map(|_| Folders::default()).collect();
        let begin = |folders: &[Folders], shards: usize| {
            let network = Network::default();
            let begin = |number: u32| {
                let others: Vec<u32> = (1..=3).filter(|other| *other != number).collect();
                let known = if shards == 1 { &others[..number as usize - 1] } else { &others };
                start(&network, (number, &folders[number as usize - 1]), known, (shards, 5))
            };
            let nodes: Vec<_> = (1..=3).map(|number| begin(number).unwrap()).collect();
            for (_, member) in &nodes {
                for other in 1..=3 {
                    member.know(node(other), &fabric_name(node(other)));
                }
            }
            nodes
        };
        let whole = |nodes: &[(Vec<Replicated<Lines>>, Member)], durable: usize| {
            for (_, member) in nodes {
                let holds = wait(member.when(|status| {
                    let all = status.shards.iter().take(durable).all(|shard| shard.holds);
                    let members = status.view.as_ref().map_or(0, |view| view.members.len());
                    all && members == 3 && status.serves()
                }));
                assert!(holds.is_some());
            }
        };
        let nodes = begin(&folders, 1);
        whole(&nodes, 1);
        wait(nodes[2].0[0].ordered_send(told(1), AllDurable)).unwrap();
        nodes.iter().for_each(|(_, member)| wait(member.close()));
        folders = folders.iter().map(|it| it.after_crash(Survives::Nothing)).collect();
        let nodes = begin(&folders, 3);

        whole(&nodes, 2);
        wait(nodes[0].0[0].ordered_send(told(2), AllDurable)).unwrap();
        wait(nodes[1].0[1].ordered_send(told(3), AllDurable)).unwrap();
        for (lines, member) in &nodes {
            assert_eq!((counts(&lines[0]), counts(&lines[1])), (vec![1, 2], vec![3]));
            wait(member.close());
        }
    }

    #[test]
    fn cannot_become_a_shorter_one() {
        let (network, folders) = (Network::default(), Folders::default());
        let (lines, member) = start(&network, (1, &folders), &[], (3, 5)).unwrap();
        wait(lines[0].ordered_send(told(1), AllDurable)).unwrap();
        wait(member.close());
        let shorter = start(&network, (1, &folders), &[], (1, 5));
        assert!(matches!(shorter, Err(OpenError::FewerShards)));
    }
}

mod more_members_than_copies {
    use super::*;

    /// Each of three members ends up with two of three shards, and all three shards go on with
    /// everything that they had.
    #[test]
    fn share_the_shards_out_evenly() {
        let network = Network::default();
        let folders: Vec<_> = (0..3).map(|_| Folders::default()).collect();
        let mut nodes = Vec::new();
        for number in 1..=3u32 {
            let others: Vec<u32> = (1..number).collect();
            let shape = (4, 2);
            let (lines, member) =
                start(&network, (number, &folders[number as usize - 1]), &others, shape).unwrap();
            nodes.iter().for_each(|(_, earlier): &(Vec<Replicated<Lines>>, Member)| {
                earlier.know(node(number), &fabric_name(node(number)));
            });
            let serves = wait(member.when(|status| status.serves()));
            assert!(serves.is_some());
            if number == 1 {
                for lines in lines.iter().take(3) {
                    wait(lines.ordered_send(told(7), AllDurable)).unwrap();
                }
            }
            nodes.push((lines, member));
        }
        for (_, member) in &nodes {
            let even = wait(member.when(|status| {
                status.view.as_ref().is_some_and(|view| {
                    let load = |number: u32| {
                        let holds = |shard: &&_| shard_has(shard, number);
                        view.shards.iter().filter(holds).count()
                    };
                    let sizes = view.shards.iter().all(|shard| shard.members.len() == 2);
                    let loads: Vec<usize> = (1..=3).map(load).collect();
                    sizes && loads.iter().all(|load| (2..=3).contains(load))
                })
            }));
            assert!(even.is_some());
        }
        for (lines, member) in &nodes {
            let status = member.status();
            for (lines, shard) in lines.iter().zip(&status.shards).take(3) {
                if shard.holds {
                    assert_eq!(counts(lines), [7]);
                    let more = wait(lines.ordered_send(told(8), AllDurable));
                    assert!(more.is_ok(), "{more:?}");
                    return;
                }
            }
        }
    }

    fn shard_has(shard: &notrace_store_protocol::view::ShardView, number: u32) -> bool {
        shard.members.contains(&node(number))
    }
}
