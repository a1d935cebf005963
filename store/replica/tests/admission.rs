//! Who is told that a name and a key are not enough.
#![cfg(test)]

mod common;
#[expect(dead_code, reason = "no power is lost in these tests")]
#[path = "common/folders.rs"]
mod folders;

use std::collections::BTreeMap;
use std::sync::{Arc, Condvar, Mutex, MutexGuard};
use std::time::Duration;

use common::{Lines, node, spec, wait};
use folders::Folders;
use notrace_store_fabric::limits::REGION_BYTES_DEFAULT;
use notrace_store_fabric::loopback::{Loopback, Network};
use notrace_store_fabric::{Event, Fabric};
use notrace_store_protocol::layout::Mode;
use notrace_store_protocol::limits::Limits;
use notrace_store_replica::limits::LIMITS_DEFAULT;
use notrace_store_replica::{
    Admission, Entry, Member, Replica, ReplicaConfig, SystemClock, Verdict, fabric_name,
};

const LIMITS: Limits = Limits {
    heartbeat: 10_000,
    suspect_after: 600_000,
    suspect_after_break: 50_000,
    ask_again: 20_000,
    ..LIMITS_DEFAULT
};

/// What one member knows of the others, and how often it was asked.
#[derive(Clone, Default)]
struct Book(Arc<(Mutex<Pages>, Condvar)>);

#[derive(Default)]
struct Pages {
    keys: BTreeMap<u32, [u8; 32]>,
    /// Nodes that it will learn of.
    to_come: Vec<u32>,
    asked: BTreeMap<u32, usize>,
}

impl Book {
    fn of(nodes: &[u32]) -> Self {
        let book = Self::default();
        book.pages().keys = nodes.iter().map(|node| (*node, key(*node))).collect();
        book
    }

    fn pages(&self) -> MutexGuard<'_, Pages> {
        self.0.0.lock().unwrap()
    }

    fn admission(&self) -> Admission {
        let book = self.clone();
        Box::new(move |node, key| {
            let mut pages = book.pages();
            let number = node.number();
            book.0.1.notify_all();
            *pages.asked.entry(number).or_default() += 1;
            match pages.keys.get(&number) {
                Some(known) if Some(known) == key => Verdict::Admitted,
                None if pages.to_come.contains(&number) => Verdict::Unknown,
                _ => Verdict::Refused,
            }
        })
    }

    fn learn(&self, number: u32) {
        self.pages().keys.insert(number, key(number));
    }

    fn strike(&self, number: u32) {
        self.pages().keys.remove(&number);
    }

    fn asked(&self, number: u32) -> usize {
        self.pages().asked.get(&number).copied().unwrap_or_default()
    }

    /// Waits until it was asked about a node so often.
    fn is_asked(&self, number: u32, times: usize) {
        let fewer = |pages: &mut Pages| pages.asked.get(&number).is_none_or(|it| *it < times);
        drop(self.0.1.wait_while(self.pages(), fewer).unwrap());
    }
}

/// The key that a node has from its beginning.
fn key(number: u32) -> [u8; 32] {
    [number as u8; 32]
}

fn end(network: &Network, number: u32, key: [u8; 32]) -> Loopback {
    network.endpoint(&fabric_name(node(number)), &[], REGION_BYTES_DEFAULT).with_key(key)
}

fn start(network: &Network, number: u32, others: &[u32], admission: Admission) -> Member {
    let config = ReplicaConfig { limits: LIMITS, ..ReplicaConfig::new(node(number)) };
    let mut replica = Replica::on(Folders::default(), config);
    replica.shard(spec(Mode::Durable), Lines::default).unwrap();
    replica.admit(admission);
    let contacts = others.iter().map(|other| (node(*other), fabric_name(node(*other))));
    let fabric = end(network, number, key(number));
    let entry = Entry::Join(contacts.collect());
    replica.start(fabric, SystemClock, entry, Box::new(|_, _, _| {})).unwrap()
}

fn in_view_of(member: &Member, count: usize) -> bool {
    let serves = wait(member.when(|status| {
        status.serves() && status.view.as_ref().is_some_and(|view| view.members.len() == count)
    }));
    serves.is_some()
}

/// A bare end that dials `n1`, and what happens to it until `enough`.
fn dial(end: &mut Loopback, mut enough: impl FnMut(&[Event]) -> bool) -> Vec<Event> {
    let mut seen = Vec::new();
    while !enough(&seen) {
        end.poll(Duration::from_millis(1), &mut seen);
    }
    seen
}

fn is_greeted(seen: &[Event]) -> bool {
    seen.iter().any(|event| matches!(event, Event::Bell { .. }))
}

fn is_cut(seen: &[Event]) -> bool {
    seen.iter().any(|event| matches!(event, Event::Down { .. }))
}

mod a_peer {
    use super::*;

    #[test]
    fn with_a_members_name_and_another_key_is_told_nothing_and_cut_off() {
        let network = Network::default();
        let member = start(&network, 1, &[], Book::of(&[2]).admission());
        assert!(in_view_of(&member, 1));
        for (shown, expected) in [([9; 32], false), (key(2), true)] {
            let mut end = end(&network, 2, shown);
            end.dial("n1");
            let seen = dial(&mut end, |seen| is_cut(seen) || is_greeted(seen));
            assert_eq!((is_greeted(&seen), is_cut(&seen)), (expected, !expected));
        }
    }

    #[test]
    fn of_no_nodes_name_is_cut_off() {
        let network = Network::default();
        let member = start(&network, 1, &[], Box::new(|_, _| Verdict::Admitted));
        assert!(in_view_of(&member, 1));
        for name in ["n02", "n0", "2", "n", "somebody"] {
            let mut end = network.endpoint(name, &[], REGION_BYTES_DEFAULT);
            end.dial("n1");
            assert!(!is_greeted(&dial(&mut end, is_cut)), "{name}");
        }
    }

    #[test]
    fn that_is_not_known_yet_waits_until_it_is() {
        let network = Network::default();
        let book = Book::default();
        book.pages().to_come.push(2);
        let member = start(&network, 1, &[], book.admission());
        assert!(in_view_of(&member, 1));
        let mut end = end(&network, 2, key(2));
        end.dial("n1");
        // Asked at the link's beginning and at heartbeats after it.
        let before = dial(&mut end, |_| book.asked(2) > 2);
        assert!(!is_greeted(&before) && !is_cut(&before));
        book.learn(2);
        assert!(!is_cut(&dial(&mut end, is_greeted)));
    }
}

mod a_member {
    use super::*;

    #[test]
    fn that_is_struck_off_is_put_out_and_does_not_come_back() {
        let network = Network::default();
        let books = [Book::of(&[2, 3]), Book::of(&[1, 3]), Book::of(&[1, 2])];
        let first = start(&network, 1, &[], books[0].admission());
        let second = start(&network, 2, &[1], books[1].admission());
        assert!(in_view_of(&first, 2));
        let third = start(&network, 3, &[1, 2], books[2].admission());
        assert!([&first, &second, &third].into_iter().all(|member| in_view_of(member, 3)));
        for (member, book) in [(&first, &books[0]), (&second, &books[1])] {
            book.strike(3);
            member.forget(node(3));
        }
        assert!(in_view_of(&first, 2) && in_view_of(&second, 2));
        // It is alive, and comes again and again.
        books[0].is_asked(3, books[0].asked(3) + 4);
        assert!(!first.status().linked.contains(&node(3)));
        assert!(in_view_of(&first, 2));
        assert!(!third.status().serves());
    }
}

mod a_node {
    use super::*;

    #[test]
    fn that_is_struck_off_while_linked_is_not_taken_in() {
        let network = Network::default();
        let book = Book::of(&[2]);
        let first_time = Mutex::new(true);
        let asked = book.admission();
        // Good when the link comes up, and never after.
        let admission: Admission = Box::new(move |node, key| {
            let verdict = asked(node, key);
            match std::mem::take(&mut *first_time.lock().unwrap()) {
                true => verdict,
                false => Verdict::Refused,
            }
        });
        let member = start(&network, 1, &[], admission);
        assert!(in_view_of(&member, 1));
        let other = start(&network, 2, &[1], Book::of(&[1]).admission());
        // Once for the link, once for its wish to join, and then when it dials again.
        book.is_asked(2, 3);
        assert_eq!(member.status().view.as_ref().unwrap().members.len(), 1);
        assert!(!other.status().serves());
    }
}
