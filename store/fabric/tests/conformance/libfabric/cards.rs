//! Wires that libfabric's own connections go over, and who else may find the way to a card. The
//! control connections are left alone.

use std::collections::BTreeMap;
use std::io::Write;
use std::net::TcpStream;

use notrace_store_fabric::Fabric;
use notrace_store_fabric::libfabric::Libfabric;

use super::{ByTcp, Over};
use crate::rig::{Node, Pair, Rig, Wire, connect, pattern, rest, until};
use crate::tcp::wire::Way;

/// Ends whose cards are at the end of wires.
pub(crate) struct Wired(Over<ByTcp>);

impl Rig for Wired {
    type End = Libfabric;

    const FILLS: bool = true;

    fn new() -> Self {
        let mut rig = Over::new();
        rig.cards = Some(BTreeMap::new());
        Self(rig)
    }

    fn end(&mut self, name: &str, hello: &[u8], room: u32) -> Libfabric {
        self.0.end(name, hello, room)
    }

    fn address(&mut self, from: &str, to: &str) -> String {
        self.0.address(from, to)
    }

    fn nobody(&self) -> String {
        self.0.nobody()
    }
}

impl Wired {
    /// The ways on which something goes from one to the other, whoever dialled: there are only two.
    fn ways(&self, from: &str, to: &str) -> Vec<&Way> {
        let cable = |of: &str| self.0.cards.as_ref().and_then(|cards| cards.get(of));
        let forth = cable(to).map(|cable| &cable.forth);
        forth.into_iter().chain(cable(from).map(|cable| &cable.back)).collect()
    }
}

impl Wire for Wired {
    fn hold(&mut self, from: &str, to: &str) {
        self.ways(from, to).into_iter().for_each(Way::hold);
    }

    fn release(&mut self, from: &str, to: &str) {
        self.ways(from, to).into_iter().for_each(Way::release);
    }

    fn sever(&mut self, one: &str, other: &str, landing: usize) {
        for way in self.ways(one, other).into_iter().chain(self.ways(other, one)) {
            way.sever_after(landing);
        }
    }

    /// Each byte around the beginning of the first frame, some between, and more than all.
    fn points(writes: usize, bytes: usize) -> Vec<usize> {
        let most = writes * (bytes + 120);
        let step = (most / 40).max(1);
        (0..=50).chain((51..most).step_by(step)).chain([most, most + 100]).collect()
    }
}

keeps_the_rules_when_wires_fail!(super::Wired);

const ROOM: u32 = 64 << 10;

#[test]
fn strangers_at_the_card_harm_nobody() {
    let Pair { mut rig, mut one, mut other, here, there } = Pair::<Over<ByTcp>>::new(ROOM);
    let card = other.fabric.card_addr().unwrap();
    let mut strangers = Vec::new();
    for which in 0..100 {
        let mut stranger = TcpStream::connect(card).unwrap();
        match which % 4 {
            // Says nothing.
            0 => {}
            // Says nonsense.
            1 => stranger.write_all(&pattern(which, 4096)).unwrap(),
            2 => stranger.write_all(&[0; 100]).unwrap(),
            // Goes again.
            _ => drop(stranger.shutdown(std::net::Shutdown::Both)),
        }
        strangers.push(stranger);
        rest(&mut one, &mut other);
    }
    one.write_and_ring(here, 0, b"goes on", 1);
    until(&mut one, &mut other, |_, other| other.bells(there) == [1]);
    assert_eq!(other.read(there, 0, 7), b"goes on");
    let (again, there_again) = connect(&mut rig, (&mut one, "one"), (&mut other, "other"));
    one.write_and_ring(again, 0, b"comes up", 2);
    until(&mut one, &mut other, |_, other| other.bells(there_again) == [2]);
    assert_eq!((one.downs(here), other.downs(there)), (0, 0));
}

#[test]
fn a_card_that_no_wire_leads_to_fails_the_link() {
    let mut rig = Over::<ByTcp>::new();
    let mut one = Node::new(rig.end("one", b"", ROOM));
    let identity = rig.authority.identity("other");
    let mut config = super::config::<ByTcp>(identity, b"", ROOM);
    config.reached_at = Some(rig.nobody().parse().unwrap());
    let mut other = Node::new(Libfabric::open(config).unwrap());
    let dial = one.fabric.dial(&other.fabric.local_addr().to_string());
    until(&mut one, &mut other, |one, _| one.failures(dial) == 1);
    assert!(one.ups().is_empty() && other.ups().is_empty());
}
