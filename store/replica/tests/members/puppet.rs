//! A peer that says what it is told to, as bytes, and does nothing by itself.

use std::sync::mpsc;
use std::time::Duration;

use bytes::{BufMut, Bytes};
use notrace_store_fabric::loopback::{Loopback, Network};
use notrace_store_fabric::mail::{Letter, Mail};
use notrace_store_fabric::{Event, Fabric, LinkId};
use notrace_store_replica::limits::CALL_BYTES_MAX;
use notrace_store_replica::{CallError, CutOff, Fault, Member, fabric_name};

use crate::common::{node, wait};
use crate::nodes::group;

/// Well below the time after which a call is given up, and far above what an answer takes.
const SOON: Duration = Duration::from_secs(5);
const REGION_BYTES: u32 = 1 << 16;

pub(super) struct Puppet {
    number: u32,
    fabric: Loopback,
    mail: Mail,
}

impl Puppet {
    pub(super) fn new(network: &Network, number: u32) -> Self {
        let fabric = network.endpoint(&fabric_name(node(number)), &[], REGION_BYTES);
        Self { number, fabric, mail: Mail::default() }
    }

    /// Links to a node and says who is here, in which life.
    pub(super) fn greet(&mut self, to: u32, life: u32) -> LinkId {
        self.fabric.dial(&fabric_name(node(to)));
        let mut events = Vec::new();
        let link = loop {
            self.fabric.poll(SOON, &mut events);
            let up = events.drain(..).find_map(|event| match event {
                Event::Up { link, peer, .. } => Some((link, peer)),
                _ => None,
            });
            if let Some((link, peer)) = up {
                self.mail.open(link, &peer, REGION_BYTES);
                break link;
            }
        };
        let mut greeting = vec![1];
        greeting.put_u32_le(self.number);
        greeting.put_u32_le(life);
        greeting.put_u64_le(u64::from(self.number));
        self.say(link, greeting);
        link
    }

    pub(super) fn say(&mut self, link: LinkId, head: Vec<u8>) {
        self.mail.post(link, Letter { head, body: Vec::new() }).unwrap();
        self.mail.pump(&mut self.fabric);
    }

    /// Waits for the next letters; none once the link is gone.
    fn hear(&mut self, link: LinkId) -> Vec<Bytes> {
        let (mut events, mut letters) = (Vec::new(), Vec::new());
        // A poll may end with what is no event to whoever polls.
        for _ in 0..100 {
            self.fabric.poll(SOON, &mut events);
            for event in events.drain(..) {
                match event {
                    Event::Bell { link, word } => {
                        self.mail.rang(&mut self.fabric, link, word, &mut letters).unwrap();
                    }
                    Event::Down { link: down, .. } if down == link => return letters,
                    _ => {}
                }
            }
            if !letters.is_empty() {
                return letters;
            }
        }
        panic!("nothing happens");
    }

    /// Waits until the other end has said what begins with this kind.
    pub(super) fn hear_kind(&mut self, link: LinkId, kind: u8) -> Bytes {
        loop {
            let letters = self.hear(link);
            assert!(!letters.is_empty(), "the link is gone");
            if let Some(letter) = letters.into_iter().find(|letter| letter[0] == kind) {
                return letter;
            }
        }
    }
}

/// What becomes of a call that is not waited for.
fn call(member: &Member, to: u32, bytes: Vec<u8>) -> mpsc::Receiver<Result<Bytes, CallError>> {
    let (tell, heard) = mpsc::channel();
    let member = member.clone();
    std::thread::spawn(move || {
        // Whoever does not listen any more has seen enough.
        let _ = tell.send(wait(member.p2p_send(node(to), bytes)));
    });
    heard
}

/// A node, and a peer that is linked to it and keeps still.
fn linked(network: &Network, member: &Member) -> (Puppet, LinkId) {
    let mut puppet = Puppet::new(network, 9);
    let link = puppet.greet(1, 1);
    wait(member.when(|status| status.linked.contains(&node(9)))).unwrap();
    (puppet, link)
}

pub(super) const CALL: u8 = 5;
pub(super) const ANSWER: u8 = 6;

#[test]
fn calls_over_a_link_that_is_replaced_are_ended_at_once() {
    let (network, nodes) = group(1);
    let (mut puppet, link) = linked(&network, nodes[0].member());
    let answer = call(nodes[0].member(), 9, b"over the first".to_vec());
    puppet.hear_kind(link, CALL);
    puppet.greet(1, 2);
    assert_eq!(answer.recv_timeout(SOON), Ok(Err(CallError::NoAnswer)));
}

#[test]
fn calls_to_a_peer_that_takes_nothing_are_ended_at_once() {
    let (network, nodes) = group(1);
    let (mut puppet, link) = linked(&network, nodes[0].member());
    let answer = call(nodes[0].member(), 9, b"to who is slow".to_vec());
    puppet.hear_kind(link, CALL);
    // Never touched until it is sent, so it costs no memory.
    let large: Vec<_> =
        (0..3).map(|_| call(nodes[0].member(), 9, vec![0; CALL_BYTES_MAX])).collect();
    assert_eq!(answer.recv_timeout(SOON), Ok(Err(CallError::NoAnswer)));
    for answer in large {
        let ended = answer.recv_timeout(SOON).unwrap();
        assert!(matches!(ended, Err(CallError::NoAnswer | CallError::Unreachable)));
    }
    let cut_off = CutOff { node: node(9), why: Fault::TooSlow };
    wait(nodes[0].member().when(|status| status.cut_off == [cut_off])).unwrap();
}

#[test]
fn a_call_that_is_too_long_is_refused_and_the_link_stays() {
    let (network, nodes) = group(1);
    let (mut puppet, link) = linked(&network, nodes[0].member());
    let too_long = call(nodes[0].member(), 9, vec![0; CALL_BYTES_MAX + 1]);
    assert_eq!(too_long.recv_timeout(SOON), Ok(Err(CallError::TooLarge)));
    let _answer = call(nodes[0].member(), 9, b"fits".to_vec());
    assert!(puppet.hear_kind(link, CALL).ends_with(b"fits"));
}

#[test]
fn an_answer_to_the_call_of_another_changes_nothing() {
    let (network, nodes) = group(1);
    let (mut puppet, link) = linked(&network, nodes[0].member());
    let answer = call(nodes[0].member(), 9, b"whose".to_vec());
    let number = puppet.hear_kind(link, CALL).slice(1..9);
    let mut other = Puppet::new(&network, 8);
    let others = other.greet(1, 1);
    let says = |what: &[u8]| [&[ANSWER][..], &number, &[1], what].concat();
    other.say(others, says(b"not mine"));
    // A call of its own shows that the word before it was heard.
    other.say(others, [&[CALL][..], &[0; 8], b"abc"].concat());
    other.hear_kind(others, ANSWER);
    puppet.say(link, says(b"mine"));
    assert_eq!(answer.recv_timeout(SOON), Ok(Ok(Bytes::from_static(b"mine"))));
}

#[test]
fn who_says_what_no_node_says_is_cut_off_with_a_reason() {
    let (network, nodes) = group(1);
    let (mut puppet, link) = linked(&network, nodes[0].member());
    puppet.say(link, vec![77]);
    while !puppet.hear(link).is_empty() {}
    let cut_off = CutOff { node: node(9), why: Fault::Rules };
    wait(nodes[0].member().when(|status| status.cut_off == [cut_off])).unwrap();
}
