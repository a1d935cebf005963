//! Members that catch up from a state, because no log holds the updates any more.

use std::future::Future;
use std::sync::{Condvar, Mutex};
use std::task::{Context, Waker};

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

/// While this is closed, no machine with anything in it is made of a state.
static MAKING: Gate = Gate::new();
/// While this is closed, no machine with anything in it tells its state.
static TELLING: Gate = Gate::new();

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
    const fn new() -> Self {
        Self { state: Mutex::new(State::Open), changed: Condvar::new() }
    }

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
        if !self.0.0.is_empty() {
            TELLING.pass();
        }
        self.0.snapshot()
    }

    fn restore(bytes: &[u8]) -> Result<Self, Malformed> {
        if !bytes.is_empty() {
            MAKING.pass();
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

fn told(count: u64) -> Told {
    Told { sender: 1, count, length: 10 }
}

fn tell(lines: &Replicated<Slow>, count: u64, durability: Durability) {
    wait(lines.ordered_send(told(count), durability)).unwrap();
}

fn counts_of(lines: &Replicated<Slow>) -> Vec<u64> {
    lines.read(|lines| lines.0.0.iter().map(|line| line.count).collect())
}

/// Waits until two hold the shard, and this member is one of them.
fn both_hold(member: &Member) {
    let both = |status: &Status| {
        let view = status.view.as_ref();
        let members = view.map_or(0, |view| view.shards[0].members.len());
        status.serves() && status.shards[0].holds && members == 2
    };
    wait(member.when(both)).unwrap();
}

fn contacts() -> Entry {
    Entry::Join(vec![(node(1), fabric_name(node(1)))])
}

#[test]
fn a_machine_that_takes_long_to_be_made_stops_no_thread_but_its_own() {
    let network = Network::default();
    let (first, one) = start(&network, 1, Mode::Durable, Entry::Found);
    (0..20).for_each(|count| tell(&first, count, Delivered));
    wait(first.checkpoint()).unwrap();
    MAKING.set(State::Closed);
    let (second, two) = start(&network, 2, Mode::Durable, contacts());
    MAKING.wait_until(State::Reached);
    let answer = wait(one.p2p_send(node(2), b"are you there?".to_vec()));
    assert_eq!(answer.as_deref(), Ok(&b"here"[..]));
    tell(&first, 20, AllDurable);
    MAKING.set(State::Open);
    both_hold(&two);
    wait(second.latest()).unwrap();
    assert!(counts_of(&second).into_iter().eq(0..=20));
}

#[test]
fn a_machine_that_takes_long_to_tell_its_state_stops_no_thread_but_its_own() {
    let network = Network::default();
    let (first, one) = start(&network, 1, Mode::Durable, Entry::Found);
    let (second, two) = start(&network, 2, Mode::Durable, contacts());
    both_hold(&one);
    both_hold(&two);
    (0..20).for_each(|count| tell(&first, count, Delivered));
    TELLING.set(State::Closed);
    std::thread::scope(|scope| {
        let checkpoint = scope.spawn(|| wait(first.checkpoint()));
        TELLING.wait_until(State::Reached);
        // It orders what others send, and makes it safe.
        tell(&second, 20, AllDurable);
        let answer = wait(two.p2p_send(node(1), b"are you there?".to_vec()));
        assert_eq!(answer.as_deref(), Ok(&b"here"[..]));
        // What was told to be there must be seen by who asks for the latest.
        let mut latest = Box::pin(first.latest());
        let mut own = Box::pin(first.ordered_send(told(21), Delivered));
        let mut context = Context::from_waker(Waker::noop());
        assert!(own.as_mut().poll(&mut context).is_pending());
        assert!(latest.as_mut().poll(&mut context).is_pending());
        // What the other says of the view comes before its answer to a later call.
        wait(one.p2p_send(node(2), b"are you there?".to_vec())).unwrap();
        assert!(latest.as_mut().poll(&mut context).is_pending());
        assert!(counts_of(&first).into_iter().eq(0..20));
        TELLING.set(State::Open);
        assert_eq!(wait(own).unwrap().reply, 22);
        wait(latest).unwrap();
        assert!(counts_of(&first).into_iter().eq(0..=21));
        assert_eq!(checkpoint.join().unwrap(), Ok(()));
    });
}

#[test]
fn one_in_memory_is_told_and_made_beside_the_order_as_well() {
    let network = Network::default();
    let (first, one) = start(&network, 1, Mode::Volatile, Entry::Found);
    // More than is kept of the latest updates.
    for count in 0..20 {
        wait(first.ordered_send(Told { length: 1 << 20, ..told(count) }, Delivered)).unwrap();
    }
    let (second, two) = start(&network, 2, Mode::Volatile, contacts());
    both_hold(&two);
    both_hold(&one);
    tell(&second, 20, Delivered);
    wait(first.latest()).unwrap();
    assert!(counts_of(&first).into_iter().eq(0..=20));
    assert!(counts_of(&second).into_iter().eq(0..=20));
}
