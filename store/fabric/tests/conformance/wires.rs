//! The rules, when the wire between two ends holds back or fails.

use notrace_store_fabric::mail::{Letter, Mail};
use notrace_store_fabric::{Event, Fabric, LinkId};

use crate::rig::{Node, Pair, SHORT, Wire, connect, deadline, now, pattern, rest, until};

pub(crate) fn what_is_held_back_is_not_seen<W: Wire>() {
    let Pair { mut rig, mut one, mut other, here, there } = Pair::<W>::new(64 << 10);
    rest(&mut one, &mut other);
    rig.hold("one", "other");
    for word in 0..10 {
        one.write_and_ring(here, 100 * word, &pattern(word as usize, 100), word);
    }
    rest(&mut one, &mut other);
    assert_eq!(other.bells(there), []);
    rig.release("one", "other");
    until(&mut one, &mut other, |_, other| other.bells(there).len() == 10);
    for word in 0..10 {
        assert_eq!(other.read(there, 100 * word, 100), pattern(word, 100));
    }
    assert_eq!(other.bells(there), (0..10).collect::<Vec<_>>());
}

pub(crate) fn a_held_way_does_not_hold_the_other<W: Wire>() {
    let Pair { mut rig, mut one, mut other, here, there } = Pair::<W>::new(64 << 10);
    rest(&mut one, &mut other);
    rig.hold("one", "other");
    one.fabric.ring(here, 1).unwrap();
    other.write_and_ring(there, 0, b"back", 2);
    until(&mut one, &mut other, |one, _| one.bells(here) == [2]);
    assert_eq!((one.read(here, 0, 4), other.bells(there)), (b"back".to_vec(), vec![]));
    rig.release("one", "other");
    until(&mut one, &mut other, |_, other| other.bells(there) == [1]);
}

/// Polls until the link is down; at each bell, what was rung for has to be there.
fn watch_until_down<F: Fabric>(
    node: &mut Node<F>,
    link: LinkId,
    mut check: impl FnMut(&Node<F>, u32),
) {
    let end = deadline();
    while node.downs(link) == 0 {
        assert!(now() < end, "the link never goes down");
        for event in node.poll(SHORT) {
            if let Event::Bell { word, .. } = event {
                check(node, word);
            }
        }
    }
}

pub(crate) fn a_torn_write_rings_no_bell<W: Wire>() {
    const WRITES: usize = 4;
    const BYTES: usize = 500;
    let Pair { mut rig, mut one, mut other, mut here, mut there } = Pair::<W>::new(64 << 10);
    let mut most = 0;
    for landing in W::points(WRITES, BYTES) {
        rest(&mut one, &mut other);
        rig.hold("one", "other");
        for word in 0..WRITES {
            one.write_and_ring(here, (word * BYTES) as u32, &pattern(word, BYTES), word as u32);
            one.poll(SHORT);
        }
        rig.sever("one", "other", landing);
        watch_until_down(&mut other, there, |other, word| {
            let word = word as usize;
            assert!(other.read(there, word * BYTES, BYTES) == pattern(word, BYTES), "torn");
        });
        watch_until_down(&mut one, here, |_, _| panic!("nobody rang"));
        rest(&mut one, &mut other);
        let bells = other.bells(there);
        assert_eq!(bells, (0..bells.len() as u32).collect::<Vec<_>>());
        assert!(bells.len() <= WRITES);
        assert!(landing > 0 || bells.is_empty(), "nothing landed and something was seen");
        most = most.max(bells.len());
        assert_eq!((one.downs(here), other.downs(there)), (1, 1));
        let of = |event: &Event| matches!(event, Event::Down { .. });
        assert!(other.seen.last().is_some_and(of) && one.seen.last().is_some_and(of));
        (here, there) = connect(&mut rig, (&mut one, "one"), (&mut other, "other"));
    }
    assert_eq!(most, WRITES, "the last point lets everything land");
}

pub(crate) fn a_torn_whole_region_rings_no_bell<W: Wire>() {
    const BYTES: usize = 1 << 20;
    let Pair { mut rig, mut one, mut other, mut here, mut there } = Pair::<W>::new(BYTES as u32);
    let points = W::points(1, BYTES);
    // Few of them: the first, some between, and the last.
    let few = points.iter().step_by(1.max(points.len() / 8)).chain(points.last());
    for landing in few {
        rest(&mut one, &mut other);
        rig.hold("one", "other");
        one.write_and_ring(here, 0, &pattern(1, BYTES), 1);
        rest(&mut one, &mut other);
        rig.sever("one", "other", *landing);
        let end = deadline();
        // Both, because a wire passes on only what its own end goes on sending.
        while one.downs(here) + other.downs(there) < 2 {
            assert!(now() < end, "the link never goes down");
            one.poll(SHORT);
            if other.poll(SHORT).contains(&Event::Bell { link: there, word: 1 }) {
                assert!(other.read(there, 0, BYTES) == pattern(1, BYTES));
                let most = points.last().unwrap();
                assert!(*landing > most / 2, "a bell before all was there");
            }
        }
        assert_eq!((one.downs(here), other.downs(there)), (1, 1));
        (here, there) = connect(&mut rig, (&mut one, "one"), (&mut other, "other"));
    }
}

pub(crate) fn a_severed_link_comes_back_as_another<W: Wire>() {
    let Pair { mut rig, mut one, mut other, here, there } = Pair::<W>::new(64 << 10);
    one.write_and_ring(here, 0, b"old", 1);
    until(&mut one, &mut other, |_, other| other.bells(there) == [1]);
    rig.sever("one", "other", 0);
    until(&mut one, &mut other, |one, other| one.downs(here) == 1 && other.downs(there) == 1);
    let (again, there_again) = connect(&mut rig, (&mut one, "one"), (&mut other, "other"));
    assert!(again > here && there_again > there);
    assert_eq!(other.read(there_again, 0, 3), [0; 3]);
    one.write_and_ring(again, 0, b"new", 2);
    until(&mut one, &mut other, |_, other| other.bells(there_again) == [2]);
    assert_eq!((other.read(there_again, 0, 3), other.bells(there)), (b"new".to_vec(), vec![1]));
}

pub(crate) fn letters_before_the_tear_are_whole<W: Wire>() {
    const ROOM: u32 = 64 << 10;
    let Pair { mut rig, mut one, mut other, mut here, mut there } = Pair::<W>::new(ROOM);
    let mut most = 0;
    for landing in W::points(4, 500) {
        let (mut sending, mut receiving) = (Mail::default(), Mail::default());
        sending.open(here, &one.peer(), ROOM);
        receiving.open(there, &other.peer(), ROOM);
        rest(&mut one, &mut other);
        rig.hold("one", "other");
        for which in 0..4 {
            let letter = Letter { head: pattern(which, 500), body: Vec::new() };
            sending.post(here, letter).unwrap();
            sending.pump(&mut one.fabric);
            one.poll(SHORT);
        }
        rig.sever("one", "other", landing);
        let mut letters = Vec::new();
        let end = deadline();
        while other.downs(there) == 0 {
            assert!(now() < end, "the link never goes down");
            for event in other.poll(SHORT) {
                if let Event::Bell { link, word } = event {
                    receiving.rang(&mut other.fabric, link, word, &mut letters).unwrap();
                }
            }
        }
        assert!(letters.len() <= 4);
        most = most.max(letters.len());
        for (which, letter) in letters.iter().enumerate() {
            assert!(*letter == pattern(which, 500));
        }
        until(&mut one, &mut other, |one, _| one.downs(here) == 1);
        (here, there) = connect(&mut rig, (&mut one, "one"), (&mut other, "other"));
    }
    assert_eq!(most, 4);
}
