//! The network in memory.

use notrace_store_fabric::loopback::{Loopback, Network};

use crate::rig::{Rig, Wire};

pub(crate) struct InMemory(Network);

impl Rig for InMemory {
    type End = Loopback;

    /// What is written is at the peer at once.
    const FILLS: bool = false;

    fn new() -> Self {
        Self(Network::default())
    }

    fn end(&mut self, name: &str, hello: &[u8], room: u32) -> Loopback {
        self.0.endpoint(name, hello, room)
    }

    fn address(&mut self, _from: &str, to: &str) -> String {
        to.to_owned()
    }

    fn nobody(&self) -> String {
        "nobody".to_owned()
    }
}

impl Wire for InMemory {
    fn hold(&mut self, from: &str, to: &str) {
        self.0.hold(from, to);
    }

    fn release(&mut self, from: &str, to: &str) {
        self.0.release(from, to);
    }

    fn sever(&mut self, one: &str, other: &str, landing: usize) {
        self.0.sever(one, other, landing);
        self.0.release(one, other);
        self.0.release(other, one);
    }

    /// A parcel lands or it does not.
    fn points(writes: usize, _bytes: usize) -> Vec<usize> {
        (0..=2 * writes).collect()
    }
}

keeps_the_rules!(super::InMemory);
keeps_the_rules_when_wires_fail!(super::InMemory);
