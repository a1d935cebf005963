//! Letters over each fabric.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use bytes::Bytes;
use notrace_store_fabric::limits::{LETTER_BYTES_MAX, OUTBOX_BYTES_MAX, OUTBOX_LETTERS_MAX};
use notrace_store_fabric::mail::{Letter, Mail};
use notrace_store_fabric::{Broken, Event, Fabric, LinkId, Peer};
use ring::digest::{SHA256, digest};

use crate::rig::{Pair, Rig, SHORT, deadline, now, pattern};

/// An end with letters.
pub(crate) struct Office<F> {
    pub(crate) fabric: F,
    pub(crate) link: LinkId,
    pub(crate) mail: Mail,
    pub(crate) letters: Vec<Bytes>,
    /// Why the link is to be cut.
    pub(crate) broken: Option<Broken>,
}

impl<F: Fabric> Office<F> {
    /// Takes over an end of which the link is up already.
    pub(crate) fn new(fabric: F, link: LinkId, peer: &Peer, room: u32) -> Self {
        let mut mail = Mail::default();
        mail.open(link, peer, room);
        Self { fabric, link, mail, letters: Vec::new(), broken: None }
    }

    pub(crate) fn post(&mut self, head: &[u8], body: &[u8]) {
        let body = vec![Bytes::copy_from_slice(body)];
        self.mail.post(self.link, Letter { head: head.to_vec(), body }).unwrap();
    }

    pub(crate) fn go_on(&mut self, wait: Duration) {
        self.mail.pump(&mut self.fabric);
        let mut events = Vec::new();
        self.fabric.poll(wait, &mut events);
        for event in events {
            if let Event::Bell { link, word } = event
                && self.broken.is_none()
            {
                let fabric = &mut self.fabric;
                self.broken = self.mail.rang(fabric, link, word, &mut self.letters).err();
            }
        }
    }
}

pub(crate) fn offices<R: Rig>(room: u32) -> (Office<R::End>, Office<R::End>) {
    let Pair { one, other, here, there, .. } = Pair::<R>::new(room);
    let (met, met_there) = (one.peer(), other.peer());
    (Office::new(one.fabric, here, &met, room), Office::new(other.fabric, there, &met_there, room))
}

/// Until both have so many letters, or one is broken.
pub(crate) fn exchange<F: Fabric, G: Fabric>(
    one: &mut Office<F>,
    other: &mut Office<G>,
    wanted: (usize, usize),
) {
    let end = deadline();
    while (one.letters.len() < wanted.0 || other.letters.len() < wanted.1)
        && one.broken.or(other.broken).is_none()
    {
        assert!(now() < end, "letters never arrive");
        one.go_on(SHORT);
        other.go_on(SHORT);
    }
}

/// Letters of all sizes around what matters for a ring of this size.
pub(crate) fn sizes(room: usize) -> Vec<usize> {
    let around =
        |size: usize| [size.saturating_sub(5), size - 4, size - 1, size, size + 1, size + 5];
    let mut sizes = vec![0, 1, 2, 3, 4, 5, 100, 0, 0];
    for size in [room / 4, room / 2, room, 2 * room, 3 * room + room / 3] {
        sizes.extend(around(size));
    }
    sizes
}

pub(crate) fn all_sizes_arrive<F: Fabric, G: Fabric>(
    one: &mut Office<F>,
    other: &mut Office<G>,
    room: usize,
) {
    let sizes = sizes(room);
    for (which, size) in sizes.iter().enumerate() {
        let letter = pattern(which, *size);
        let (head, body) = letter.split_at(size / 3);
        one.post(head, body);
        other.post(body, head);
    }
    exchange(one, other, (sizes.len(), sizes.len()));
    assert_eq!((one.broken, other.broken), (None, None));
    assert_eq!((one.letters.len(), other.letters.len()), (sizes.len(), sizes.len()));
    for (which, size) in sizes.iter().enumerate() {
        let sent = pattern(which, *size);
        assert_eq!(other.letters[which].len(), *size);
        let same = |one: &[u8], other: &[u8]| {
            digest(&SHA256, one).as_ref() == digest(&SHA256, other).as_ref()
        };
        assert!(same(&other.letters[which], &sent), "letter {which} was changed");
        let (head, body) = sent.split_at(size / 3);
        assert!(same(&one.letters[which], &[body, head].concat()), "letter {which} was changed");
    }
}

pub(crate) fn letters_of_all_sizes_arrive_whole<R: Rig>() {
    let room = 64 << 10;
    let (mut one, mut other) = offices::<R>(room);
    all_sizes_arrive(&mut one, &mut other, room as usize);
}

pub(crate) fn letters_pass_a_ring_much_smaller_than_they_are<R: Rig>() {
    let room = 4 << 10;
    let (mut one, mut other) = offices::<R>(room);
    let letter = pattern(7, 1_000_000);
    one.post(&[], &letter);
    one.post(b"after", &[]);
    other.post(&letter, &[]);
    exchange(&mut one, &mut other, (1, 2));
    assert!(other.letters == [letter.clone().into(), Bytes::from_static(b"after")]);
    assert!(one.letters == [Bytes::from(letter)]);
    one.letters.clear();
    other.letters.clear();
    all_sizes_arrive(&mut one, &mut other, room as usize);
}

pub(crate) fn thousands_arrive_in_order_both_ways<R: Rig>() {
    let (mut one, mut other) = offices::<R>(64 << 10);
    let count = 20_000_u32;
    for which in 0..count {
        one.post(&which.to_le_bytes(), &pattern(which as usize, which as usize % 60));
        other.post(&[], &(!which).to_le_bytes());
        if which % 500 == 0 {
            one.go_on(Duration::ZERO);
        }
    }
    exchange(&mut one, &mut other, (count as usize, count as usize));
    for which in 0..count {
        let (at, body) = (which as usize, pattern(which as usize, which as usize % 60));
        assert_eq!(other.letters[at], [&which.to_le_bytes()[..], &body].concat());
        assert_eq!(one.letters[at], (!which).to_le_bytes().to_vec());
    }
}

pub(crate) fn an_outbox_is_bounded<R: Rig>() {
    let (mut one, mut other) = offices::<R>(64 << 10);
    let part = Bytes::from(vec![1; LETTER_BYTES_MAX]);
    let letter = |size: usize| Letter { head: Vec::new(), body: vec![part.slice(..size)] };
    let more = Letter { head: vec![0], body: vec![part.clone()] };
    assert!(one.mail.post(one.link, more).is_err(), "longer than a letter may be");
    let mut posted = 0;
    while one.mail.post(one.link, letter(LETTER_BYTES_MAX - 4)).is_ok() {
        posted += LETTER_BYTES_MAX;
    }
    assert_eq!(posted, OUTBOX_BYTES_MAX);
    assert_eq!(one.mail.waiting(one.link), OUTBOX_BYTES_MAX);
    let mut count = 0;
    while other.mail.post(other.link, letter(0)).is_ok() {
        count += 1;
    }
    assert_eq!(count, OUTBOX_LETTERS_MAX);
    // Once some of them are gone there is room for more.
    exchange(&mut one, &mut other, (count, 0));
    assert!(other.mail.post(other.link, letter(1)).is_ok());
}

pub(crate) fn ends_on_threads_of_their_own_lose_nothing<R: Rig>() {
    const COUNT: usize = 3000;
    let size = |which: usize| which * 7919 % 9000;
    let (one, other) = offices::<R>(64 << 10);
    let done = AtomicUsize::new(0);
    let exchange = |mut office: Office<R::End>, first: usize| {
        let end = deadline();
        for which in 0..COUNT {
            office.post(&[], &pattern(first + which, size(which)));
            office.go_on(Duration::ZERO);
        }
        while office.letters.len() < COUNT || office.mail.waiting(office.link) > 0 {
            assert!(now() < end && office.broken.is_none(), "letters never arrive");
            // Whoever sleeps through something would sleep for long.
            office.go_on(Duration::from_secs(5));
        }
        done.fetch_add(1, Ordering::Relaxed);
        // What was rung last is still to leave, and may wait for what was written to arrive.
        while done.load(Ordering::Relaxed) < 2 {
            assert!(now() < end, "the other never has its letters");
            office.go_on(SHORT);
        }
        office
    };
    let (one, other) = std::thread::scope(|scope| {
        let thread = scope.spawn(|| exchange(other, COUNT));
        (exchange(one, 0), thread.join().unwrap())
    });
    for which in 0..COUNT {
        assert!(one.letters[which] == pattern(COUNT + which, size(which)));
        assert!(other.letters[which] == pattern(which, size(which)));
    }
}
