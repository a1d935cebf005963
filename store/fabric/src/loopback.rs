//! Links within one process: for tests, and for what a group of one never needs.
//!
//! What a node writes is queued at the peer and lands when the peer polls, so that memory has one
//! owner. A [`Network`] can hold back what is under way and sever links, as real networks do.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::task::{Wake, Waker};
use std::time::Duration;

use crate::limits::{HELLO_BYTES_MAX, LINKS_MAX};
use crate::{Broken, DialId, Event, Fabric, LinkId, Peer, Refused, Secrecy};

/// A network in memory. Clones are handles to the same one.
#[derive(Clone, Default)]
pub struct Network(Arc<Mutex<Wires>>);

#[derive(Default)]
struct Wires {
    inboxes: BTreeMap<String, Arc<Inbox>>,
    /// Ways on which nothing lands.
    held: BTreeSet<(String, String)>,
}

impl Network {
    /// An endpoint of this name, in the place of an earlier one; the name is its address too.
    #[must_use]
    pub fn endpoint(&self, name: &str, hello: &[u8], region_bytes: u32) -> Loopback {
        self.endpoint_at(name, name, hello, region_bytes)
    }

    /// The same at another address than its name, as where two have a key of one name.
    pub fn endpoint_at(&self, at: &str, name: &str, hello: &[u8], region_bytes: u32) -> Loopback {
        let inbox = Arc::new(Inbox::default());
        let before = self.wires().inboxes.insert(at.to_owned(), inbox.clone());
        if let Some(before) = before {
            before.close();
        }
        let mut hello = hello.to_vec();
        hello.truncate(HELLO_BYTES_MAX);
        Loopback {
            network: self.clone(),
            name: name.to_owned(),
            key: None,
            hello,
            room: region_bytes,
            inbox,
            links: BTreeMap::new(),
            numbers: 0,
        }
    }

    /// Nothing lands that goes from one to the other, until [`Network::release`].
    pub fn hold(&self, from: &str, to: &str) {
        self.wires().held.insert((from.to_owned(), to.to_owned()));
    }

    /// What was held back lands.
    pub fn release(&self, from: &str, to: &str) {
        self.wires().held.remove(&(from.to_owned(), to.to_owned()));
        // An inbox asks the network what is held while it is locked; never the other way round.
        if let Some(inbox) = self.inbox(to) {
            inbox.knock();
        }
    }

    /// Breaks every link between the two. Of what is under way, the first `landing` parcels to
    /// each still land.
    pub fn sever(&self, one: &str, other: &str, landing: usize) {
        for (to, from) in [(one, other), (other, one)] {
            if let Some(inbox) = self.inbox(to) {
                inbox.sever(from, landing);
            }
        }
    }

    fn wires(&self) -> MutexGuard<'_, Wires> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn inbox(&self, name: &str) -> Option<Arc<Inbox>> {
        self.wires().inboxes.get(name).cloned()
    }

    fn is_held(&self, from: &str, to: &str) -> bool {
        let wires = self.wires();
        !wires.held.is_empty() && wires.held.contains(&(from.to_owned(), to.to_owned()))
    }
}

/// What is on its way to one endpoint.
#[derive(Default)]
struct Inbox {
    queue: Mutex<Queue>,
    arrived: Condvar,
}

#[derive(Default)]
struct Queue {
    parcels: VecDeque<(String, Parcel)>,
    woken: bool,
    closed: bool,
}

enum Parcel {
    Hello { link: LinkId, says: Says, inbox: Arc<Inbox> },
    Welcome { link: LinkId, theirs: LinkId, says: Says },
    Absent { link: LinkId },
    Write { link: LinkId, offset: u32, bytes: Vec<u8> },
    Ring { link: LinkId, word: u32 },
    Down { link: LinkId },
}

/// What an end tells of itself.
struct Says {
    key: Option<[u8; 32]>,
    hello: Vec<u8>,
    room: u32,
}

impl Says {
    fn peer(self, name: String) -> Peer {
        let Self { key, hello, room } = self;
        Peer { name, key, hello, room, secrecy: Secrecy::Private }
    }
}

impl Inbox {
    fn queue(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether it was taken.
    fn push(&self, from: &str, parcel: Parcel) -> bool {
        let mut queue = self.queue();
        if queue.closed {
            return false;
        }
        queue.parcels.push_back((from.to_owned(), parcel));
        self.arrived.notify_one();
        true
    }

    /// Returns what was taken and did not land.
    fn put_back(&self, parcels: impl Iterator<Item = (String, Parcel)>) {
        let mut queue = self.queue();
        let later = std::mem::take(&mut queue.parcels);
        queue.parcels.extend(parcels.chain(later));
    }

    fn knock(&self) {
        self.queue().woken = true;
        self.arrived.notify_one();
    }

    fn close(&self) {
        let mut queue = self.queue();
        queue.closed = true;
        queue.parcels.clear();
        self.arrived.notify_one();
    }

    fn sever(&self, from: &str, landing: usize) {
        let mut queue = self.queue();
        let mut kept = 0;
        queue.parcels.retain(|(sender, _)| {
            kept += usize::from(sender == from);
            sender != from || kept <= landing
        });
        queue.parcels.push_back((from.to_owned(), Parcel::Down { link: SEVERED }));
        self.arrived.notify_one();
    }

    /// Takes what has landed; what is held back stays, in its order.
    fn take(&self, network: &Network, me: &str, wait: Duration) -> Vec<(String, Parcel)> {
        let mut queue = self.queue();
        let idle = |queue: &mut Queue| queue.parcels.is_empty() && !queue.woken && !queue.closed;
        if !wait.is_zero() && idle(&mut queue) {
            queue = match self.arrived.wait_timeout_while(queue, wait, idle) {
                Ok((queue, _)) => queue,
                Err(poisoned) => poisoned.into_inner().0,
            };
        }
        queue.woken = false;
        let parcels = std::mem::take(&mut queue.parcels);
        let (mut landed, mut held) = (Vec::new(), VecDeque::new());
        for (from, parcel) in parcels {
            let stays = network.is_held(&from, me) && !matches!(parcel, Parcel::Absent { .. });
            if stays { held.push_back((from, parcel)) } else { landed.push((from, parcel)) }
        }
        queue.parcels = held;
        landed
    }
}

impl Wake for Inbox {
    fn wake(self: Arc<Self>) {
        self.knock();
    }
}

/// Stands for every link to the sender of the parcel.
const SEVERED: LinkId = LinkId(u64::MAX);

/// One end of a link.
struct End {
    peer: String,
    inbox: Arc<Inbox>,
    /// The link's number at the peer; none until it has answered.
    theirs: Option<LinkId>,
    room: u32,
    region: Vec<u8>,
}

/// One endpoint of a [`Network`].
pub struct Loopback {
    network: Network,
    name: String,
    key: Option<[u8; 32]>,
    hello: Vec<u8>,
    room: u32,
    inbox: Arc<Inbox>,
    links: BTreeMap<LinkId, End>,
    numbers: u64,
}

impl Loopback {
    /// The same, as if it had proved its name with the key of this digest.
    #[must_use]
    pub fn with_key(mut self, key: [u8; 32]) -> Self {
        self.key = Some(key);
        self
    }

    fn says(&self) -> Says {
        Says { key: self.key, hello: self.hello.clone(), room: self.room }
    }

    fn next(&mut self) -> u64 {
        self.numbers += 1;
        self.numbers
    }

    fn end(&self, link: LinkId) -> Result<(&End, LinkId), Refused> {
        let end = self.links.get(&link).ok_or(Refused::NoLink)?;
        Ok((end, end.theirs.ok_or(Refused::NoLink)?))
    }

    fn open(&mut self, link: LinkId, peer: &str, inbox: Arc<Inbox>, other: Option<(LinkId, u32)>) {
        let region = vec![0; self.room as usize];
        let (theirs, room) = other.map_or((None, 0), |(link, room)| (Some(link), room));
        self.links.insert(link, End { peer: peer.to_owned(), inbox, theirs, room, region });
    }

    fn land(&mut self, from: String, parcel: Parcel, events: &mut Vec<Event>) {
        match parcel {
            Parcel::Hello { link: theirs, says, inbox } => {
                if self.links.len() >= LINKS_MAX {
                    inbox.push(&self.name, Parcel::Absent { link: theirs });
                    return;
                }
                let link = LinkId(self.next());
                let welcome = Parcel::Welcome { link: theirs, theirs: link, says: self.says() };
                inbox.push(&self.name, welcome);
                self.open(link, &from, inbox, Some((theirs, says.room)));
                let peer = says.peer(from);
                events.push(Event::Up { link, dialled: None, peer });
            }
            Parcel::Welcome { link, theirs, says } => {
                let Some(end) = self.links.get_mut(&link) else { return };
                (end.theirs, end.room) = (Some(theirs), says.room);
                end.peer.clone_from(&from);
                let peer = says.peer(from);
                events.push(Event::Up { link, dialled: Some(DialId(link.0)), peer });
            }
            Parcel::Absent { link } => {
                self.links.remove(&link);
                events.push(Event::Failed { dial: DialId(link.0), why: Broken::Gone });
            }
            Parcel::Write { link, offset, bytes } => {
                let Some(end) = self.links.get_mut(&link) else { return };
                let begin = offset as usize;
                match end.region.get_mut(begin..begin + bytes.len()) {
                    Some(place) => place.copy_from_slice(&bytes),
                    None => {
                        self.cut(link);
                        events.push(Event::Down { link, why: Broken::Rules });
                    }
                }
            }
            Parcel::Ring { link, word } => {
                if self.links.contains_key(&link) {
                    events.push(Event::Bell { link, word });
                }
            }
            Parcel::Down { link } => self.go_down(&from, link, events),
        }
    }

    /// Whether a link goes with this: the peer ends it, or writes outside the region.
    fn ends_a_link(&self, parcel: &Parcel) -> bool {
        match parcel {
            Parcel::Down { .. } => true,
            Parcel::Write { link, offset, bytes } => {
                let room = self.links.get(link).map_or(usize::MAX, |end| end.region.len());
                *offset as usize + bytes.len() > room
            }
            _ => false,
        }
    }

    fn go_down(&mut self, from: &str, link: LinkId, events: &mut Vec<Event>) {
        let gone = |(number, end): (&LinkId, &End)| {
            (end.peer == from && (link == SEVERED || link == *number)).then_some(*number)
        };
        let gone: Vec<LinkId> = self.links.iter().filter_map(gone).collect();
        for link in gone {
            let end = self.links.remove(&link);
            let why = Broken::Gone;
            events.push(match end.and_then(|end| end.theirs) {
                Some(_) => Event::Down { link, why },
                None => Event::Failed { dial: DialId(link.0), why },
            });
        }
    }
}

impl Loopback {
    /// A part of the region that this end lends.
    fn lent(&self, link: LinkId, offset: u32, count: usize) -> Result<&[u8], Refused> {
        let end = self.links.get(&link).ok_or(Refused::NoLink)?;
        let begin = offset as usize;
        end.region.get(begin..begin + count).ok_or(Refused::OutOfRegion)
    }
}

impl Fabric for Loopback {
    fn dial(&mut self, address: &str) -> DialId {
        let link = LinkId(self.next());
        let target = self.network.inbox(address).filter(|_| self.links.len() < LINKS_MAX);
        let hello = Parcel::Hello { link, says: self.says(), inbox: self.inbox.clone() };
        match target {
            Some(inbox) if inbox.push(&self.name, hello) => {
                self.open(link, address, inbox, None);
            }
            _ => drop(self.inbox.push(&self.name, Parcel::Absent { link })),
        }
        DialId(link.0)
    }

    fn write(&mut self, link: LinkId, offset: u32, parts: &[&[u8]]) -> Result<(), Refused> {
        let (end, theirs) = self.end(link)?;
        let length: usize = parts.iter().map(|part| part.len()).sum();
        if offset as usize + length > end.room as usize {
            return Err(Refused::OutOfRegion);
        }
        end.inbox.push(&self.name, Parcel::Write { link: theirs, offset, bytes: parts.concat() });
        Ok(())
    }

    fn ring(&mut self, link: LinkId, word: u32) -> Result<(), Refused> {
        let (end, link) = self.end(link)?;
        end.inbox.push(&self.name, Parcel::Ring { link, word });
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
        let Some(end) = self.links.remove(&link) else { return };
        if let Some(theirs) = end.theirs {
            end.inbox.push(&self.name, Parcel::Down { link: theirs });
        }
    }

    fn poll(&mut self, wait: Duration, events: &mut Vec<Event>) {
        let before = events.len();
        let rang = |event: &Event| matches!(event, Event::Bell { .. });
        let mut landed = self.inbox.take(&self.network, &self.name, wait).into_iter();
        while let Some((from, parcel)) = landed.next() {
            // What was rung for can be read until the next poll, so no link goes in this one.
            if self.ends_a_link(&parcel) && events.iter().skip(before).any(rang) {
                self.inbox.put_back(std::iter::once((from, parcel)).chain(landed));
                return;
            }
            self.land(from, parcel, events);
        }
    }

    fn waker(&self) -> Waker {
        Waker::from(self.inbox.clone())
    }
}

impl Drop for Loopback {
    fn drop(&mut self) {
        self.inbox.close();
        for end in std::mem::take(&mut self.links).into_values() {
            if let Some(theirs) = end.theirs {
                end.inbox.push(&self.name, Parcel::Down { link: theirs });
            }
        }
    }
}

#[cfg(test)]
mod a_peer_that_writes_outside_the_region {
    use super::*;

    fn poll(end: &mut Loopback) -> Vec<Event> {
        let mut events = Vec::new();
        end.poll(Duration::ZERO, &mut events);
        events
    }

    fn up(events: &[Event]) -> LinkId {
        let link = events.iter().find_map(|event| match event {
            Event::Up { link, .. } => Some(*link),
            _ => None,
        });
        link.unwrap()
    }

    #[test]
    fn is_cut_off_once_what_was_rung_for_could_be_read() {
        let network = Network::default();
        let (mut one, mut other) =
            (network.endpoint("one", &[], 4096), network.endpoint("other", &[], 4096));
        one.dial("other");
        let there = up(&poll(&mut other));
        let here = up(&poll(&mut one));
        one.write(here, 0, &[b"abc"]).unwrap();
        one.ring(here, 1).unwrap();
        assert_eq!(one.write(here, 4090, &[&[0; 7]]), Err(Refused::OutOfRegion));
        // One that does not ask itself.
        one.links.get_mut(&here).unwrap().room = u32::MAX;
        one.write(here, 4090, &[&[0; 7]]).unwrap();
        assert_eq!(poll(&mut other), [Event::Bell { link: there, word: 1 }]);
        let mut read = [0; 3];
        other.read(there, 0, &mut read).unwrap();
        assert_eq!(&read, b"abc");
        assert_eq!(poll(&mut other), [Event::Down { link: there, why: Broken::Rules }]);
        assert_eq!(poll(&mut one), [Event::Down { link: here, why: Broken::Gone }]);
    }
}
