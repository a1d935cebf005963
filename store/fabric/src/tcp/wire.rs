//! What is said within TLS.
//!
//! ```text
//! first, both ends:   version u8 · region bytes u32 · hello length u16 · hello
//! then write:         1 · offset u32 · length u32 · bytes
//!      ring:          2 · word u32
//!      are you there: 3
//!      I am:          4
//! ```
//!
//! Numbers are little-endian. Bytes of a write go to their place as they come.

use super::Broken;
use crate::limits::{HELLO_BYTES_MAX, REGION_BYTES_MAX, REGION_BYTES_MIN};

const VERSION: u8 = 1;
const GREETING_BYTES: usize = 7;

const WRITE: u8 = 1;
const RING: u8 = 2;
const PING: u8 = 3;
const PONG: u8 = 4;

pub(super) const ARE_YOU_THERE: [u8; 1] = [PING];
pub(super) const I_AM: [u8; 1] = [PONG];

pub(super) fn greeting(region_bytes: u32, hello: &[u8]) -> Vec<u8> {
    let mut greeting = Vec::with_capacity(GREETING_BYTES + hello.len());
    greeting.push(VERSION);
    greeting.extend_from_slice(&region_bytes.to_le_bytes());
    greeting.extend_from_slice(&(hello.len() as u16).to_le_bytes());
    greeting.extend_from_slice(hello);
    greeting
}

pub(super) fn write(offset: u32, length: u32) -> [u8; 9] {
    let ([a, b, c, d], [e, f, g, h]) = (offset.to_le_bytes(), length.to_le_bytes());
    [WRITE, a, b, c, d, e, f, g, h]
}

pub(super) fn ring(word: u32) -> [u8; 5] {
    let [a, b, c, d] = word.to_le_bytes();
    [RING, a, b, c, d]
}

/// What was heard, in order. Writes are not: they are in the region.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Heard {
    Greeting,
    Ring(u32),
    Ping,
    Pong,
}

/// Reads what a peer says, and keeps the region that is lent to it.
pub(super) struct Inbound {
    /// How much is lent, from the greeting on: a stranger costs no memory.
    lends: u32,
    region: Vec<u8>,
    head: [u8; 9],
    have: usize,
    state: State,
    pub(super) room: u32,
    pub(super) hello: Vec<u8>,
}

enum State {
    Greeting,
    Hello { left: usize },
    Head,
    Body { offset: usize, left: usize },
}

impl Inbound {
    pub(super) fn new(lends: u32) -> Self {
        let state = State::Greeting;
        let (region, hello) = (Vec::new(), Vec::new());
        Self { lends, region, head: [0; 9], have: 0, state, room: 0, hello }
    }

    pub(super) fn read(&self, offset: u32, count: usize) -> Option<&[u8]> {
        let begin = offset as usize;
        begin.checked_add(count).and_then(|end| self.region.get(begin..end))
    }

    /// Takes what was said.
    /// # Errors  [`Broken::Rules`], or [`Broken::Stranger`] if it is of another version.
    pub(super) fn take(&mut self, mut said: &[u8], heard: &mut Vec<Heard>) -> Result<(), Broken> {
        while !said.is_empty() {
            said = match self.state {
                State::Greeting => self.take_greeting(said, heard)?,
                State::Hello { left } => {
                    let (now, later) = said.split_at(left.min(said.len()));
                    self.hello.extend_from_slice(now);
                    self.state = self.after_hello(left - now.len(), heard);
                    later
                }
                State::Head => self.take_head(said, heard)?,
                State::Body { offset, left } => {
                    let (now, later) = said.split_at(left.min(said.len()));
                    let place = self.region.get_mut(offset..offset + now.len());
                    place.ok_or(Broken::Rules)?.copy_from_slice(now);
                    self.state = match left - now.len() {
                        0 => State::Head,
                        left => State::Body { offset: offset + now.len(), left },
                    };
                    later
                }
            };
        }
        Ok(())
    }

    /// Fills the head up to `wanted` bytes; the rest of what was said, once it is.
    fn fill<'s>(&mut self, wanted: usize, said: &'s [u8]) -> (bool, &'s [u8]) {
        let (now, later) = said.split_at(said.len().min(wanted - self.have));
        let place = self.head.get_mut(self.have..self.have + now.len()).unwrap_or_default();
        place.copy_from_slice(now);
        self.have += now.len();
        (self.have == wanted, later)
    }

    fn take_greeting<'s>(
        &mut self,
        said: &'s [u8],
        heard: &mut Vec<Heard>,
    ) -> Result<&'s [u8], Broken> {
        let (whole, later) = self.fill(GREETING_BYTES, said);
        let [version, a, b, c, d, e, f, ..] = self.head;
        if version != VERSION {
            return Err(Broken::Stranger);
        }
        if whole {
            self.have = 0;
            self.room = u32::from_le_bytes([a, b, c, d]);
            let length = usize::from(u16::from_le_bytes([e, f]));
            let allowed = (REGION_BYTES_MIN..=REGION_BYTES_MAX).contains(&self.room);
            if !allowed || length > HELLO_BYTES_MAX {
                return Err(Broken::Rules);
            }
            self.state = self.after_hello(length, heard);
        }
        Ok(later)
    }

    fn after_hello(&mut self, left: usize, heard: &mut Vec<Heard>) -> State {
        if left > 0 {
            return State::Hello { left };
        }
        self.region = vec![0; self.lends as usize];
        heard.push(Heard::Greeting);
        State::Head
    }

    fn take_head<'s>(
        &mut self,
        said: &'s [u8],
        heard: &mut Vec<Heard>,
    ) -> Result<&'s [u8], Broken> {
        let kind = if self.have > 0 { self.head.first() } else { said.first() };
        let wanted = match kind {
            Some(&WRITE) => 9,
            Some(&RING) => 5,
            Some(&(PING | PONG)) => 1,
            _ => return Err(Broken::Rules),
        };
        let (whole, later) = self.fill(wanted, said);
        if !whole {
            return Ok(later);
        }
        self.have = 0;
        let [kind, a, b, c, d, e, f, g, h] = self.head;
        let number = u32::from_le_bytes([a, b, c, d]);
        match kind {
            WRITE => {
                let (offset, left) = (number as usize, u32::from_le_bytes([e, f, g, h]) as usize);
                if offset + left > self.region.len() {
                    return Err(Broken::Rules);
                }
                if left > 0 {
                    self.state = State::Body { offset, left };
                }
            }
            RING => heard.push(Heard::Ring(number)),
            PING => heard.push(Heard::Ping),
            _ => heard.push(Heard::Pong),
        }
        Ok(later)
    }
}
