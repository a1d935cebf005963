//! Members that catch up from a state, because no log holds the updates any more.

use std::sync::{Condvar, Mutex};

use notrace_store_fabric::loopback::Network;
use notrace_store_protocol::layout::Mode;
use notrace_store_protocol::machine::Durability::{self, AllDurable, Delivered};
use notrace_store_protocol::machine::{Machine, Malformed, Place};
use notrace_store_replica::{
    Entry, Member, Replica, ReplicaConfig, Replicated, Status, SystemClock, fabric_name,
};

use crate::common::{Lines, Told, node, spec, wait};
use crate::disks::Disks;
use crate::nodes::{Node, all_hold, counts, group, send};

#[test]
fn two_who_join_at_once_get_a_state_that_no_log_holds_any_more() {
    let (network, mut nodes) = group(1);
    for count in 0..300 {
        send(nodes[0].lines(), count, Delivered).unwrap();
        send(nodes[0].volatile(), count, Delivered).unwrap();
    }
    wait(nodes[0].lines().checkpoint()).unwrap();
    send(nodes[0].lines(), 300, AllDurable).unwrap();
    for number in [2, 3] {
        let mut joiner = Node::new(number);
        joiner.start(&network, &[1]);
        nodes.push(joiner);
    }
    for (of, other) in [(1, 3), (2, 2)] {
        nodes[of].member().know(node(other), &fabric_name(node(other)));
    }
    for other in [2, 3] {
        nodes[0].member().know(node(other), &fabric_name(node(other)));
    }
    all_hold(&nodes, 3);
    for node in &nodes {
        wait(node.lines().latest()).unwrap();
        wait(node.volatile().latest()).unwrap();
        assert!(counts(node.lines()).into_iter().eq(0..=300));
        assert!(counts(node.volatile()).into_iter().eq(0..300));
    }
}

/// While this is closed, no machine with anything in it is made.
static GATE: Gate = Gate { state: Mutex::new(State::Open), changed: Condvar::new() };

struct Gate {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    Open,
    Closed,
    /// And somebody waits there.
    Reached,
}

impl Gate {
    fn set(&self, state: State) {
        *self.state.lock().unwrap() = state;
        self.changed.notify_all();
    }

    fn wait_until(&self, wanted: State) {
        let state = self.state.lock().unwrap();
        drop(self.changed.wait_while(state, |state| *state != wanted).unwrap());
    }

    fn pass(&self) {
        if *self.state.lock().unwrap() == State::Closed {
            self.set(State::Reached);
        }
        self.wait_until(State::Open);
    }
}

/// Lines that may take long to be made of a state.
#[derive(Default)]
struct Slow(Lines);

impl Machine for Slow {
    type Command = Told;
    type Reply = usize;

    fn encode(told: &Told) -> Vec<u8> {
        Lines::encode(told)
    }

    fn decode(bytes: &[u8]) -> Result<Told, Malformed> {
        Lines::decode(bytes)
    }

    fn apply(&mut self, place: Place, told: Told) -> usize {
        self.0.apply(place, told)
    }

    fn snapshot(&self) -> Vec<u8> {
        self.0.snapshot()
    }

    fn restore(bytes: &[u8]) -> Result<Self, Malformed> {
        if !bytes.is_empty() {
            GATE.pass();
        }
        Lines::restore(bytes).map(Self)
    }
}

fn start(network: &Network, number: u32, mode: Mode, entry: Entry) -> (Replicated<Slow>, Member) {
    let config = ReplicaConfig::new(node(number));
    let mut replica = Replica::on(Disks::default(), config);
    let lines = replica.shard(spec(mode), Slow::default).unwrap();
    let fabric = network.endpoint(&fabric_name(node(number)), &[], 1 << 16);
    let on_call = Box::new(|_, _, answerer: notrace_store_replica::Answerer| {
        answerer.answer(b"here".to_vec());
    });
    (lines, replica.start(fabric, SystemClock, entry, on_call).unwrap())
}

fn tell(lines: &Replicated<Slow>, count: u64, durability: Durability) {
    let told = Told { sender: 1, count, length: 10 };
    wait(lines.ordered_send(told, durability)).unwrap();
}

#[test]
fn a_machine_that_takes_long_to_be_made_stops_no_thread_but_its_own() {
    let network = Network::default();
    let (first, one) = start(&network, 1, Mode::Durable, Entry::Found);
    (0..20).for_each(|count| tell(&first, count, Delivered));
    wait(first.checkpoint()).unwrap();
    GATE.set(State::Closed);
    let contacts = vec![(node(1), fabric_name(node(1)))];
    let (second, two) = start(&network, 2, Mode::Durable, Entry::Join(contacts));
    GATE.wait_until(State::Reached);
    let answer = wait(one.p2p_send(node(2), b"are you there?".to_vec()));
    assert_eq!(answer.as_deref(), Ok(&b"here"[..]));
    tell(&first, 20, AllDurable);
    GATE.set(State::Open);
    let holds = |status: &Status| status.serves() && status.shards[0].holds;
    let both = |status: &Status| {
        let view = status.view.as_ref();
        holds(status) && view.is_some_and(|view| view.shards[0].members.len() == 2)
    };
    wait(two.when(both)).unwrap();
    wait(second.latest()).unwrap();
    let counts = second.read(|lines| lines.0.0.iter().map(|line| line.count).collect::<Vec<_>>());
    assert!(counts.into_iter().eq(0..=20));
}
