//! Who may wait for what is bounded, and one more is told so.

use std::future::Future;
use std::pin::{Pin, pin};
use std::sync::mpsc;
use std::task::{Context, Poll, Waker};

use notrace_store_fabric::loopback::Network;
use notrace_store_protocol::layout::Mode;
use notrace_store_replica::limits::{CALLS_MAX, CHECKPOINTS_MAX, READERS_MAX};
use notrace_store_replica::{
    CallError, CheckpointError, Entry, Member, OnCall, ReadError, Replica, ReplicaConfig,
    Replicated, SystemClock, fabric_name,
};

use crate::common::{Lines, node, spec, wait};
use crate::disks::Disks;
use crate::puppet::{ANSWER, CALL, Puppet};

fn start(
    network: &Network,
    disks: &Disks,
    entry: Entry,
    on_call: OnCall,
) -> (Replicated<Lines>, Member) {
    let mut replica = Replica::on(disks.clone(), ReplicaConfig::new(node(1)));
    let lines = replica.shard(spec(Mode::Durable), Lines::default).unwrap();
    let fabric = network.endpoint(&fabric_name(node(1)), &[], 1 << 16);
    (lines, replica.start(fabric, SystemClock, entry, on_call).unwrap())
}

fn nobody_answers() -> OnCall {
    Box::new(|_, _, _| {})
}

/// So many futures that all wait.
fn all_waiting<T, F: Future<Output = T>>(count: usize, ask: impl Fn() -> F) -> Vec<Pin<Box<F>>> {
    let mut all: Vec<_> = (0..count).map(|_| Box::pin(ask())).collect();
    let mut context = Context::from_waker(Waker::noop());
    assert!(all.iter_mut().all(|one| one.as_mut().poll(&mut context).is_pending()));
    all
}

fn at_once<T>(future: impl Future<Output = T>) -> Option<T> {
    match pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(value) => Some(value),
        Poll::Pending => None,
    }
}

#[test]
fn one_more_reader_than_may_wait_is_turned_away() {
    let elsewhere = Entry::Join(vec![(node(2), fabric_name(node(2)))]);
    let network = Network::default();
    let (lines, _member) = start(&network, &Disks::default(), elsewhere, nobody_answers());
    let waiting = all_waiting(READERS_MAX, || lines.latest());
    assert_eq!(at_once(lines.latest()), Some(Err(ReadError::Busy)));
    drop(waiting);
}

#[test]
fn one_more_than_may_wait_for_a_checkpoint_is_turned_away() {
    let (network, disks) = (Network::default(), Disks::default());
    let (lines, _member) = start(&network, &disks, Entry::Found, nobody_answers());
    let disk = disks.of("shard-0");
    disk.allow(0);
    let waiting = all_waiting(CHECKPOINTS_MAX, || lines.checkpoint());
    assert_eq!(at_once(lines.checkpoint()), Some(Err(CheckpointError::Busy)));
    disk.allow_all();
    for asked in waiting {
        assert_eq!(wait(asked), Ok(()));
    }
    assert_eq!(wait(lines.checkpoint()), Ok(()));
}

#[test]
fn one_more_call_than_may_be_open_is_turned_away() {
    let network = Network::default();
    let (_, member) = start(&network, &Disks::default(), Entry::Found, nobody_answers());
    let mut puppet = Puppet::new(&network, 9);
    puppet.greet(1, 1);
    wait(member.when(|status| status.linked.contains(&node(9)))).unwrap();
    let waiting = all_waiting(CALLS_MAX, || member.p2p_send(node(9), b"abc".to_vec()));
    let one_more = at_once(member.p2p_send(node(9), b"abc".to_vec()));
    assert_eq!(one_more, Some(Err(CallError::Busy)));
    drop(waiting);
}

#[test]
fn one_more_call_of_a_peer_than_may_be_open_is_turned_away() {
    let network = Network::default();
    let (keep, kept) = mpsc::channel();
    let on_call: OnCall = Box::new(move |_, _, answerer| keep.send(answerer).unwrap());
    let (_, _member) = start(&network, &Disks::default(), Entry::Found, on_call);
    let mut puppet = Puppet::new(&network, 9);
    let link = puppet.greet(1, 1);
    for number in 0..=CALLS_MAX as u64 {
        puppet.say(link, [&[CALL][..], &number.to_le_bytes(), b"abc"].concat());
    }
    let refused = puppet.hear_kind(link, ANSWER);
    assert_eq!(refused[1..], [&(CALLS_MAX as u64).to_le_bytes()[..], &[0]].concat());
    assert_eq!(kept.iter().take(CALLS_MAX).count(), CALLS_MAX);
}
