//! One connection: its socket, its session, and what waits in between.

use std::io::{ErrorKind, Read, Write};
use std::net::{IpAddr, TcpStream};
use std::time::Instant;

use super::buffer::Buffer;
use super::identity::Group;
use super::session::Session;
use super::wait::{Poller, Wish};
use super::wire::{self, Heard, Inbound};
use crate::limits::{
    BACKLOG_BYTES_MAX, CONNECT_MAX, EARLY_SEND_BYTES, PING_AFTER, READ_BYTES_MAX, RECORD_BYTES,
    SILENCE_MAX, UNSENT_BYTES_MAX,
};
use crate::{Broken, Refused};

#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Stage {
    /// Until both ends know who the other is.
    Proving,
    /// Until the peer has said its hello.
    Greeting,
    Up,
    /// Broken, and not handed out yet.
    Down,
}

pub(super) struct Link {
    pub(super) stage: Stage,
    /// Whether this end began.
    pub(super) dialled: bool,
    /// Who is there, and by which key, once it is proved.
    pub(super) name: String,
    pub(super) key: Option<[u8; 32]>,
    pub(super) inbound: Inbound,
    /// The last poll that handed out what is to be read before the link may go.
    pub(super) told_in: u64,
    /// Whether it is noted as having something to send.
    pub(super) noted: bool,
    /// Where it came from, or is.
    pub(super) source: Option<IpAddr>,
    socket: Option<TcpStream>,
    wish: Wish,
    session: Session,
    /// The beginning of a record that has not come whole.
    rest: Vec<u8>,
    /// What is not encrypted yet: less than a record.
    plain: Vec<u8>,
    outgoing: Buffer,
    /// A write that there was no room for.
    refused: Option<usize>,
    /// Sending has failed, or makes no sense any more; what was received still counts.
    mute: bool,
    broken: Option<Broken>,
    began: Instant,
    received: Instant,
    pinged: Instant,
}

impl Link {
    pub(super) fn new(
        socket: TcpStream,
        session: Session,
        lends: u32,
        (began, now): (Instant, Instant),
    ) -> Self {
        Self {
            stage: Stage::Proving,
            dialled: session.is_dialled(),
            name: String::new(),
            key: None,
            inbound: Inbound::new(lends),
            told_in: 0,
            noted: false,
            source: socket.peer_addr().ok().map(|address| address.ip()),
            socket: Some(socket),
            wish: Wish::Receive,
            session,
            rest: Vec::new(),
            plain: Vec::new(),
            outgoing: Buffer::default(),
            refused: None,
            mute: false,
            broken: None,
            began,
            received: now,
            pinged: now,
        }
    }

    /// Written and not sent. What encryption adds is counted as well.
    fn unsent(&self) -> usize {
        self.plain.len() + self.outgoing.len()
    }

    pub(super) fn write(&mut self, offset: u32, parts: &[&[u8]]) -> Result<(), Refused> {
        let length: usize = parts.iter().map(|part| part.len()).sum();
        if offset as usize + length > self.inbound.room as usize {
            return Err(Refused::OutOfRegion);
        }
        let unsent = self.unsent();
        if unsent > 0 && unsent + length > BACKLOG_BYTES_MAX {
            self.refused = Some(length);
            return Err(Refused::Full);
        }
        self.put(&wire::write(offset, length as u32));
        parts.iter().for_each(|part| self.put(part));
        Ok(())
    }

    pub(super) fn ring(&mut self, word: u32) {
        self.put(&wire::ring(word));
        self.bound();
    }

    /// Rings are never refused, so a peer that takes none is given up.
    fn bound(&mut self) {
        if self.unsent() > UNSENT_BYTES_MAX {
            self.give_up(Broken::Silent);
        }
    }

    fn give_up(&mut self, why: Broken) {
        self.mute = true;
        self.broken.get_or_insert(why);
        self.plain.clear();
        self.outgoing = Buffer::default();
    }

    /// Encrypts whole records, right from the caller's memory if there are any, and keeps the rest.
    pub(super) fn put(&mut self, mut bytes: &[u8]) {
        while !bytes.is_empty() && !self.mute {
            if self.plain.is_empty() && bytes.len() >= RECORD_BYTES {
                let whole = (bytes.len() - bytes.len() % RECORD_BYTES).min(EARLY_SEND_BYTES);
                let (now, later) = bytes.split_at(whole);
                self.encrypt(now);
                bytes = later;
            } else {
                let (now, later) = bytes.split_at(bytes.len().min(RECORD_BYTES - self.plain.len()));
                self.plain.extend_from_slice(now);
                bytes = later;
                if self.plain.len() == RECORD_BYTES {
                    self.encrypt_plain();
                }
            }
            if self.outgoing.len() >= EARLY_SEND_BYTES {
                self.send();
            }
        }
    }

    fn encrypt_plain(&mut self) {
        let mut plain = std::mem::take(&mut self.plain);
        self.encrypt(&plain);
        plain.clear();
        self.plain = plain;
    }

    fn encrypt(&mut self, plain: &[u8]) {
        if let Err(why) = self.session.encrypt(plain, &mut self.rest, &mut self.outgoing) {
            self.give_up(why);
        }
    }

    fn send(&mut self) {
        let Some(socket) = &mut self.socket else { return };
        while self.outgoing.len() > 0 && !self.mute {
            match socket.write(self.outgoing.filled()) {
                Ok(count) => self.outgoing.take(count),
                Err(error) if error.kind() == ErrorKind::WouldBlock => return,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(_) => {
                    // What the peer sent before is still to be read, and then the end.
                    self.mute = true;
                    self.plain.clear();
                    self.outgoing = Buffer::default();
                }
            }
        }
    }

    /// Sends what there is, as far as the network takes it, and has the rest sent later.
    pub(super) fn flush(&mut self, poller: &Poller, number: u64) {
        if !self.plain.is_empty() {
            self.encrypt_plain();
        }
        self.send();
        let wish = if self.outgoing.len() > 0 { Wish::Both } else { Wish::Receive };
        if let Some(socket) = &self.socket
            && wish != self.wish
        {
            match poller.change(socket, number, wish) {
                Ok(()) => self.wish = wish,
                Err(_) => self.give_up(Broken::Gone),
            }
        }
    }

    /// How much waits, once that is so little that a refused write would be taken.
    pub(super) fn freed(&mut self) -> Option<usize> {
        let (unsent, refused) = (self.unsent(), self.refused?);
        let free =
            unsent == 0 || unsent <= BACKLOG_BYTES_MAX / 2 && unsent + refused <= BACKLOG_BYTES_MAX;
        free.then(|| self.refused = None)?;
        Some(unsent)
    }

    /// Reads what has come, up to a bound, so that one link leaves time for the others.
    pub(super) fn receive(
        &mut self,
        scratch: &mut [u8],
        heard: &mut Vec<Heard>,
        now: Instant,
    ) -> Result<(), Broken> {
        let mut budget = READ_BYTES_MAX;
        while budget > 0 {
            let Some(socket) = &mut self.socket else { return Ok(()) };
            let kept = self.rest.len();
            let (head, space) = scratch.split_at_mut_checked(kept).ok_or(Broken::Rules)?;
            head.copy_from_slice(&self.rest);
            let room = space.len();
            let count = match socket.read(space) {
                // A record that never ends.
                Ok(0) if room == 0 => return Err(Broken::Rules),
                Ok(0) => return Err(Broken::Gone),
                Ok(count) => count,
                Err(error) => match error.kind() {
                    ErrorKind::WouldBlock => return Ok(()),
                    ErrorKind::Interrupted => continue,
                    ErrorKind::TimedOut => return Err(Broken::Silent),
                    _ => return Err(Broken::Gone),
                },
            };
            self.received = now;
            let received = scratch.get_mut(..kept + count).unwrap_or_default();
            let inbound = &mut self.inbound;
            let mut take = |said: &[u8]| inbound.take(said, heard);
            let done = self.session.receive(received, &mut self.outgoing, &mut take)?;
            self.rest.clear();
            self.rest.extend_from_slice(received.get(done..).unwrap_or_default());
            if count < room {
                return Ok(());
            }
            budget = budget.saturating_sub(count);
        }
        Ok(())
    }

    /// Begins: the end that dialled has something to say before it has heard anything.
    pub(super) fn begin(&mut self) -> Result<(), Broken> {
        let mut nothing = |_: &[u8]| Err(Broken::Rules);
        self.session.receive(&mut [], &mut self.outgoing, &mut nothing).map(drop)
    }

    /// Once the peer is proved: says hello.
    pub(super) fn greet(&mut self, group: &Group, greeting: &[u8]) -> Result<(), Broken> {
        if self.stage == Stage::Proving && !self.session.is_proving() {
            let (name, key) = self.session.peer(group)?;
            (self.name, self.key) = (name, Some(key));
            self.stage = Stage::Greeting;
            self.put(greeting);
        }
        Ok(())
    }

    pub(super) fn answer(&mut self) {
        self.put(&wire::I_AM);
        self.bound();
    }

    pub(super) fn broken(&self) -> Option<Broken> {
        self.broken
    }

    /// When its time has to be looked at again. Asks the peer whether it is there if it said
    /// nothing for a while.
    /// # Errors  [`Broken::Silent`] if it took too long.
    pub(super) fn tick(&mut self, now: Instant) -> Result<Instant, Broken> {
        let end = match self.stage {
            Stage::Proving | Stage::Greeting => self.began + CONNECT_MAX,
            Stage::Up => self.received + SILENCE_MAX,
            Stage::Down => return Ok(now + SILENCE_MAX),
        };
        if now >= end {
            return Err(Broken::Silent);
        }
        if self.stage != Stage::Up {
            return Ok(end);
        }
        let mut ask = self.received.max(self.pinged) + PING_AFTER;
        if now >= ask {
            self.put(&wire::ARE_YOU_THERE);
            self.pinged = now;
            ask = now + PING_AFTER;
        }
        Ok(end.min(ask))
    }

    /// Sends what is encrypted already: at the end, that is why it is.
    pub(super) fn say_why(&mut self) {
        self.plain.clear();
        self.send();
    }

    /// Leaves the network. What was received stays.
    pub(super) fn close(&mut self) {
        self.stage = Stage::Down;
        self.socket = None;
        self.mute = true;
        self.plain = Vec::new();
        self.outgoing = Buffer::default();
    }
}
