//! Ends in processes of their own, of which one is killed.

use std::io::{BufRead, BufReader, Read, Write};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use notrace_store_fabric::libfabric::Libfabric;
use notrace_store_fabric::{Event, Fabric, LinkId, Refused};

use super::{ByShm, ByTcp, Carrier, Over, open};
use crate::rig::{Node, Rig, deadline, now, pattern};
use crate::tcp::{Authority, GROUP};
use notrace_store_fabric::tcp::TcpIdentity;

const ROOM: u32 = 1 << 20;
/// Tells the test that it is the other process.
const OTHER: &str = "NOTRACE_TEST_OTHER_PROCESS";

/// The identity, as the other process reads it.
fn written(identity: &TcpIdentity) -> Vec<u8> {
    let parts = [&*identity.certificates[0], identity.key.secret_der(), &*identity.authority];
    parts.iter().flat_map(|part| [&(part.len() as u32).to_le_bytes(), *part].concat()).collect()
}

fn identity(mut from: impl Read) -> TcpIdentity {
    let mut part = || {
        let mut length = [0; 4];
        from.read_exact(&mut length).unwrap();
        let mut bytes = vec![0; u32::from_le_bytes(length) as usize];
        from.read_exact(&mut bytes).unwrap();
        bytes
    };
    TcpIdentity {
        certificates: vec![part().into()],
        key: part().try_into().unwrap(),
        authority: part().into(),
        group: GROUP.to_owned(),
    }
}

/// Answers each bell with what was written, until it is killed.
fn be_the_other<C: Carrier>() -> ! {
    let mut end = open::<C>(identity(std::io::stdin()), b"", ROOM);
    let mut told = std::io::stderr();
    writeln!(told, "{}", end.local_addr().port()).unwrap();
    let mut bytes = vec![0; ROOM as usize];
    loop {
        let mut events = Vec::new();
        end.poll(Duration::from_secs(1), &mut events);
        for event in events {
            if let Event::Bell { link, word } = event {
                end.read(link, 0, &mut bytes).unwrap();
                // What was rung for is read, even if who rang is gone by now.
                if end.write(link, 0, &[&bytes]) != Err(Refused::NoLink) {
                    end.ring(link, word).unwrap();
                }
            }
        }
    }
}

struct Other {
    process: Child,
    address: String,
}

impl Other {
    fn new(authority: &Authority, test: &str) -> Self {
        let mut command = Command::new(std::env::current_exe().unwrap());
        command.args(["--exact", test, "--nocapture"]).env(OTHER, "1");
        command.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::piped());
        let mut process = command.spawn().unwrap();
        let identity = written(&authority.identity("other"));
        process.stdin.take().unwrap().write_all(&identity).unwrap();
        let mut port = String::new();
        let told = process.stderr.as_mut().unwrap();
        BufReader::new(told).read_line(&mut port).unwrap();
        let address = format!("127.0.0.1:{}", port.trim());
        Self { process, address }
    }

    fn kill(&mut self) {
        self.process.kill().unwrap();
        self.process.wait().unwrap();
    }
}

impl Drop for Other {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

fn alone<F: Fabric>(node: &mut Node<F>, mut done: impl FnMut(&mut Node<F>) -> bool) {
    let end = deadline();
    while !done(node) {
        assert!(now() < end, "it never happens");
        node.poll(Duration::from_millis(10));
    }
}

fn link_to(node: &mut Node<Libfabric>, other: &Other) -> LinkId {
    let ups = node.ups().len();
    let dial = node.fabric.dial(&other.address);
    alone(node, |node| {
        assert_eq!(node.failures(dial), 0, "{:?}", node.seen.last());
        node.ups().len() > ups
    });
    node.ups().pop().unwrap().0
}

fn write_much(node: &mut Node<Libfabric>, link: LinkId) {
    for word in 0..8 {
        node.write_and_ring(link, 0, &pattern(7, ROOM as usize), word + 1000);
        node.poll(Duration::ZERO);
    }
}

fn exchange(node: &mut Node<Libfabric>, link: LinkId, round: u32) {
    let bytes = pattern(round as usize, ROOM as usize);
    node.write_and_ring(link, 0, &bytes, round);
    alone(node, |node| node.bells(link).last() == Some(&round));
    assert!(node.read(link, 0, ROOM as usize) == bytes);
}

#[expect(clippy::disallowed_methods, reason = "a test's binary has no other arguments")]
fn is_the_other() -> bool {
    std::env::var_os(OTHER).is_some()
}

fn a_process_that_is_killed_is_seen_to_go_and_comes_back<C: Carrier>(test: &str) {
    if is_the_other() {
        be_the_other::<C>();
    }
    let mut rig = Over::<C>::new();
    let mut node = Node::new(rig.end("one", b"", ROOM));
    for round in 0..8 {
        let mut other = Other::new(&rig.authority, test);
        let link = link_to(&mut node, &other);
        exchange(&mut node, link, 2 * round);
        // Cut while much is under way, both ways.
        write_much(&mut node, link);
        node.fabric.cut(link);
        let again = link_to(&mut node, &other);
        assert!(node.read(again, 0, ROOM as usize) == vec![0; ROOM as usize]);
        exchange(&mut node, again, 50 + round);
        assert_eq!(node.downs(link), 0);
        // And killed.
        let link = again;
        write_much(&mut node, link);
        other.kill();
        alone(&mut node, |node| node.downs(link) == 1);
        let mut other = Other::new(&rig.authority, test);
        let link = link_to(&mut node, &other);
        assert!(node.read(link, 0, ROOM as usize) == vec![0; ROOM as usize]);
        exchange(&mut node, link, 2 * round + 1);
        other.kill();
        alone(&mut node, |node| node.downs(link) == 1);
    }
}

#[test]
fn one_over_tcp_that_is_killed_is_seen_to_go_and_comes_back() {
    let test = "libfabric::processes::one_over_tcp_that_is_killed_is_seen_to_go_and_comes_back";
    a_process_that_is_killed_is_seen_to_go_and_comes_back::<ByTcp>(test);
}

#[test]
fn one_over_shm_that_is_killed_is_seen_to_go_and_comes_back() {
    let test = "libfabric::processes::one_over_shm_that_is_killed_is_seen_to_go_and_comes_back";
    a_process_that_is_killed_is_seen_to_go_and_comes_back::<ByShm>(test);
}
