//! Everything that is `unsafe` about libfabric: endpoints, and the memory that they may reach. What
//! this hands out is safe to use in any way.
//!
//! Reading order: `handle` (what has to be closed), `pages` (memory that others write), `memory`
//! (how long it has to stay), `open` (how all begins), `connect` (two endpoints), `endpoint` (one
//! link's).
//!
//! An operation is given to libfabric with a number for a context, never a pointer; what it refers
//! to stays in `memories` until its completion has come, or else until its endpoint is closed.
#![expect(unsafe_code, reason = "libfabric is a library in C, and memory that others write is raw")]

mod connect;
mod endpoint;
mod handle;
mod memory;
mod open;
mod pages;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::ffi::c_void;
use std::net::IpAddr;
use std::os::fd::BorrowedFd;
use std::ptr::{from_mut, null_mut};

use libfabric_sys as sys;

use super::config::Provider;
use crate::limits::{CHUNK_BYTES, UNDER_WAY_MAX};
use connect::{Events, Happened, Listener};
use endpoint::{Endpoint, Over, Place, Way};
pub(super) use handle::Code;
use handle::Handle;
use memory::Memories;
pub(super) use memory::{MemoryId, Piece};
use open::{Found, Name, Traits, Where};
use pages::Pages;

/// What is said to a peer beside writes has this length.
pub(super) const MESSAGE_BYTES: usize = 24;
pub(super) type Message = [u8; MESSAGE_BYTES];
/// The longest address of an endpoint.
pub(super) const ADDRESS_BYTES_MAX: usize = 255;
/// Messages that an endpoint receives without our help.
const RECEIVES: usize = 128;
/// Completions that are taken at once.
const BATCH: usize = 64;
/// Completions of an endpoint for which there is place.
const QUEUE: usize = 2 * (RECEIVES + UNDER_WAY_MAX);

/// Where to write: a region as the peer told of it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Target {
    pub(super) key: u64,
    pub(super) base: u64,
}

/// Memory that was registered for others to write.
pub(super) struct Lent {
    pub(super) memory: MemoryId,
    pub(super) at: Target,
}

/// What was completed, and on which endpoint.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Done {
    /// So many bytes are in the memory of the peer, or on a connection to it.
    Written(u64, u32),
    /// They are not, and nobody knows what is; or nothing will be completed any more.
    Lost(u64),
    /// Somebody said this.
    Said(u64, Message),
    /// A write of the peer's is in memory, and all before it, and came with this word.
    Rung(u64, u32),
}

/// Why something was not begun.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Unposted {
    /// There is no room, or no connection yet: later.
    Later,
    /// It cannot be.
    Never,
}

/// What is under way.
#[derive(Clone, Copy)]
enum Op {
    Write { endpoint: u64, memory: MemoryId, bytes: u32 },
    Receive { endpoint: u64, slot: usize },
}

/// A network and the endpoints on it, each under a number that the caller gave. What is closed
/// first stands first.
pub(super) struct Device {
    endpoints: BTreeMap<u64, Endpoint>,
    memories: Memories,
    listener: Option<Listener>,
    domain: Handle<sys::fid_domain>,
    fabric: Handle<sys::fid_fabric>,
    found: Found,
    provider: Provider,
    traits: Traits,
    ops: BTreeMap<usize, Op>,
    numbers: usize,
    /// Endpoints that do not receive as much as they could.
    deaf: Vec<u64>,
    over: Vec<(u64, Over)>,
    /// Nothing happens to connections before their descriptors get ready.
    settled: bool,
    /// An endpoint could not be closed: libfabric may still use its memory.
    stuck: bool,
}

// SAFETY: libfabric's objects are of no thread, as long as one at a time uses those of a domain
// (`FI_THREAD_DOMAIN`), and all of a domain's are in here.
unsafe impl Send for Device {}

impl Device {
    pub(super) fn open(provider: Provider, at: Option<IpAddr>) -> Result<Self, Code> {
        let found = Found::new(provider, at.map_or(Where::Anywhere, Where::Here))?;
        let traits = found.traits(provider);
        let fabric = found.fabric()?;
        let domain = found.domain(&fabric)?;
        let listener = match provider.connects() {
            true => Some(Listener::new(&fabric, &found)?),
            false => None,
        };
        Ok(Self {
            provider,
            listener,
            endpoints: BTreeMap::new(),
            memories: Memories::default(),
            domain,
            fabric,
            found,
            traits,
            ops: BTreeMap::new(),
            numbers: 0,
            deaf: Vec::new(),
            over: Vec::new(),
            settled: false,
            stuck: false,
        })
    }

    /// Whether a message is delivered only after the writes before it are in memory, and a word can
    /// come with a write.
    pub(super) fn is_ordered(&self) -> bool {
        self.traits.ordered
    }

    /// Where connections are asked for, as libfabric writes addresses.
    pub(super) fn listens_at(&self) -> Option<&[u8]> {
        self.listener.as_ref().map(|listener| listener.name.as_slice())
    }

    /// What gets ready when something is completed on an endpoint.
    pub(super) fn descriptor(&self, number: u64) -> Option<BorrowedFd<'_>> {
        let wait = self.endpoints.get(&number)?.wait?;
        // SAFETY: it is a queue's, which stays open as long as this is borrowed.
        Some(unsafe { BorrowedFd::borrow_raw(wait) })
    }

    /// What gets ready when something happens to an endpoint's connection, or where connections are
    /// asked for.
    pub(super) fn connection(&self, number: Option<u64>) -> Option<BorrowedFd<'_>> {
        let events = match number {
            None => &self.listener.as_ref()?.events,
            Some(number) => match &self.endpoints.get(&number)?.way {
                Way::Connected(events) => events,
                Way::Addressed(_) => return None,
            },
        };
        // SAFETY: it is a queue's, which stays open as long as this is borrowed.
        Some(unsafe { BorrowedFd::borrow_raw(events.wait) })
    }

    /// Looks at connections again: a descriptor of theirs is ready.
    pub(super) fn unsettle(&mut self) {
        self.settled = false;
    }

    /// Whether there is something to wait for: every endpoint has a descriptor.
    pub(super) fn has_descriptors(&self) -> bool {
        self.endpoints.values().all(|endpoint| endpoint.wait.is_some())
    }

    /// Whether waiting for the descriptors makes sense: there is nothing to be told now.
    pub(super) fn may_wait(&mut self) -> bool {
        let mut fids: Vec<_> = self.endpoints.values().map(|it| it.queue.fid()).collect();
        if !self.settled {
            fids.extend(self.endpoints.values().filter_map(|endpoint| match &endpoint.way {
                Way::Connected(events) => Some(events.queue.fid()),
                Way::Addressed(_) => None,
            }));
            fids.extend(self.listener.as_ref().map(|listener| listener.events.queue.fid()));
        }
        let (count, fids) = (fids.len() as i32, fids.as_mut_ptr());
        // SAFETY: all are open, and there are so many.
        let quiet =
            count == 0 || unsafe { sys::inline_fi_trywait(self.fabric.get(), fids, count) } == 0;
        self.settled |= quiet;
        quiet
    }

    /// Opens an endpoint; what others find it by. With the token they get its connection, where
    /// there are connections.
    pub(super) fn begin(&mut self, number: u64, token: u64) -> Result<Vec<u8>, Code> {
        let (queue, wait) = open::queue(&self.domain, QUEUE)?;
        let (way, endpoint, name) = match &self.listener {
            Some(listener) => {
                (Way::Connected(Events::new(&self.fabric)?), None, listener.name.clone())
            }
            None => {
                let addresses = open::addresses(&self.domain)?;
                let (info, other) = (self.found.info(), addresses.fid());
                // SAFETY: the entry lives as long as this.
                let endpoint = unsafe { open::endpoint(info, &self.domain, &queue, other) }?;
                let name = open::name(&endpoint)?;
                (Way::Addressed(addresses), Some(endpoint), name)
            }
        };
        let pages = Pages::new(RECEIVES * MESSAGE_BYTES).ok_or(Code(0))?;
        let registration = match self.traits.local {
            true => Some(register(&self.domain, &pages, u64::from(sys::FI_RECV), 0)?),
            false => None,
        };
        let mailbox = self.memories.add(pages, registration, false);
        let (idle, peer, lent) = ((0..RECEIVES).collect(), None, None);
        let endpoint = Endpoint { endpoint, way, queue, wait, mailbox, idle, peer, token, lent };
        self.endpoints.insert(number, endpoint);
        self.settled = false;
        self.deaf.push(number);
        self.receive();
        Ok(name)
    }

    /// Tells an endpoint who its peer is. Where there are connections, one is asked for, with the
    /// peer's token, or waited for.
    pub(super) fn meet(&mut self, number: u64, name: &[u8], asks: Option<u64>) -> Result<(), Code> {
        let name = Name::new(name).ok_or(Code(0))?;
        self.settled = false;
        let Some(it) = self.endpoints.get_mut(&number) else { return Err(Code(0)) };
        let Way::Connected(events) = &it.way else { return it.look_up(&name) };
        let Some(token) = asks else { return Ok(()) };
        let found = Found::new(self.provider, Where::Towards(&name))?;
        let (info, other) = (found.info(), events.queue.fid());
        // SAFETY: the entry lives as long as what was found.
        let endpoint = unsafe { open::endpoint(info, &self.domain, &it.queue, other) }?;
        let endpoint = it.endpoint.insert(endpoint);
        connect::connect(endpoint, &name, token)?;
        self.receive();
        Ok(())
    }

    /// Gives connections to who asks for them. Whoever asks much lets others wait no longer for it.
    fn answer(&mut self) {
        let Some(listener) = &self.listener else { return };
        for _ in 0..BATCH {
            let Some(happened) = listener.events.next() else { return };
            let Happened::Asked(request) = happened else { continue };
            let waits = |it: &&mut Endpoint| it.token == request.token && it.endpoint.is_none();
            let accepted = self.endpoints.values_mut().find(waits).map(|it| {
                let Way::Connected(events) = &it.way else { return Err(Code(0)) };
                let (info, other) = (request.info(), events.queue.fid());
                // SAFETY: the entry lives as long as the request.
                let endpoint = unsafe { open::endpoint(info, &self.domain, &it.queue, other) }?;
                connect::accept(it.endpoint.insert(endpoint))
            });
            if accepted.is_none() {
                listener.reject(&request);
            }
        }
    }

    /// Closes an endpoint: nothing of it is completed any more, and its memory is free.
    #[expect(clippy::disallowed_methods, reason = "what libfabric does not close stays")]
    pub(super) fn end(&mut self, number: u64) {
        let Some(endpoint) = self.endpoints.remove(&number) else { return };
        let Endpoint { endpoint, way, queue, mailbox, lent, .. } = endpoint;
        if endpoint.is_some_and(|endpoint| !endpoint.close()) {
            self.stuck = true;
            std::mem::forget((way, queue));
            return;
        }
        drop((way, queue));
        self.memories.release(mailbox);
        lent.into_iter().for_each(|lent| self.memories.release(lent));
        let memories = &mut self.memories;
        self.ops.retain(|_, op| match *op {
            Op::Write { endpoint, memory, .. } if endpoint == number => {
                memories.give_back(memory);
                false
            }
            Op::Receive { endpoint, .. } => endpoint != number,
            Op::Write { .. } => true,
        });
    }

    /// Memory for the peer of an endpoint to write until that is closed, with this key where the
    /// provider leaves that to us.
    pub(super) fn lend(&mut self, number: u64, bytes: usize, key: u64) -> Option<Lent> {
        let endpoint = self.endpoints.get_mut(&number).filter(|it| it.lent.is_none())?;
        let pages = Pages::new(bytes)?;
        let access = u64::from(sys::FI_REMOTE_WRITE);
        let registration = register(&self.domain, &pages, access, key).ok()?;
        // SAFETY: it is open.
        let key = unsafe { sys::inline_fi_mr_key(registration.get()) };
        let place = pages.place(0, bytes).filter(|_| self.traits.virtual_address);
        let base = place.map_or(0, |place| place.expose_provenance() as u64);
        let memory = self.memories.add(pages, Some(registration), false);
        endpoint.lent = Some(memory);
        Some(Lent { memory, at: Target { key, base } })
    }

    /// Copies bytes out of memory that was lent.
    pub(super) fn get(&self, memory: MemoryId, at: usize, into: &mut [u8]) -> bool {
        let pages = self.memories.get(memory).and_then(|memory| memory.pages.as_ref());
        pages.is_some_and(|pages| pages.get(at, into))
    }

    /// Memory to write from.
    pub(super) fn chunk(&mut self) -> Option<MemoryId> {
        if let Some(spare) = self.memories.spare() {
            return Some(spare);
        }
        let pages = Pages::new(CHUNK_BYTES)?;
        let access = u64::from(sys::FI_WRITE);
        let registration = match self.traits.local {
            true => Some(register(&self.domain, &pages, access, 0).ok()?),
            false => None,
        };
        Some(self.memories.add(pages, registration, true))
    }

    /// Ends the use of a chunk: it is free as soon as no [`Piece`] of it is left.
    pub(super) fn release(&mut self, chunk: MemoryId) {
        self.memories.release(chunk);
    }

    /// Copies bytes into a chunk.
    pub(super) fn put(&mut self, chunk: MemoryId, at: usize, bytes: &[u8]) -> bool {
        self.memories.pages(chunk).is_some_and(|pages| pages.put(at, bytes))
    }

    /// Bytes of a chunk, to be written. They are not to be put anew before they are.
    pub(super) fn piece(&mut self, memory: MemoryId, at: u32, bytes: u32) -> Option<Piece> {
        self.memories.pages(memory)?.place(at as usize, bytes as usize)?;
        self.memories.take(memory)?;
        Some(Piece { memory, at, bytes })
    }

    /// Begins to write a piece, and, where [`Device::is_ordered`] says so, to ring with it.
    /// [`Done::Written`] or [`Done::Lost`] tells how it ended.
    pub(super) fn write(
        &mut self,
        number: u64,
        piece: Piece,
        to: (&Target, u32),
        ring: Option<u32>,
    ) -> Result<(), (Piece, Unposted)> {
        let Piece { memory, at, bytes } = piece;
        let place = Place::of(&self.memories, memory, at as usize, bytes as usize);
        let Some((endpoint, place)) = self.endpoints.get(&number).zip(place) else {
            return Err((piece, Unposted::Never));
        };
        let op = self.numbers + 1;
        // SAFETY: the piece is given back when the operation is completed, or when the endpoint is
        // closed, and not before.
        if let Err(unposted) = unsafe { endpoint.write(place, to, ring, op) } {
            return Err((piece, unposted));
        }
        self.numbers = op;
        self.ops.insert(op, Op::Write { endpoint: number, memory, bytes });
        Ok(())
    }

    /// Gives a piece back that is not to be written any more.
    pub(super) fn forget(&mut self, piece: &Piece) {
        self.memories.give_back(piece.memory);
    }

    /// Says something to the peer, behind what was said before.
    pub(super) fn say(&mut self, number: u64, message: &Message) -> Result<(), Unposted> {
        self.endpoints.get(&number).ok_or(Unposted::Never)?.say(message)
    }

    /// Carries on, and takes some of what was completed. Whether there may be more.
    pub(super) fn progress(&mut self, done: &mut Vec<Done>) -> bool {
        let (mut more, mut over) = (false, std::mem::take(&mut self.over));
        let mut lost = Vec::new();
        if !self.settled {
            self.answer();
        }
        for (number, endpoint) in &mut self.endpoints {
            match endpoint.progress(|it| over.push((*number, it))) {
                Some(true) => more = true,
                // What came before the end of a connection is taken before the end is told.
                Some(false) if self.settled || !endpoint.attend() => {}
                Some(false) | None => lost.push(*number),
            }
        }
        for (number, over) in over.drain(..) {
            self.complete(number, over, done);
        }
        self.over = over;
        done.extend(lost.into_iter().map(Done::Lost));
        self.receive();
        more
    }

    /// Something is over on an endpoint. A word that came with a write may have used up a place for
    /// a message, or be of no operation of ours.
    fn complete(&mut self, number: u64, over: Over, done: &mut Vec<Done>) {
        if let Some(word) = over.word {
            done.push(u32::try_from(word).map_or(Done::Lost(number), |it| Done::Rung(number, it)));
        }
        match self.ops.remove(&over.op) {
            Some(Op::Write { endpoint, memory, bytes }) => {
                self.memories.give_back(memory);
                done.push(match over.length {
                    Some(_) => Done::Written(endpoint, bytes),
                    None => Done::Lost(endpoint),
                });
            }
            Some(Op::Receive { endpoint: number, slot }) => {
                let Some(endpoint) = self.endpoints.get_mut(&number) else { return };
                endpoint.idle.push(slot);
                let (mailbox, mut message) = (endpoint.mailbox, [0; MESSAGE_BYTES]);
                if !self.deaf.contains(&number) {
                    self.deaf.push(number);
                }
                let whole = over.length == Some(MESSAGE_BYTES) && over.word.is_none();
                if whole && self.get(mailbox, slot * MESSAGE_BYTES, &mut message) {
                    done.push(Done::Said(number, message));
                }
            }
            None => {}
        }
    }

    /// Begins to receive wherever nothing is received.
    fn receive(&mut self) {
        let (endpoints, memories) = (&mut self.endpoints, &self.memories);
        let (ops, numbers) = (&mut self.ops, &mut self.numbers);
        self.deaf.retain(|number| {
            let Some(endpoint) = endpoints.get_mut(number) else { return false };
            while let Some(slot) = endpoint.idle.pop() {
                let at = slot * MESSAGE_BYTES;
                let place = Place::of(memories, endpoint.mailbox, at, MESSAGE_BYTES);
                let Some(place) = place else { return false };
                let op = *numbers + 1;
                // SAFETY: the mailbox stays until the endpoint is closed.
                if unsafe { endpoint.receive(place, op) }.is_err() {
                    endpoint.idle.push(slot);
                    return true;
                }
                *numbers = op;
                ops.insert(op, Op::Receive { endpoint: *number, slot });
            }
            false
        });
    }
}

#[expect(clippy::disallowed_methods, reason = "what the network may still write stays, unwiped")]
impl Drop for Device {
    fn drop(&mut self) {
        while let Some((number, _)) = self.endpoints.first_key_value() {
            self.end(*number);
        }
        if self.stuck {
            std::mem::forget(std::mem::take(&mut self.memories));
        }
    }
}

fn register(
    domain: &Handle<sys::fid_domain>,
    pages: &Pages,
    access: u64,
    key: u64,
) -> Result<Handle<sys::fid_mr>, Code> {
    let (bytes, mut opened) = (pages.len(), null_mut());
    let begin = pages.place(0, bytes).map_or(null_mut(), |place| place.cast::<c_void>());
    let (domain, place) = (domain.get(), from_mut(&mut opened));
    // SAFETY: it is open, and the memory stays until the registration is closed.
    let result = unsafe {
        sys::inline_fi_mr_reg(domain, begin, bytes, access, 0, key, 0, place, null_mut())
    };
    // SAFETY: this is what the call opens.
    unsafe { Handle::own(result, opened) }
}
