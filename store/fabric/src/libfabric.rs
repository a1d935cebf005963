//! Links over libfabric: what is written goes into the peer's memory without the peer's help, by a
//! network card where there is one.
//!
//! Reading order: `config`, `card` (what two ends tell each other), `address` (and where they are),
//! `lane` (what one end writes), `link`, `meet` (until there is one), `carry` (what libfabric
//! tells), `part` (its end), `leftovers`, `raw` (everything that is `unsafe`), and here what ties
//! them together.
//!
//! A link begins as one of [`crate::tcp`], its *control connection*, over which both ends prove who
//! they are and tell each other where to write. It stays open, and its end is the link's: libfabric
//! alone does not notice that a peer is gone. There is no thread but the owner's.
//!
//! Source: the manual pages of libfabric, in particular `fi_rma`, `fi_cq` and `fi_endpoint`.

mod address;
mod card;
mod carry;
mod config;
mod lane;
mod leftovers;
mod link;
mod meet;
mod part;
mod raw;

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::task::Waker;
use std::time::{Duration, Instant};

use ring::rand::SystemRandom;

use crate::limits::{
    ASK, HELLO_BYTES_MAX, NAP_MAX, NAP_MIN, REGION_BYTES_MAX, REGION_BYTES_MIN, RETRY, SPIN, TICK,
};
use crate::tcp::{Tcp, TcpConfig, TcpError};
use crate::{Broken, DialId, Event, Fabric, LinkId, Refused};
pub use config::{LibfabricConfig, LibfabricError, Provider};
use lane::{Flow, Lane};
use link::{Link, Stage};
use raw::{Device, Done};

/// Links over libfabric. An address is `HOST:PORT`, that of the control connection.
pub struct Libfabric {
    device: Device,
    provider: Provider,
    reached_at: Option<SocketAddr>,
    control: Tcp,
    random: SystemRandom,
    /// What both ends of a control connection say of themselves.
    kind: Vec<u8>,
    hello: Vec<u8>,
    lends: u32,
    links: BTreeMap<u64, Link>,
    /// Links that have something to begin.
    sending: Vec<u64>,
    /// What is over, and not handed out yet.
    over: Vec<Over>,
    done: Vec<Done>,
    told: Vec<Event>,
    /// Counts polls.
    turn: u64,
    /// Something has to be tried again soon.
    blocked: bool,
    /// When something was last completed,
    stirred: Instant,
    /// when control connections were last asked,
    asked: Instant,
    /// and when times have to be looked at.
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

impl Libfabric {
    /// Opens the provider and begins to listen.
    /// # Errors  [`LibfabricError`]
    pub fn open(config: LibfabricConfig) -> Result<Self, LibfabricError> {
        let LibfabricConfig { provider, listen, card, reached_at, .. } = config;
        let LibfabricConfig { hello, region_bytes, identity, .. } = config;
        if hello.len() > HELLO_BYTES_MAX {
            return Err(LibfabricError::Control(TcpError::Hello));
        }
        if !(REGION_BYTES_MIN..=REGION_BYTES_MAX).contains(&region_bytes) {
            return Err(LibfabricError::Control(TcpError::Region));
        }
        let card = card.unwrap_or(listen.ip());
        if provider.connects() && card.is_unspecified() {
            return Err(LibfabricError::Card);
        }
        let kind = format!("notrace-libfabric/1 {}", provider.name()).into_bytes();
        let told =
            TcpConfig { listen, hello: kind.clone(), region_bytes: REGION_BYTES_MIN, identity };
        let control = Tcp::open(told).map_err(LibfabricError::Control)?;
        if provider == Provider::Shm {
            leftovers::remove();
        }
        let device = Device::open(provider, provider.connects().then_some(card));
        let device = device.map_err(LibfabricError::from)?;
        if let Some(listener) = device.connection(None) {
            let watched = control.watch(listener, true);
            watched.map_err(|error| LibfabricError::Control(TcpError::Wait(error.kind())))?;
        }
        let now = clock();
        Ok(Self {
            device,
            provider,
            reached_at: reached_at.filter(|_| provider.connects()),
            control,
            random: SystemRandom::new(),
            kind,
            hello,
            lends: region_bytes,
            links: BTreeMap::new(),
            sending: Vec::new(),
            over: Vec::new(),
            done: Vec::new(),
            told: Vec::new(),
            turn: 0,
            blocked: false,
            stirred: now,
            asked: now,
            due: now,
        })
    }

    /// Where it listens for those who want a link.
    #[must_use]
    pub fn local_addr(&self) -> SocketAddr {
        self.control.local_addr()
    }

    /// Where its card waits for the connections of libfabric, if the provider has such.
    #[must_use]
    pub fn card_addr(&self) -> Option<SocketAddr> {
        self.device.listens_at().and_then(address::socket)
    }

    fn note_sending(&mut self, number: u64) {
        // Few links send between two polls.
        if !self.sending.contains(&number) {
            self.sending.push(number);
        }
    }

    /// A link that is up.
    fn up(&mut self, link: LinkId) -> Result<(&mut Link, &mut Device), Refused> {
        let up = self.links.get_mut(&link.0).filter(|link| link.stage == Stage::Up);
        up.map(|link| (link, &mut self.device)).ok_or(Refused::NoLink)
    }

    /// Begins what can be begun.
    fn flush(&mut self, now: Instant, events: &mut Vec<Event>) {
        self.blocked = false;
        for number in std::mem::take(&mut self.sending) {
            let link = self.links.get_mut(&number).filter(|link| link.stage != Stage::Down);
            let Some(lane) = link.and_then(|link| link.lane.as_mut()) else { continue };
            let flow = lane.flush(&mut self.device, now);
            if lane.wakes() && !self.device.has_descriptors() {
                // A bell on the control connection, which is waited for; it says no more than that.
                let _ = self.control.ring(LinkId(number), 0);
            }
            if let Some(backlog) = lane.freed() {
                events.push(Event::Sent { link: LinkId(number), backlog });
            }
            match flow {
                Ok(Flow::On) => {}
                Ok(Flow::Blocked) => {
                    self.blocked = true;
                    self.note_sending(number);
                }
                Err(why) => self.fail(number, why),
            }
        }
    }

    /// Asks the control connections, and waits for them and for libfabric.
    fn ask(&mut self, wait: Duration, events: &mut Vec<Event>) -> bool {
        let mut told = std::mem::take(&mut self.told);
        let woken = self.control.attend(wait, &mut told);
        if self.control.found_rare() {
            self.device.unsettle();
        }
        self.asked = clock();
        for event in told.drain(..) {
            self.hear_control(event, events);
        }
        self.told = told;
        woken
    }

    /// How long there is nothing to do, as far as we know.
    fn idle_for(&mut self, now: Instant, end: Instant) -> Duration {
        let mut until = end.min(self.due);
        if self.blocked {
            until = until.min(now + RETRY);
        }
        if !self.device.has_descriptors() {
            // Who has nothing to wait for looks, and lets others work in between, the peer perhaps
            // among them; once it was quiet for long, a bell on the control connection ends the
            // wait.
            let quiet = now.saturating_duration_since(self.stirred);
            let busy = self.links.values().filter_map(|link| link.lane.as_ref());
            let most = if busy.into_iter().all(Lane::is_idle) { NAP_MAX } else { NAP_MIN };
            let nap = (quiet / 4).clamp(NAP_MIN, most);
            if quiet < SPIN {
                std::thread::yield_now();
            }
            until = until.min(if quiet < SPIN { now } else { now + nap });
        } else if !self.device.may_wait() {
            until = now;
        }
        until.saturating_duration_since(now)
    }

    fn look_at_times(&mut self, now: Instant) {
        self.due = now + TICK;
        let numbers: Vec<u64> = self.links.keys().copied().collect();
        for number in numbers {
            let Some(link) = self.links.get_mut(&number) else { continue };
            if let Err(why) = link.tick(now) {
                self.fail(number, why);
            }
        }
    }
}

impl Fabric for Libfabric {
    fn dial(&mut self, address: &str) -> DialId {
        self.control.dial(address)
    }

    fn write(&mut self, link: LinkId, offset: u32, parts: &[&[u8]]) -> Result<(), Refused> {
        let (it, device) = self.up(link)?;
        let lane = it.lane.as_mut().ok_or(Refused::NoLink)?;
        let written = lane.write(device, offset, parts);
        self.note_sending(link.0);
        written
    }

    fn ring(&mut self, link: LinkId, word: u32) -> Result<(), Refused> {
        let (it, _) = self.up(link)?;
        it.lane.as_mut().ok_or(Refused::NoLink)?.ring(word);
        self.note_sending(link.0);
        Ok(())
    }

    fn read(&self, link: LinkId, offset: u32, into: &mut [u8]) -> Result<(), Refused> {
        let link = self.links.get(&link.0).filter(|link| link.stage != Stage::Meeting);
        let region = link.ok_or(Refused::NoLink)?.region;
        let read = self.device.get(region, offset as usize, into);
        read.then_some(()).ok_or(Refused::OutOfRegion)
    }

    fn cut(&mut self, link: LinkId) {
        if self.links.get(&link.0).is_some_and(|link| link.stage != Stage::Meeting) {
            self.part(link.0);
        }
    }

    fn poll(&mut self, wait: Duration, events: &mut Vec<Event>) {
        let before = events.len();
        self.turn += 1;
        let mut now = clock();
        let end = now + wait.min(Duration::from_secs(3600));
        loop {
            self.flush(now, events);
            if self.carry_on(now, events) {
                self.stirred = now;
                self.flush(now, events);
            }
            self.hand_out(events);
            let idle = events.len() == before;
            let nap = if idle { self.idle_for(now, end) } else { Duration::ZERO };
            // While there is much to do, asking every time would cost more than it tells.
            let woken = (idle || now >= self.asked + ASK) && self.ask(nap, events);
            now = clock();
            if now >= self.due {
                self.look_at_times(now);
            }
            self.hand_out(events);
            if woken || events.len() > before || now >= end {
                return;
            }
        }
    }

    fn waker(&self) -> Waker {
        self.control.waker()
    }
}
