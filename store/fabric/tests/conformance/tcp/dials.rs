//! Addresses, names, and connections that break before they are links.

use std::net::TcpListener;
use std::time::Duration;

use notrace_store_fabric::limits::LINKS_MAX;
use notrace_store_fabric::{Broken, Event, Fabric};
use rustix::time::{ClockId, clock_gettime};

use super::{HERE, OverTls};
use crate::rig::{Node, Rig, SHORT, Wire, deadline, now, rest, until};

fn failed(node: &mut Node<impl Fabric>, address: &str) -> Broken {
    let dial = node.fabric.dial(address);
    let end = deadline();
    while node.failures(dial) == 0 {
        assert!(now() < end, "it never fails");
        node.poll(SHORT);
    }
    match node.seen.pop() {
        Some(Event::Failed { why, .. }) => why,
        other => panic!("not a failure: {other:?}"),
    }
}

#[test]
fn what_is_no_address_is_refused() {
    let mut one = Node::new(OverTls::new().end("one", b"", 4 << 10));
    let wrong =
        ["", "here", "here:", ":7543", "here:0", "here:70000", "127.0.0.1:0", "a b:1", "1:2:3"];
    for address in wrong {
        assert_eq!(failed(&mut one, address), Broken::Address, "{address}");
    }
    assert_eq!(failed(&mut one, &format!("{}:1", "a".repeat(300))), Broken::Address);
}

#[test]
fn a_name_of_a_host_is_looked_up() {
    let mut rig = OverTls::new();
    let mut one = Node::new(rig.end("one", b"", 4 << 10));
    let mut other = Node::new(rig.end("other", b"", 4 << 10));
    let port = other.fabric.local_addr().port();
    let dial = one.fabric.dial(&format!("localhost:{port}"));
    until(&mut one, &mut other, |one, other| one.ups().len() + other.ups().len() == 2);
    assert_eq!(one.ups()[0].1, Some(dial));
    assert_eq!(failed(&mut one, "no-such-host.invalid:1"), Broken::Gone);
}

#[test]
fn a_wire_that_breaks_early_leaves_nothing_behind() {
    let mut rig = OverTls::new();
    let mut one = Node::new(rig.end("one", b"", 4 << 10));
    let mut other = Node::new(rig.end("other", b"", 4 << 10));
    let address = rig.address("one", "other");
    // The handshake is about three thousand bytes, and one end may be up before the other.
    for (round, landing) in (1..).zip((0..2500).step_by(83)) {
        rig.hold("one", "other");
        rig.hold("other", "one");
        let dial = one.fabric.dial(&address);
        until(&mut one, &mut other, |_, _| rig.carried("one", "other") == round);
        rest(&mut one, &mut other);
        rig.sever("one", "other", landing);
        until(&mut one, &mut other, |one, _| one.failures(dial) == 1);
        rest(&mut one, &mut other);
        assert_eq!(one.seen.pop(), Some(Event::Failed { dial, why: Broken::Gone }));
        assert_eq!((one.seen.len(), other.seen.len()), (0, 0));
    }
    one.fabric.dial(&address);
    until(&mut one, &mut other, |one, other| one.ups().len() + other.ups().len() == 2);
}

#[test]
fn attempts_are_bounded() {
    let mut one = Node::new(OverTls::new().end("one", b"", 4 << 10));
    // It accepts and says nothing.
    let mute = TcpListener::bind(HERE).unwrap();
    let address = mute.local_addr().unwrap().to_string();
    for _ in 0..LINKS_MAX {
        one.fabric.dial(&address);
    }
    let last = one.fabric.dial(&address);
    assert_eq!(one.poll(Duration::ZERO), [Event::Failed { dial: last, why: Broken::Gone }]);
}

fn busy() -> Duration {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    Duration::new(time.tv_sec as u64, time.tv_nsec as u32)
}

#[test]
fn a_short_wait_sleeps() {
    let mut one = Node::new(OverTls::new().end("one", b"", 4 << 10));
    one.poll(SHORT);
    let (begun, wait, count) = (busy(), Duration::from_micros(900), 50);
    for _ in 0..count {
        assert_eq!(one.poll(wait), []);
    }
    assert!(busy() - begun < wait * count / 3, "it turns in place");
}
