//! Links over TCP, with TLS 1.3 at both ends of which each proves itself: what a cluster uses
//! unless it is told otherwise, since it needs nothing installed.
//!
//! Reading order: `config` and `identity` (whom we believe), `wire` (what is said), `session`
//! (TLS), `link` (one connection), `dial`, `resolve` and `arrivals` (until there is one), `wait`
//! (the kernel's side), and here what ties them together. There is no thread but the owner's:
//! everything happens in [`Tcp::poll`], save that a host's name is asked for beside it.
//!
//! Source: RFC 8446 (TLS 1.3).

mod arrivals;
mod buffer;
mod config;
mod dial;
mod identity;
mod link;
mod resolve;
mod session;
mod wait;
mod wire;

use std::collections::BTreeMap;
use std::net::{SocketAddr, TcpListener};
use std::task::Waker;
use std::time::{Duration, Instant};

use crate::limits::{
    CONNECT_MAX, HELLO_BYTES_MAX, REGION_BYTES_MAX, REGION_BYTES_MIN, SCRATCH_BYTES,
};
use crate::{Broken, DialId, Event, Fabric, LinkId, Peer, Refused, Secrecy};
pub use config::{TcpConfig, TcpError};
use dial::Attempt;
pub use identity::TcpIdentity;
use identity::Trust;
use link::{Link, Stage};
use resolve::Resolver;
use wait::{Found, Poller, Wish};
use wire::Heard;

/// What both ends have to speak within TLS.
const ALPN: &[u8] = b"notrace-fabric/1";
/// The listener's number among the sockets'; links begin with one.
const LISTENER: u64 = 0;

/// Links over TCP and TLS 1.3. An address is `HOST:PORT`.
pub struct Tcp {
    trust: Trust,
    greeting: Vec<u8>,
    lends: u32,
    listener: TcpListener,
    address: SocketAddr,
    /// Until when nobody is accepted.
    paused: Option<Instant>,
    poller: Poller,
    resolver: Resolver,
    attempts: BTreeMap<u64, Attempt>,
    links: BTreeMap<u64, Link>,
    numbers: u64,
    /// Links that have something to send.
    sending: Vec<u64>,
    /// What is over, and not handed out yet.
    over: Vec<Over>,
    found: Found,
    heard: Vec<Heard>,
    scratch: Vec<u8>,
    /// Counts polls.
    turn: u64,
    /// When times have to be looked at.
    due: Instant,
}

#[derive(Clone, Copy)]
enum Over {
    Failed(u64, Broken),
    Down(u64, Broken),
}

/// The shell's clock: deadlines of a network are in real time.
#[expect(clippy::disallowed_methods, reason = "a network is a shell; its peers live in real time")]
fn clock() -> Instant {
    Instant::now()
}

impl Tcp {
    /// Begins to listen.
    /// # Errors  [`TcpError`]
    pub fn open(config: TcpConfig) -> Result<Self, TcpError> {
        let TcpConfig { listen, hello, region_bytes, identity } = config;
        if hello.len() > HELLO_BYTES_MAX {
            return Err(TcpError::Hello);
        }
        if !(REGION_BYTES_MIN..=REGION_BYTES_MAX).contains(&region_bytes) {
            return Err(TcpError::Region);
        }
        let trust = Trust::new(identity)?;
        let failed = |error: std::io::Error| TcpError::Listen(error.kind());
        let listener = TcpListener::bind(listen).map_err(failed)?;
        listener.set_nonblocking(true).map_err(failed)?;
        let address = listener.local_addr().map_err(failed)?;
        let poller = Poller::new().map_err(|error| TcpError::Wait(error.kind()))?;
        let watched = poller.add(&listener, LISTENER, Wish::Receive);
        watched.map_err(|error| TcpError::Wait(error.kind()))?;
        Ok(Self {
            trust,
            greeting: wire::greeting(region_bytes, &hello),
            lends: region_bytes,
            listener,
            address,
            paused: None,
            resolver: Resolver::new(poller.alarm().clone()),
            poller,
            attempts: BTreeMap::new(),
            links: BTreeMap::new(),
            numbers: LISTENER,
            sending: Vec::new(),
            over: Vec::new(),
            found: Found::default(),
            heard: Vec::new(),
            scratch: vec![0; SCRATCH_BYTES],
            turn: 0,
            due: clock(),
        })
    }

    /// Where it listens.
    #[must_use]
    pub fn local_addr(&self) -> SocketAddr {
        self.address
    }

    /// Has polls end as well when this has something to say, often or rarely.
    #[cfg(feature = "libfabric")]
    pub(crate) fn watch(&self, other: impl std::os::fd::AsFd, rare: bool) -> std::io::Result<()> {
        self.poller.add_other(other, rare)
    }

    /// Whether something that is watched and rarely has anything to say ended the last poll.
    #[cfg(feature = "libfabric")]
    pub(crate) fn found_rare(&self) -> bool {
        self.found.rare
    }

    fn next(&mut self) -> u64 {
        self.numbers += 1;
        self.numbers
    }

    fn note_sending(&mut self, number: u64) {
        if let Some(link) = self.links.get_mut(&number)
            && !link.noted
        {
            link.noted = true;
            self.sending.push(number);
        }
    }

    /// A link that is up.
    fn up(&mut self, link: LinkId) -> Result<&mut Link, Refused> {
        let up = self.links.get_mut(&link.0).filter(|link| link.stage == Stage::Up);
        up.ok_or(Refused::NoLink)
    }

    /// A part of the region that this end lends.
    fn lent(&self, link: LinkId, offset: u32, count: usize) -> Result<&[u8], Refused> {
        let link = self.links.get(&link.0);
        let link = link.filter(|link| matches!(link.stage, Stage::Up | Stage::Down));
        let part = link.ok_or(Refused::NoLink)?.inbound.read(offset, count);
        part.ok_or(Refused::OutOfRegion)
    }

    /// Everything that was found ready.
    fn react(&mut self, now: Instant, events: &mut Vec<Event>) {
        while let Some((number, addresses)) = self.resolver.answer() {
            let Some(attempt) = self.attempts.get_mut(&number) else { continue };
            if !attempt.try_all(addresses, &self.poller, number) {
                self.fail(number, Broken::Gone);
            }
        }
        let numbers = std::mem::take(&mut self.found.numbers);
        for number in &numbers {
            if *number == LISTENER {
                self.accept(now);
            } else if self.attempts.contains_key(number) {
                self.proceed(*number, now);
            } else {
                self.receive(*number, now, events);
            }
        }
        self.found.numbers = numbers;
    }

    fn receive(&mut self, number: u64, now: Instant, events: &mut Vec<Event>) {
        let Some(link) = self.links.get_mut(&number) else { return };
        self.heard.clear();
        let received = link.receive(&mut self.scratch, &mut self.heard, now);
        // Who proves itself, greets and breaks the rules in one breath was there all the same.
        let greeted = link.greet(&self.trust.group, &self.greeting);
        let received = received.and(greeted);
        for heard in &self.heard {
            match heard {
                Heard::Greeting if link.stage == Stage::Greeting => {
                    link.stage = Stage::Up;
                    let peer = Peer {
                        name: std::mem::take(&mut link.name),
                        key: link.key,
                        hello: std::mem::take(&mut link.inbound.hello),
                        room: link.inbound.room,
                        secrecy: Secrecy::Private,
                    };
                    let dialled = link.dialled.then_some(DialId(number));
                    events.push(Event::Up { link: LinkId(number), dialled, peer });
                }
                Heard::Greeting | Heard::Pong => {}
                Heard::Ring(word) if link.stage == Stage::Up => {
                    events.push(Event::Bell { link: LinkId(number), word: *word });
                    link.told_in = self.turn;
                }
                Heard::Ring(_) => {}
                Heard::Ping => link.answer(),
            }
        }
        // Also what came of the handshake, and alerts.
        self.note_sending(number);
        if let Err(why) = received {
            self.fail(number, why);
        }
    }

    /// Ends an attempt or a link; what is to be told of it waits for [`Tcp::hand_out`].
    fn fail(&mut self, number: u64, why: Broken) {
        if self.attempts.remove(&number).is_some() {
            self.over.push(Over::Failed(number, why));
            return;
        }
        let Some(link) = self.links.get_mut(&number) else { return };
        match link.stage {
            Stage::Down => {}
            Stage::Up => {
                // Only who is not up can turn out to be a stranger.
                let why = if why == Broken::Stranger { Broken::Gone } else { why };
                link.say_why();
                link.close();
                self.over.push(Over::Down(number, why));
            }
            Stage::Proving | Stage::Greeting => {
                link.say_why();
                if link.dialled {
                    self.over.push(Over::Failed(number, why));
                }
                self.links.remove(&number);
            }
        }
    }

    fn flush(&mut self, events: &mut Vec<Event>) {
        let mut sending = std::mem::take(&mut self.sending);
        for number in sending.drain(..) {
            let Some(link) = self.links.get_mut(&number) else { continue };
            link.noted = false;
            link.flush(&self.poller, number);
            if let Some(backlog) = link.freed() {
                events.push(Event::Sent { link: LinkId(number), backlog });
            }
            if let Some(why) = link.broken() {
                self.fail(number, why);
            }
        }
        // Nothing that a flush does notes a link, so this keeps what was allocated.
        self.sending = sending;
    }

    /// A link goes down in a poll that told nothing of it to be read.
    fn hand_out(&mut self, events: &mut Vec<Event>) {
        let (links, turn) = (&mut self.links, self.turn);
        self.over.retain(|over| match *over {
            Over::Failed(number, why) => {
                events.push(Event::Failed { dial: DialId(number), why });
                false
            }
            Over::Down(number, why) => {
                if links.get(&number).is_some_and(|link| link.told_in == turn) {
                    return true;
                }
                if links.remove(&number).is_some() {
                    events.push(Event::Down { link: LinkId(number), why });
                }
                false
            }
        });
    }

    fn look_at_times(&mut self, now: Instant) {
        self.due = now + CONNECT_MAX;
        self.listen_again(now);
        let end = |attempt: &Attempt| attempt.began + CONNECT_MAX;
        let late = |(number, it): (&u64, &Attempt)| (now >= end(it)).then_some(*number);
        let late: Vec<u64> = self.attempts.iter().filter_map(late).collect();
        late.into_iter().for_each(|number| self.fail(number, Broken::Silent));
        self.due = self.attempts.values().map(end).fold(self.due, Instant::min);
        let numbers: Vec<u64> = self.links.keys().copied().collect();
        for number in numbers {
            match self.links.get_mut(&number).map(|link| link.tick(now)) {
                Some(Ok(due)) => {
                    self.due = self.due.min(due);
                    self.note_sending(number);
                }
                Some(Err(why)) => self.fail(number, why),
                None => {}
            }
        }
    }

    /// A poll that tells whether the waker was used.
    pub(crate) fn attend(&mut self, wait: Duration, events: &mut Vec<Event>) -> bool {
        let before = events.len();
        self.turn += 1;
        let mut now = clock();
        let end = now + wait.min(Duration::from_secs(3600));
        self.flush(events);
        self.hand_out(events);
        loop {
            let idle = events.len() == before;
            let until = if idle { end.min(self.due) } else { now };
            self.poller.wait(until.saturating_duration_since(now), &mut self.found);
            now = clock();
            self.react(now, events);
            if now >= self.due {
                self.look_at_times(now);
            }
            self.flush(events);
            self.hand_out(events);
            let Found { woken, other, .. } = self.found;
            if woken || other || events.len() > before || now >= end {
                return woken;
            }
        }
    }
}

impl Fabric for Tcp {
    fn dial(&mut self, address: &str) -> DialId {
        let number = self.next();
        if let Err(why) = self.reach(number, address, clock()) {
            self.over.push(Over::Failed(number, why));
        }
        DialId(number)
    }

    fn write(&mut self, link: LinkId, offset: u32, parts: &[&[u8]]) -> Result<(), Refused> {
        let written = self.up(link)?.write(offset, parts);
        self.note_sending(link.0);
        written
    }

    fn ring(&mut self, link: LinkId, word: u32) -> Result<(), Refused> {
        self.up(link)?.ring(word);
        self.note_sending(link.0);
        Ok(())
    }

    fn read(&self, link: LinkId, offset: u32, into: &mut [u8]) -> Result<(), Refused> {
        into.copy_from_slice(self.lent(link, offset, into.len())?);
        Ok(())
    }

    fn read_onto(
        &self,
        link: LinkId,
        offset: u32,
        count: usize,
        onto: &mut Vec<u8>,
    ) -> Result<(), Refused> {
        onto.extend_from_slice(self.lent(link, offset, count)?);
        Ok(())
    }

    fn cut(&mut self, link: LinkId) {
        if self.links.get(&link.0).is_some_and(|it| matches!(it.stage, Stage::Up | Stage::Down)) {
            self.links.remove(&link.0);
        }
    }

    fn poll(&mut self, wait: Duration, events: &mut Vec<Event>) {
        self.attend(wait, events);
    }

    fn waker(&self) -> Waker {
        Waker::from(self.poller.alarm().clone())
    }
}
