//! The rules, as they are seen from the ends of a link.

use std::collections::BTreeSet;
use std::time::Duration;

use notrace_store_fabric::limits::{BACKLOG_BYTES_MAX, LINKS_MAX};
use notrace_store_fabric::{Event, Fabric, LinkId, Refused};

use crate::rig::{Node, Pair, Rig, connect, deadline, now, pattern, rest, until};

const ROOM: u32 = 64 << 10;

pub(crate) fn both_ends_learn_of_each_other<R: Rig>() {
    let mut rig = R::new();
    let mut one = Node::new(rig.end("one", b"first", 8 << 10));
    let mut other = Node::new(rig.end("other", b"", 16 << 10));
    connect(&mut rig, (&mut one, "one"), (&mut other, "other"));
    let (_, _, met) = one.ups().pop().unwrap();
    assert_eq!((met.name.as_str(), met.hello.as_slice(), met.room), ("other", &b""[..], 16 << 10));
    let (_, _, met) = other.ups().pop().unwrap();
    assert_eq!(
        (met.name.as_str(), met.hello.as_slice(), met.room),
        ("one", &b"first"[..], 8 << 10)
    );
}

pub(crate) fn a_dial_to_nobody_fails_once<R: Rig>() {
    let mut pair = Pair::<R>::new(ROOM);
    let nobody = pair.rig.nobody();
    let dials = [pair.one.fabric.dial(&nobody), pair.one.fabric.dial(&nobody)];
    assert_ne!(dials[0], dials[1]);
    pair.until(|one, _| dials.iter().all(|dial| one.failures(*dial) > 0));
    rest(&mut pair.one, &mut pair.other);
    assert_eq!(dials.map(|dial| pair.one.failures(dial)), [1, 1]);
    assert_eq!((pair.one.ups().len(), pair.one.downs(pair.here)), (1, 0));
}

pub(crate) fn writes_and_rings_land_in_order<R: Rig>() {
    let Pair { mut one, mut other, here, there, .. } = Pair::<R>::new(ROOM);
    let count = 2000_u32;
    for word in 0..count {
        one.write_and_ring(here, 40, &word.to_le_bytes(), word);
    }
    let mut heard = 0;
    until(&mut one, &mut other, |_, other| {
        for word in other.bells(there).into_iter().skip(heard as usize) {
            assert_eq!(word, heard);
            let latest = u32::from_le_bytes(other.read(there, 40, 4).try_into().unwrap());
            assert!(latest >= word, "an older write is there than the one that was rung for");
            heard += 1;
        }
        heard == count
    });
    assert_eq!(other.read(there, 40, 4), (count - 1).to_le_bytes());
}

pub(crate) fn a_bell_means_that_all_before_it_can_be_read<R: Rig>() {
    let Pair { mut one, mut other, here, there, .. } = Pair::<R>::new(1 << 20);
    let sizes = [0, 1, 7, 100, 1000, 16_384, 16_385, 40_000, 3, 200_000];
    let places: Vec<usize> = sizes
        .iter()
        .scan(5, |at, size| {
            *at += size;
            Some(*at - size)
        })
        .collect();
    for (which, (size, place)) in sizes.iter().zip(&places).enumerate() {
        one.write_and_ring(here, *place as u32, &pattern(which, *size), which as u32);
    }
    let mut checked = 0;
    until(&mut one, &mut other, |_, other| {
        while checked < other.bells(there).len() {
            for which in 0..=checked {
                let landed = other.read(there, places[which], sizes[which]);
                assert!(landed == pattern(which, sizes[which]), "write {which} is not there");
            }
            checked += 1;
        }
        checked == sizes.len()
    });
}

pub(crate) fn parts_land_one_after_the_other<R: Rig>() {
    let Pair { mut one, mut other, here, there, .. } = Pair::<R>::new(ROOM);
    let long = pattern(0, 30_000);
    one.fabric.write(here, 3, &[b"ab", b"", b"c", &long, b"d"]).unwrap();
    one.fabric.write(here, 0, &[]).unwrap();
    one.fabric.write(here, ROOM, &[b""]).unwrap();
    one.fabric.ring(here, 9).unwrap();
    until(&mut one, &mut other, |_, other| other.bells(there) == [9]);
    let landed = other.read(there, 0, 3 + 30_004);
    assert!(landed == [&b"\0\0\0abc"[..], &long, b"d"].concat());
}

pub(crate) fn a_write_outside_the_region_is_refused<R: Rig>() {
    let Pair { mut one, mut other, here, there, .. } = Pair::<R>::new(ROOM);
    for (offset, length) in [(ROOM, 1), (ROOM - 1, 2), (u32::MAX, 1), (0, ROOM as usize + 1)] {
        let refused = one.fabric.write(here, offset, &[&vec![7; length]]);
        assert_eq!(refused, Err(Refused::OutOfRegion));
    }
    one.write_and_ring(here, ROOM - 1, b"!", 1);
    until(&mut one, &mut other, |_, other| other.bells(there) == [1]);
    let mut expected = vec![0; ROOM as usize];
    expected[ROOM as usize - 1] = b'!';
    assert!(other.read(there, 0, ROOM as usize) == expected);
}

pub(crate) fn a_read_outside_the_region_is_refused<R: Rig>() {
    let pair = Pair::<R>::new(ROOM);
    for (offset, length) in [(ROOM, 1), (ROOM - 1, 2), (u32::MAX, 1), (0, ROOM as usize + 1)] {
        let refused = pair.one.fabric.read(pair.here, offset, &mut vec![0; length]);
        assert_eq!(refused, Err(Refused::OutOfRegion));
    }
    assert_eq!(pair.one.fabric.read(pair.here, ROOM, &mut []), Ok(()));
}

pub(crate) fn a_link_that_is_not_there_refuses_everything<R: Rig>() {
    let Pair { mut one, mut other, here, .. } = Pair::<R>::new(ROOM);
    let refuses = |node: &mut Node<R::End>, link: LinkId| {
        assert_eq!(node.fabric.write(link, 0, &[b"x"]), Err(Refused::NoLink));
        assert_eq!(node.fabric.ring(link, 0), Err(Refused::NoLink));
        assert_eq!(node.fabric.read(link, 0, &mut [0]), Err(Refused::NoLink));
        node.fabric.cut(link);
    };
    refuses(&mut one, LinkId(here.0 + 1000));
    one.fabric.cut(here);
    refuses(&mut one, here);
    let there = other.ups()[0].0;
    until(&mut one, &mut other, |_, other| other.downs(there) == 1);
    refuses(&mut other, there);
    assert!(one.seen.iter().all(|event| matches!(event, Event::Up { .. })));
}

pub(crate) fn a_write_to_who_takes_nothing_is_refused_until_there_is_room<R: Rig>() {
    let Pair { mut one, mut other, here, there, .. } = Pair::<R>::new(1 << 20);
    let chunk = pattern(3, 1 << 20);
    let mut written = 0;
    let mut refused = None;
    // Beyond what may wait there is what the network holds.
    while refused.is_none() && written < 8 * (BACKLOG_BYTES_MAX >> 20) {
        refused = one.fabric.write(here, 0, &[&chunk]).err();
        written += usize::from(refused.is_none());
        one.poll(Duration::ZERO);
    }
    assert_eq!(refused, R::FILLS.then_some(Refused::Full));
    // A ring is taken all the same.
    one.fabric.ring(here, 5).unwrap();
    until(&mut one, &mut other, |one, other| {
        let sent = one.seen.iter().any(|event| matches!(event, Event::Sent { .. }));
        other.bells(there) == [5] && sent == R::FILLS
    });
    assert!(other.read(there, 0, 1 << 20) == chunk);
    assert_eq!(one.fabric.write(here, 0, &[b"again"]), Ok(()));
    one.fabric.ring(here, 6).unwrap();
    until(&mut one, &mut other, |_, other| other.bells(there) == [5, 6]);
    assert_eq!(other.read(there, 0, 5), b"again");
}

pub(crate) fn every_ring_is_seen<R: Rig>() {
    let Pair { mut one, mut other, here, there, .. } = Pair::<R>::new(ROOM);
    let words: Vec<u32> = (0..50_000).map(|word: u32| word.wrapping_mul(0x9e37_79b9)).collect();
    for (at, word) in words.iter().enumerate() {
        one.fabric.ring(here, *word).unwrap();
        other.fabric.ring(there, !*word).unwrap();
        if at % 1000 == 0 {
            one.poll(Duration::ZERO);
        }
    }
    let count = |node: &Node<R::End>| node.seen.len();
    until(&mut one, &mut other, |one, other| {
        count(one) > words.len() && count(other) > words.len()
    });
    assert!(other.bells(there) == words);
    assert!(one.bells(here).iter().map(|word| !*word).eq(words));
}

pub(crate) fn a_cut_is_seen_once_at_the_other_end<R: Rig>() {
    let Pair { mut one, mut other, here, there, .. } = Pair::<R>::new(ROOM);
    one.fabric.cut(here);
    until(&mut one, &mut other, |_, other| other.downs(there) > 0);
    rest(&mut one, &mut other);
    assert_eq!((one.seen.len(), other.seen.len()), (1, 2));
    assert!(matches!(other.seen[1], Event::Down { link, .. } if link == there));
}

pub(crate) fn an_end_that_is_dropped_is_seen_to_go<R: Rig>() {
    let Pair { one, mut other, there, .. } = Pair::<R>::new(ROOM);
    drop(one);
    let end = deadline();
    while other.downs(there) == 0 {
        assert!(now() < end, "nobody notices");
        other.poll(Duration::from_millis(10));
    }
    assert_eq!((other.seen.len(), other.downs(there)), (2, 1));
}

pub(crate) fn a_number_is_never_used_again<R: Rig>() {
    let mut pair = Pair::<R>::new(ROOM);
    let mut used = BTreeSet::from([pair.here]);
    let mut used_there = BTreeSet::from([pair.there]);
    for _ in 0..5 {
        let (_, there) = (pair.one.fabric.cut(pair.here), pair.there);
        pair.until(|_, other| other.downs(there) == 1);
        let (one, other) = ((&mut pair.one, "one"), (&mut pair.other, "other"));
        (pair.here, pair.there) = connect(&mut pair.rig, one, other);
        assert!(used.insert(pair.here) && used_there.insert(pair.there));
        // Nothing of what an earlier link wrote is in the memory of this one.
        assert_eq!(pair.other.read(pair.there, 0, 4), [0; 4]);
        pair.one.write_and_ring(pair.here, 0, b"mine", 1);
        let there = pair.there;
        pair.until(|_, other| other.bells(there) == [1]);
    }
}

pub(crate) fn links_do_not_mix<R: Rig>() {
    let mut rig = R::new();
    let mut middle = Node::new(rig.end("middle", b"", ROOM));
    let mut others = Vec::new();
    for which in 0..20 {
        let name = format!("n{which}");
        let mut node = Node::new(rig.end(&name, &[which as u8], ROOM));
        let (here, there) = connect(&mut rig, (&mut node, &name), (&mut middle, "middle"));
        let (_, _, met) = middle.ups().pop().unwrap();
        assert_eq!((met.name, met.hello), (name, vec![which as u8]));
        others.push((node, here, there));
    }
    for (which, (node, here, _)) in others.iter_mut().enumerate() {
        node.write_and_ring(*here, 0, &pattern(which, 5000), which as u32);
    }
    let threes: Vec<LinkId> = others.iter().map(|(_, _, there)| *there).collect();
    for (which, (node, here, there)) in others.iter_mut().enumerate() {
        until(node, &mut middle, |_, middle| middle.bells(*there) == [which as u32]);
        assert!(middle.read(*there, 0, 5000) == pattern(which, 5000));
        middle.write_and_ring(*there, 1, &pattern(which + 100, 3000), 7);
        until(node, &mut middle, |node, _| node.bells(*here) == [7]);
        assert!(node.read(*here, 1, 3000) == pattern(which + 100, 3000));
    }
    assert_eq!(threes.iter().collect::<BTreeSet<_>>().len(), 20);
}

pub(crate) fn one_link_too_many_fails<R: Rig>() {
    let mut rig = R::new();
    let mut one = Node::new(rig.end("one", b"", 4 << 10));
    let mut other = Node::new(rig.end("other", b"", 4 << 10));
    let address = rig.address("one", "other");
    let mut dials = BTreeSet::new();
    for round in 1..=LINKS_MAX {
        dials.insert(one.fabric.dial(&address));
        if round % 32 == 0 {
            until(&mut one, &mut other, |one, other| {
                one.ups().len() == round && other.ups().len() == round
            });
        }
    }
    let last = one.fabric.dial(&address);
    until(&mut one, &mut other, |one, _| one.failures(last) == 1);
    assert_eq!((one.ups().len(), other.ups().len(), dials.len()), (256, 256, LINKS_MAX));
    // Where one ends there is room for another.
    let freed = one.ups()[0].0;
    one.fabric.cut(freed);
    let gone = other.ups().len();
    until(&mut one, &mut other, |_, other| {
        other.seen.iter().any(|event| matches!(event, Event::Down { .. }))
    });
    one.fabric.dial(&address);
    until(&mut one, &mut other, |one, other| one.ups().len() == 257 && other.ups().len() > gone);
}

pub(crate) fn a_write_may_fill_the_region<R: Rig>() {
    let size = 24 << 20;
    assert!(size > BACKLOG_BYTES_MAX, "one write is taken however long it is");
    let Pair { mut one, mut other, here, there, .. } = Pair::<R>::new(size as u32);
    let (bytes, back) = (pattern(1, size), pattern(2, size));
    one.write_and_ring(here, 0, &bytes, 1);
    other.write_and_ring(there, 0, &back, 2);
    until(&mut one, &mut other, |one, other| one.bells(here) == [2] && other.bells(there) == [1]);
    assert!(other.read(there, 0, size) == bytes);
    assert!(one.read(here, 0, size) == back);
}

pub(crate) fn both_may_dial_each_other<R: Rig>() {
    let mut rig = R::new();
    let mut one = Node::new(rig.end("one", b"", ROOM));
    let mut other = Node::new(rig.end("other", b"", ROOM));
    let dials = (
        one.fabric.dial(&rig.address("one", "other")),
        other.fabric.dial(&rig.address("other", "one")),
    );
    until(&mut one, &mut other, |one, other| one.ups().len() == 2 && other.ups().len() == 2);
    let dialled = |node: &Node<R::End>| -> BTreeSet<_> {
        node.ups().into_iter().map(|(_, dialled, _)| dialled).collect()
    };
    assert_eq!(dialled(&one), BTreeSet::from([None, Some(dials.0)]));
    assert_eq!(dialled(&other), BTreeSet::from([None, Some(dials.1)]));
}

/// Far longer than a test may take.
const LONG: Duration = Duration::from_secs(600);

pub(crate) fn a_wake_ends_a_wait<R: Rig>() {
    let Pair { mut one, mut other, .. } = Pair::<R>::new(ROOM);
    rest(&mut one, &mut other);
    let waker = one.fabric.waker();
    let (begun, until) = (now(), deadline());
    // Whether it comes before the wait or within it, the wait ends.
    let thread = std::thread::spawn(move || waker.wake());
    assert_eq!(one.poll(LONG), []);
    thread.join().unwrap();
    assert!(now() < until && begun < until);
}

pub(crate) fn a_wake_before_the_wait_ends_it<R: Rig>() {
    let Pair { mut one, mut other, .. } = Pair::<R>::new(ROOM);
    rest(&mut one, &mut other);
    one.fabric.waker().wake();
    let until = deadline();
    assert_eq!(one.poll(LONG), []);
    assert!(now() < until);
}

pub(crate) fn wakes_are_merged<R: Rig>() {
    let Pair { mut one, mut other, .. } = Pair::<R>::new(ROOM);
    rest(&mut one, &mut other);
    let wakers = [one.fabric.waker(), one.fabric.waker()];
    wakers.iter().for_each(|waker| waker.wake_by_ref());
    assert_eq!(one.poll(LONG), []);
    let (begun, wait) = (now(), Duration::from_millis(20));
    assert_eq!(one.poll(wait), []);
    assert!(now() - begun >= wait, "a second wake was left");
    wakers[1].wake_by_ref();
    assert_eq!(one.poll(LONG), []);
}

pub(crate) fn a_wait_ends_when_its_time_is_over<R: Rig>() {
    let Pair { mut one, mut other, .. } = Pair::<R>::new(ROOM);
    rest(&mut one, &mut other);
    for wait in [0, 50, 300, 1700, 20_000].map(Duration::from_micros) {
        let begun = now();
        assert_eq!(one.poll(wait), []);
        let waited = now() - begun;
        assert!(waited >= wait && waited < Duration::from_secs(5), "waited otherwise");
    }
}
