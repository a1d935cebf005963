//! How links end, and what that does to others.

use notrace_store_fabric::libfabric::{Libfabric, LibfabricConfig, LibfabricError, Provider};
use notrace_store_fabric::tcp::{Tcp, TcpConfig};
use notrace_store_fabric::{Broken, Event, Fabric, Secrecy};

use super::{ByShm, ByTcp, Carrier, Over};
use crate::rig::{Node, Pair, Rig, connect, pattern, rest, until};
use crate::tcp::HERE;

const ROOM: u32 = 1 << 20;

fn both_ends_have_the_same_keys<C: Carrier>() {
    let mut pair = Pair::<Over<C>>::new(ROOM);
    let keys = |node: &Node<Libfabric>| match node.peer().secrecy {
        Secrecy::Open(keys) => keys,
        Secrecy::Private => panic!("libfabric keeps no secrets"),
    };
    let (here, there) = (keys(&pair.one), keys(&pair.other));
    assert!(here.send == there.receive && here.receive == there.send && here.send != here.receive);
    connect(&mut pair.rig, (&mut pair.one, "one"), (&mut pair.other, "other"));
    assert!(keys(&pair.one) != here, "another link has other keys");
}

fn what_comes_late_harms_no_other_link<C: Carrier>() {
    let Pair { mut rig, mut one, mut other, here, there } = Pair::<Over<C>>::new(ROOM);
    let bytes = pattern(1, ROOM as usize);
    for round in 0..20 {
        let ends = ((&mut one, "one"), (&mut other, "other"));
        let (short, short_there) = connect(&mut rig, ends.0, ends.1);
        assert!(other.read(short_there, 0, ROOM as usize) == vec![0; ROOM as usize]);
        for _ in 0..4 {
            one.fabric.write(short, 0, &[&bytes]).unwrap();
        }
        // Some of it is under way, and the rest is not begun.
        for _ in 0..round {
            one.poll(std::time::Duration::ZERO);
        }
        other.fabric.cut(short_there);
        one.write_and_ring(here, 0, &bytes[..100], round);
        until(&mut one, &mut other, |one, other| {
            one.downs(short) == 1 && other.bells(there).last() == Some(&round)
        });
    }
    assert_eq!((one.downs(here), other.downs(there)), (0, 0));
    assert_eq!(other.read(there, 0, 100), bytes[..100]);
}

fn a_severed_control_connection_ends_the_link<C: Carrier>() {
    let Pair { mut rig, mut one, mut other, here, there } = Pair::<Over<C>>::with_cables(ROOM);
    one.write_and_ring(here, 0, b"old", 1);
    until(&mut one, &mut other, |_, other| other.bells(there) == [1]);
    one.fabric.write(here, 0, &[&pattern(1, ROOM as usize)]).unwrap();
    rig.sever("one", "other");
    until(&mut one, &mut other, |one, other| one.downs(here) == 1 && other.downs(there) == 1);
    let (again, there_again) = connect(&mut rig, (&mut one, "one"), (&mut other, "other"));
    assert_eq!(other.read(there_again, 0, 3), [0; 3]);
    one.write_and_ring(again, 0, b"new", 2);
    until(&mut one, &mut other, |_, other| other.bells(there_again) == [2]);
    assert_eq!((other.read(there_again, 0, 3), other.bells(there)), (b"new".to_vec(), vec![1]));
    rest(&mut one, &mut other);
    assert_eq!((one.downs(here), other.downs(there)), (1, 1));
}

fn ends_come_and_go_for_long<C: Carrier>() {
    let mut rig = Over::<C>::new();
    let mut steady = Node::new(rig.end("steady", b"", 4 << 10));
    // More than the peers that a provider remembers.
    for round in 0..300_u32 {
        let mut other = Node::new(rig.end("other", b"", 4 << 10));
        let (here, there) = connect(&mut rig, (&mut steady, "steady"), (&mut other, "other"));
        steady.write_and_ring(here, 0, &round.to_le_bytes(), round);
        until(&mut steady, &mut other, |_, other| other.bells(there) == [round]);
        assert_eq!(other.read(there, 0, 4), round.to_le_bytes());
        drop(other);
        let end = crate::rig::deadline();
        while steady.downs(here) == 0 {
            assert!(crate::rig::now() < end, "nobody notices");
            steady.poll(std::time::Duration::from_millis(10));
        }
    }
}

fn failed<F: Fabric, G: Fabric>(one: &mut Node<F>, other: &mut Node<G>, address: &str) -> Broken {
    let dial = one.fabric.dial(address);
    until(one, other, |one, _| one.failures(dial) == 1);
    let why = one.seen.iter().find_map(|event| match event {
        Event::Failed { dial: it, why } if *it == dial => Some(*why),
        _ => None,
    });
    assert_eq!(one.ups().len(), 0);
    why.unwrap()
}

#[test]
fn another_kind_of_network_is_a_stranger() {
    let mut rig = Over::<ByTcp>::new();
    let mut one = Node::new(rig.end("one", b"", ROOM));
    let mut shm = Over::<ByShm>::with(rig.authority);
    let mut other = Node::new(shm.end("other", b"", ROOM));
    assert_eq!(failed(&mut one, &mut other, &shm.address("", "other")), Broken::Stranger);
    let identity = shm.authority.identity("third");
    let config = TcpConfig { listen: HERE, hello: Vec::new(), region_bytes: ROOM, identity };
    let third = Tcp::open(config).unwrap();
    let address = third.local_addr().to_string();
    let mut third = Node::new(third);
    assert_eq!(failed(&mut one, &mut third, &address), Broken::Stranger);
    // The other way round there is a link of the other kind for a moment.
    third.fabric.dial(&shm.address("", "other"));
    until(&mut third, &mut other, |third, _| {
        third.ups().first().is_some_and(|(link, ..)| third.downs(*link) == 1)
    });
    assert_eq!(other.seen, []);
}

#[test]
fn a_card_without_an_address_is_refused() {
    let open = |provider, listen: &str, card: Option<&str>| {
        let identity = crate::tcp::Authority::new().identity("one");
        let (hello, region_bytes) = (Vec::new(), ROOM);
        let (listen, card) = (listen.parse().unwrap(), card.map(|card| card.parse().unwrap()));
        let reached_at = None;
        let config =
            LibfabricConfig { provider, listen, card, reached_at, hello, region_bytes, identity };
        Libfabric::open(config).err()
    };
    assert_eq!(open(Provider::Tcp, "0.0.0.0:0", None), Some(LibfabricError::Card));
    assert_eq!(open(Provider::Tcp, "0.0.0.0:0", Some("127.0.0.1")), None);
    assert_eq!(open(Provider::Shm, "127.0.0.1:0", None), None);
}

macro_rules! with {
    ($carrier:ty: $($test:ident),+ $(,)?) => {
        $(#[test] fn $test() { super::$test::<$carrier>(); })+
    };
}

mod tcp {
    with! { crate::libfabric::ByTcp:
        both_ends_have_the_same_keys,
        what_comes_late_harms_no_other_link,
        a_severed_control_connection_ends_the_link,
        ends_come_and_go_for_long,
    }
}

/// An endpoint that writes to one of the same process that was closed is too much for `shm`, so
/// that what comes late is for processes to show.
mod shm {
    with! { crate::libfabric::ByShm:
        both_ends_have_the_same_keys,
        ends_come_and_go_for_long,
    }
}
