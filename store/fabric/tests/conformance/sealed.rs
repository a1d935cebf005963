//! Letters over a network that everybody can read and change: what a sealed run becomes on its
//! way there, it never becomes a wrong letter.

use std::task::Waker;
use std::time::Duration;

use bytes::Bytes;
use notrace_store_fabric::{Broken, DialId, Event, Fabric, LinkId, LinkKeys, Refused, Secrecy};

use crate::letters::{Office, all_sizes_arrive};
use crate::rig::{Pair, Rig, SHORT, deadline, now, pattern};

/// What happens to the bytes that are written.
enum Fault {
    None,
    /// A bit of this byte is turned, counted from the first that is written.
    Flip {
        byte: usize,
    },
    /// This write is left out.
    Drop {
        write: usize,
    },
    /// In the place of this write the one before it comes again.
    Repeat {
        write: usize,
    },
}

/// A fabric with somebody in between.
struct Meddled<F> {
    inner: F,
    fault: Fault,
    writes: usize,
    bytes: usize,
    last: Vec<u8>,
}

impl<F: Fabric> Fabric for Meddled<F> {
    fn dial(&mut self, address: &str) -> DialId {
        self.inner.dial(address)
    }

    fn write(&mut self, link: LinkId, offset: u32, parts: &[&[u8]]) -> Result<(), Refused> {
        let written = parts.concat();
        let mut bytes = written.clone();
        match self.fault {
            Fault::Flip { byte } if (self.bytes..self.bytes + bytes.len()).contains(&byte) => {
                bytes[byte - self.bytes] ^= 1 << (byte % 8);
            }
            Fault::Drop { write } if write == self.writes => bytes.clear(),
            Fault::Repeat { write } if write == self.writes => bytes = self.last.clone(),
            _ => {}
        }
        self.inner.write(link, offset, &[&bytes])?;
        self.bytes += written.len();
        self.writes += 1;
        self.last = written;
        Ok(())
    }

    fn ring(&mut self, link: LinkId, word: u32) -> Result<(), Refused> {
        self.inner.ring(link, word)
    }

    fn read(&self, link: LinkId, offset: u32, into: &mut [u8]) -> Result<(), Refused> {
        self.inner.read(link, offset, into)
    }

    fn cut(&mut self, link: LinkId) {
        self.inner.cut(link);
    }

    fn poll(&mut self, wait: Duration, events: &mut Vec<Event>) {
        self.inner.poll(wait, events);
    }

    fn waker(&self) -> Waker {
        self.inner.waker()
    }
}

type Offices<R> = (Office<Meddled<<R as Rig>::End>>, Office<Meddled<<R as Rig>::End>>);

fn sealed_offices<R: Rig>(room: u32, fault: Fault, keys: [[u8; 32]; 4]) -> Offices<R> {
    let Pair { one, other, here, there, .. } = Pair::<R>::new(room);
    let (mut met, mut met_there) = (one.peer(), other.peer());
    let [send, receive, send_there, receive_there] = keys;
    met.secrecy = Secrecy::Open(LinkKeys { send, receive });
    met_there.secrecy = Secrecy::Open(LinkKeys { send: send_there, receive: receive_there });
    let meddled = |inner, fault| Meddled { inner, fault, writes: 0, bytes: 0, last: Vec::new() };
    (
        Office::new(meddled(one.fabric, fault), here, &met, room),
        Office::new(meddled(other.fabric, Fault::None), there, &met_there, room),
    )
}

const KEYS: [[u8; 32]; 4] = [[1; 32], [2; 32], [2; 32], [1; 32]];

pub(crate) fn sealed_letters_of_all_sizes_arrive_whole<R: Rig>() {
    let (mut one, mut other) = sealed_offices::<R>(256 << 10, Fault::None, KEYS);
    all_sizes_arrive(&mut one, &mut other, 256 << 10);
}

pub(crate) fn sealed_letters_pass_a_small_ring<R: Rig>() {
    let (mut one, mut other) = sealed_offices::<R>(4 << 10, Fault::None, KEYS);
    all_sizes_arrive(&mut one, &mut other, 4 << 10);
}

/// What `one` sends while somebody meddles; `before` of the letters may still arrive, and the rest
/// only breaks the link.
fn expect_broken<R: Rig>(fault: Fault, keys: [[u8; 32]; 4], before: usize) {
    let (mut one, mut other) = sealed_offices::<R>(64 << 10, fault, keys);
    let letters: Vec<Bytes> = (0..8).map(|which| pattern(which, LETTER).into()).collect();
    for letter in &letters {
        // Each of them is a run and a write of its own.
        one.post(letter, &[]);
        one.mail.pump(&mut one.fabric);
    }
    // A length that was changed may wait for all that there can be of a run.
    one.post(&pattern(100, 100_000), &[]);
    let end = deadline();
    while other.broken.is_none() {
        assert!(now() < end, "nobody notices");
        one.go_on(SHORT);
        other.go_on(SHORT);
    }
    assert_eq!(other.broken, Some(Broken::Rules));
    assert!(other.letters == letters[..before], "a letter is wrong, or one is missing");
}

const LETTER: usize = 40;
/// Length, what is sealed (a length and the letter), tag.
const RUN: usize = 4 + (4 + LETTER) + 16;

pub(crate) fn no_flipped_bit_gives_a_wrong_letter<R: Rig>() {
    for byte in 0..2 * RUN {
        expect_broken::<R>(Fault::Flip { byte }, KEYS, byte / RUN);
    }
}

pub(crate) fn no_run_can_be_left_out<R: Rig>() {
    for write in 0..3 {
        expect_broken::<R>(Fault::Drop { write }, KEYS, write);
    }
}

pub(crate) fn no_run_can_be_repeated<R: Rig>() {
    for write in 1..3 {
        expect_broken::<R>(Fault::Repeat { write }, KEYS, write);
    }
}

pub(crate) fn no_run_can_be_read_with_another_key<R: Rig>() {
    expect_broken::<R>(Fault::None, [[1; 32], [2; 32], [1; 32], [2; 32]], 0);
}
