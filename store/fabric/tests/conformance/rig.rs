//! What the suite needs of a fabric, and an end that remembers what it saw.

use std::time::{Duration, Instant};

use notrace_store_fabric::{DialId, Event, Fabric, LinkId, Peer};

/// A network of one kind.
pub(crate) trait Rig {
    /// Its ends.
    type End: Fabric;

    /// Whether an end refuses writes when its peer takes nothing.
    const FILLS: bool;

    fn new() -> Self;

    /// An end of this name that lends `room` bytes to each link.
    fn end(&mut self, name: &str, hello: &[u8], room: u32) -> Self::End;

    /// What `from` dials to reach `to`, by way of a wire of their own where there are wires.
    fn address(&mut self, from: &str, to: &str) -> String;

    /// An address where nobody is.
    fn nobody(&self) -> String;
}

/// A network whose wires can fail.
pub(crate) trait Wire: Rig {
    /// Holds back what goes from one to the other.
    fn hold(&mut self, from: &str, to: &str);

    fn release(&mut self, from: &str, to: &str);

    /// Breaks all links between the two. Of what is held back each way, so much still lands.
    fn sever(&mut self, one: &str, other: &str, landing: usize);

    /// Where to sever the wire to tear `writes` writes of `bytes` bytes, each with its ring, at
    /// every point that matters: from "nothing lands" to "all does".
    fn points(writes: usize, bytes: usize) -> Vec<usize>;
}

/// More than anything here takes.
const PATIENCE: Duration = Duration::from_secs(60);

/// An end, and everything it saw.
pub(crate) struct Node<F> {
    pub(crate) fabric: F,
    pub(crate) seen: Vec<Event>,
}

impl<F: Fabric> Node<F> {
    pub(crate) fn new(fabric: F) -> Self {
        Self { fabric, seen: Vec::new() }
    }

    /// Polls once; what is new. Where it rang, there is something to be read, whatever became of
    /// the link since.
    pub(crate) fn poll(&mut self, wait: Duration) -> Vec<Event> {
        let mut new = Vec::new();
        self.fabric.poll(wait, &mut new);
        for event in &new {
            if let Event::Bell { link, .. } = event {
                assert_eq!(self.fabric.read(*link, 0, &mut [0; 16]), Ok(()));
            }
        }
        self.seen.extend(new.iter().cloned());
        new
    }

    pub(crate) fn bells(&self, on: LinkId) -> Vec<u32> {
        let word = |event: &Event| match event {
            Event::Bell { link, word } if *link == on => Some(*word),
            _ => None,
        };
        self.seen.iter().filter_map(word).collect()
    }

    pub(crate) fn downs(&self, of: LinkId) -> usize {
        let down = |event: &&Event| matches!(event, Event::Down { link, .. } if *link == of);
        self.seen.iter().filter(down).count()
    }

    pub(crate) fn failures(&self, of: DialId) -> usize {
        let failed = |event: &&Event| matches!(event, Event::Failed { dial, .. } if *dial == of);
        self.seen.iter().filter(failed).count()
    }

    /// Links that came up so far, in order.
    pub(crate) fn ups(&self) -> Vec<(LinkId, Option<DialId>, Peer)> {
        let up = |event: &Event| match event {
            Event::Up { link, dialled, peer } => Some((*link, *dialled, peer.clone())),
            _ => None,
        };
        self.seen.iter().filter_map(up).collect()
    }

    /// Who is at the other end of the last link that came up.
    pub(crate) fn peer(&self) -> Peer {
        self.ups().pop().unwrap().2
    }

    pub(crate) fn read(&self, link: LinkId, offset: usize, count: usize) -> Vec<u8> {
        let mut bytes = vec![0; count];
        self.fabric.read(link, offset as u32, &mut bytes).unwrap();
        bytes
    }

    pub(crate) fn write_and_ring(&mut self, link: LinkId, offset: u32, bytes: &[u8], word: u32) {
        self.fabric.write(link, offset, &[bytes]).unwrap();
        self.fabric.ring(link, word).unwrap();
    }
}

/// Long enough for something to arrive, short enough to ask often.
pub(crate) const SHORT: Duration = Duration::from_micros(200);

#[expect(clippy::disallowed_methods, reason = "a test that waits for a network gives up in time")]
pub(crate) fn now() -> Instant {
    Instant::now()
}

pub(crate) fn deadline() -> Instant {
    now() + PATIENCE
}

/// Polls both until it is done.
pub(crate) fn until<F: Fabric, G: Fabric>(
    one: &mut Node<F>,
    other: &mut Node<G>,
    mut done: impl FnMut(&mut Node<F>, &mut Node<G>) -> bool,
) {
    let end = deadline();
    while !done(one, other) {
        assert!(now() < end, "it never happens: {:?} {:?}", one.seen.len(), other.seen.len());
        one.poll(SHORT);
        other.poll(SHORT);
    }
}

/// Polls both for a while in which nothing is to happen.
pub(crate) fn rest<F: Fabric, G: Fabric>(one: &mut Node<F>, other: &mut Node<G>) {
    for _ in 0..20 {
        one.poll(SHORT);
        other.poll(SHORT);
    }
}

/// Two ends and a link that the first one dialled.
pub(crate) struct Pair<R: Rig> {
    pub(crate) rig: R,
    pub(crate) one: Node<R::End>,
    pub(crate) other: Node<R::End>,
    /// The link's numbers at both.
    pub(crate) here: LinkId,
    pub(crate) there: LinkId,
}

impl<R: Rig> Pair<R> {
    pub(crate) fn new(room: u32) -> Self {
        let mut rig = R::new();
        let mut one = Node::new(rig.end("one", b"first", room));
        let mut other = Node::new(rig.end("other", b"second", room));
        let (here, there) = connect(&mut rig, (&mut one, "one"), (&mut other, "other"));
        Self { rig, one, other, here, there }
    }

    pub(crate) fn until(&mut self, done: impl FnMut(&mut Node<R::End>, &mut Node<R::End>) -> bool) {
        until(&mut self.one, &mut self.other, done);
    }
}

/// Has one dial the other; the link's numbers at both.
pub(crate) fn connect<R: Rig>(
    rig: &mut R,
    (one, from): (&mut Node<R::End>, &str),
    (other, to): (&mut Node<R::End>, &str),
) -> (LinkId, LinkId) {
    let before = (one.ups().len(), other.ups().len());
    let dial = one.fabric.dial(&rig.address(from, to));
    until(one, other, |one, other| one.ups().len() > before.0 && other.ups().len() > before.1);
    let (here, dialled, _) = one.ups().pop().unwrap();
    let (there, accepted, _) = other.ups().pop().unwrap();
    assert_eq!((dialled, accepted), (Some(dial), None));
    (here, there)
}

/// Bytes that differ from place to place and from one to the next.
pub(crate) fn pattern(which: usize, count: usize) -> Vec<u8> {
    let mut state = (which as u64 + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    let next = |_| {
        state =
            state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 56) as u8
    };
    (0..count).map(next).collect()
}
