//! Everything that is `unsafe` about libfabric: one endpoint, and the memory that it may reach.
//! What this hands out is safe to use in any way.
//!
//! Reading order: `handle` (what has to be closed), `pages` (memory that others write), `memory`
//! (how long it has to stay), `open` (how all begins).
//!
//! An operation is given to libfabric with a number for a context, never a pointer; what it refers
//! to stays in `memories` until its completion has come, or else until the endpoint is closed.
#![expect(unsafe_code, reason = "libfabric is a library in C, and memory that others write is raw")]

mod handle;
mod memory;
mod open;
mod pages;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::ffi::c_void;
use std::net::IpAddr;
use std::os::fd::{BorrowedFd, RawFd};
use std::ptr::{from_mut, null_mut, without_provenance_mut};

use libfabric_sys as sys;

use super::config::Provider;
use crate::limits::{CHUNK_BYTES, LEFT_MAX};
pub(super) use handle::Code;
use handle::{Handle, check};
use memory::Memories;
pub(super) use memory::{MemoryId, Piece};
use open::{Found, Traits};
use pages::Pages;

/// What is said to a peer beside writes has this length.
pub(super) const MESSAGE_BYTES: usize = 24;
pub(super) type Message = [u8; MESSAGE_BYTES];
/// The longest address of an endpoint.
pub(super) const ADDRESS_BYTES_MAX: usize = 255;
/// Messages that are received without our help; they have the first numbers among the operations.
const RECEIVES: usize = 512;
/// Completions that are taken at once.
const BATCH: usize = 64;
/// Completions for which there is place.
const QUEUE: usize = 32 << 10;

/// Where to write.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Target {
    pub(super) address: Address,
    /// The region's, as the peer told it.
    pub(super) key: u64,
    pub(super) base: u64,
}

/// A peer's endpoint.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Address(sys::fi_addr_t);

/// Memory that was registered for others to write.
pub(super) struct Lent {
    pub(super) memory: MemoryId,
    pub(super) key: u64,
    pub(super) base: u64,
}

/// What was completed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Done {
    /// So many bytes of a link are in the memory of its peer.
    Written { link: u64, bytes: u32 },
    /// They are not, and nobody knows what is.
    Lost { link: u64 },
    /// Somebody said this.
    Said(Message),
    /// Nothing will be completed any more.
    Broken,
}

/// Why something was not begun.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Unposted {
    /// There is no room, or no connection yet: later.
    Later,
    /// It cannot be.
    Never,
}

struct Op {
    memory: MemoryId,
    link: u64,
    bytes: u32,
}

/// An endpoint. What is closed first stands first.
pub(super) struct Device {
    endpoint: Option<Handle<sys::fid_ep>>,
    memories: Memories,
    queue: Handle<sys::fid_cq>,
    addresses: Handle<sys::fid_av>,
    domain: Handle<sys::fid_domain>,
    fabric: Handle<sys::fid_fabric>,
    wait: Option<RawFd>,
    traits: Traits,
    mailbox: MemoryId,
    /// Receives that could not be begun again yet.
    idle: Vec<usize>,
    ops: BTreeMap<usize, Op>,
    numbers: usize,
    /// How often memory was left to who may still write.
    left: usize,
}

// SAFETY: libfabric's objects are of no thread, as long as one at a time uses those of a domain
// (`FI_THREAD_DOMAIN`), and all of a domain's are in here.
unsafe impl Send for Device {}

impl Device {
    pub(super) fn open(provider: Provider, at: Option<IpAddr>) -> Result<Self, Code> {
        let found = Found::new(provider, at)?;
        let traits = found.traits(provider);
        let fabric = found.fabric()?;
        let domain = found.domain(&fabric)?;
        let addresses = open::addresses(&domain)?;
        let (queue, wait) = open::queue(&domain, QUEUE)?;
        let endpoint = found.endpoint(&domain, &addresses, &queue)?;
        let mut memories = Memories::default();
        let pages = Pages::new(RECEIVES * MESSAGE_BYTES).ok_or(Code(0))?;
        let registration = match traits.local {
            true => Some(register(&domain, &pages, u64::from(sys::FI_RECV), 0)?),
            false => None,
        };
        let mailbox = memories.add(pages, registration, false);
        let mut device = Self {
            endpoint: Some(endpoint),
            memories,
            queue,
            addresses,
            domain,
            fabric,
            wait,
            traits,
            mailbox,
            idle: (1..=RECEIVES).collect(),
            ops: BTreeMap::new(),
            numbers: RECEIVES,
            left: 0,
        };
        device.receive();
        if device.idle.len() == RECEIVES { Err(Code(0)) } else { Ok(device) }
    }

    /// Whether a message is delivered only after the writes before it are in memory.
    pub(super) fn is_ordered(&self) -> bool {
        self.traits.ordered
    }

    /// What gets ready when there is something to complete, where the provider has that.
    pub(super) fn descriptor(&self) -> Option<BorrowedFd<'_>> {
        // SAFETY: it is the queue's, which stays open as long as this.
        self.wait.map(|wait| unsafe { BorrowedFd::borrow_raw(wait) })
    }

    /// Whether waiting for the descriptor makes sense: there is nothing to complete now.
    pub(super) fn may_wait(&mut self) -> bool {
        let mut fids = [self.queue.fid()];
        let fids = fids.as_mut_ptr();
        // SAFETY: both are open, and there is one.
        self.wait.is_some() && unsafe { sys::inline_fi_trywait(self.fabric.get(), fids, 1) } == 0
    }

    /// What others find this endpoint by.
    pub(super) fn name(&self) -> Option<Vec<u8>> {
        let mut name = [0_u8; ADDRESS_BYTES_MAX];
        let mut length = name.len();
        let place = name.as_mut_ptr().cast();
        let endpoint = self.endpoint.as_ref()?;
        // SAFETY: it is open, and the place has room for `length` bytes.
        let result = unsafe { sys::inline_fi_getname(endpoint.fid(), place, &mut length) };
        check(result).ok()?;
        name.get(..length).map(<[u8]>::to_vec)
    }

    /// Takes note of a peer's endpoint.
    pub(super) fn know(&mut self, name: &[u8]) -> Option<Address> {
        // How much is read depends on what stands there, so there is more than that.
        let mut padded = [0_u8; 2 * (ADDRESS_BYTES_MAX + 1)];
        padded.get_mut(..ADDRESS_BYTES_MAX)?.get_mut(..name.len())?.copy_from_slice(name);
        let (av, from, mut address) = (self.addresses.get(), padded.as_ptr().cast(), 0);
        // SAFETY: it is open; one address is read, and written to the place for one.
        let count = unsafe { sys::inline_fi_av_insert(av, from, 1, &mut address, 0, null_mut()) };
        (count == 1).then_some(Address(address))
    }

    /// Forgets it.
    pub(super) fn unknow(&mut self, mut address: Address) {
        let av = self.addresses.get();
        // SAFETY: it is open, and there is one.
        unsafe { sys::inline_fi_av_remove(av, &mut address.0, 1, 0) };
    }

    /// Memory for others to write, with this key where the provider leaves that to us.
    pub(super) fn lend(&mut self, bytes: usize, key: u64) -> Option<Lent> {
        let pages = Pages::new(bytes)?;
        let access = u64::from(sys::FI_REMOTE_WRITE);
        let registration = register(&self.domain, &pages, access, key).ok()?;
        // SAFETY: it is open.
        let key = unsafe { sys::inline_fi_mr_key(registration.get()) };
        let place = pages.place(0, bytes).filter(|_| self.traits.virtual_address);
        let base = place.map_or(0, |place| place.expose_provenance() as u64);
        Some(Lent { memory: self.memories.add(pages, Some(registration), false), key, base })
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

    /// Ends its use: it is unregistered and freed as soon as no [`Piece`] of it is left.
    pub(super) fn release(&mut self, memory: MemoryId) {
        self.memories.release(memory);
    }

    /// Ends the use of memory that was lent while somebody may still be writing to it, which cannot
    /// be stopped: what comes half over a connection goes to where it began to go, and what comes
    /// whole and without a key that is valid makes `tcp` close the connection, and `shm` deaf. So
    /// the memory is given back and everything else stays, for what may come late. Cards do stop.
    pub(super) fn leave(&mut self, memory: MemoryId) {
        if self.traits.hardware {
            self.memories.release(memory);
        } else {
            self.memories.abandon(memory);
            self.left += 1;
        }
    }

    /// So much was left that no more should be lent.
    pub(super) fn is_littered(&self) -> bool {
        self.left >= LEFT_MAX
    }

    /// Nobody will take what is under way on a link; completions may never come.
    pub(super) fn give_up(&mut self, link: u64) {
        for op in self.ops.values().filter(|op| op.link == link) {
            self.memories.abandon(op.memory);
        }
    }

    /// Copies bytes into a chunk.
    pub(super) fn put(&mut self, memory: MemoryId, at: usize, bytes: &[u8]) -> bool {
        self.memories.pages(memory).is_some_and(|pages| pages.put(at, bytes))
    }

    /// Bytes of a chunk, to be written. They are not to be put anew before they are.
    pub(super) fn piece(&mut self, memory: MemoryId, at: u32, bytes: u32) -> Option<Piece> {
        let pages = self.memories.pages(memory)?;
        pages.place(at as usize, bytes as usize)?;
        self.memories.take(memory, at, bytes)
    }

    /// Copies bytes out of memory that was lent.
    pub(super) fn get(&self, memory: MemoryId, at: usize, into: &mut [u8]) -> bool {
        let pages = self.memories.get(memory).and_then(|memory| memory.pages.as_ref());
        pages.is_some_and(|pages| pages.get(at, into))
    }

    /// Begins to write a piece. [`Done::Written`] or [`Done::Lost`] tells how it ended.
    pub(super) fn write(
        &mut self,
        piece: Piece,
        to: &Target,
        offset: u32,
        link: u64,
    ) -> Result<(), (Piece, Unposted)> {
        let Some((memory, endpoint)) = self.memories.get(piece.memory).zip(self.endpoint.as_ref())
        else {
            return Err((piece, Unposted::Never));
        };
        let (begin, bytes) = (piece.at as usize, piece.bytes as usize);
        let Some(from) = memory.pages.as_ref().and_then(|pages| pages.place(begin, bytes)) else {
            return Err((piece, Unposted::Never));
        };
        let descriptor = memory.registration.as_ref().map_or(null_mut(), |registration| {
            // SAFETY: it is open.
            unsafe { sys::inline_fi_mr_desc(registration.get()) }
        });
        let (number, at) = (self.numbers + 1, to.base.wrapping_add(u64::from(offset)));
        let (ep, from, to, key) = (endpoint.get(), from.cast_const().cast(), to.address.0, to.key);
        let context = context(number);
        // SAFETY: the bytes stay where they are until the piece is given back, which happens when
        // the completion has come, and not before.
        let result =
            unsafe { sys::inline_fi_write(ep, from, bytes, descriptor, to, at, key, context) };
        if let Err(unposted) = posted(result) {
            return Err((piece, unposted));
        }
        self.numbers = number;
        self.ops.insert(number, Op { memory: piece.memory, link, bytes: piece.bytes });
        Ok(())
    }

    /// Gives a piece back that is not to be written any more.
    pub(super) fn forget(&mut self, piece: &Piece) {
        self.memories.give_back(piece.memory);
    }

    /// Says something to a peer, behind what was said before.
    pub(super) fn say(&mut self, to: Address, message: &Message) -> Result<(), Unposted> {
        let endpoint = self.endpoint.as_ref().ok_or(Unposted::Never)?;
        let (ep, from) = (endpoint.get(), message.as_ptr().cast());
        // SAFETY: it is open, and copies the message before it returns.
        posted(unsafe { sys::inline_fi_inject(ep, from, MESSAGE_BYTES, to.0) })
    }

    /// Carries on, and takes some of what was completed. Whether there may be more.
    pub(super) fn progress(&mut self, done: &mut Vec<Done>) -> bool {
        let mut entries = [sys::fi_cq_msg_entry::default(); BATCH];
        let place = entries.as_mut_ptr().cast();
        // SAFETY: it is open, with entries of this format, and there is room for so many.
        let count = unsafe { sys::inline_fi_cq_read(self.queue.get(), place, BATCH) };
        if let Ok(count) = usize::try_from(count) {
            for entry in entries.iter().take(count) {
                self.complete(entry.op_context.addr(), entry.len, true, done);
            }
        } else if count == -(sys::FI_EAVAIL as isize) {
            let mut entry = sys::fi_cq_err_entry::default();
            // SAFETY: it is open, and there is room for an entry.
            let count = unsafe { sys::inline_fi_cq_readerr(self.queue.get(), &mut entry, 0) };
            if count == 1 {
                self.complete(entry.op_context.addr(), 0, false, done);
            }
        } else if count == -(sys::FI_EAGAIN as isize) {
            self.receive();
            return false;
        } else {
            done.push(Done::Broken);
            return false;
        }
        self.receive();
        true
    }

    fn complete(&mut self, number: usize, length: usize, well: bool, done: &mut Vec<Done>) {
        if (1..=RECEIVES).contains(&number) {
            let mut message = [0; MESSAGE_BYTES];
            let at = (number - 1) * MESSAGE_BYTES;
            if well && length == MESSAGE_BYTES && self.get(self.mailbox, at, &mut message) {
                done.push(Done::Said(message));
            }
            self.idle.push(number);
        } else if let Some(Op { memory, link, bytes }) = self.ops.remove(&number) {
            self.memories.give_back(memory);
            done.push(if well { Done::Written { link, bytes } } else { Done::Lost { link } });
        }
    }

    /// Begins to receive wherever nothing is received.
    fn receive(&mut self) {
        let Some(endpoint) = &self.endpoint else { return };
        let mailbox = self.memories.get(self.mailbox);
        let descriptor = mailbox.and_then(|it| it.registration.as_ref()).map(|registration| {
            // SAFETY: it is open.
            unsafe { sys::inline_fi_mr_desc(registration.get()) }
        });
        let descriptor = descriptor.unwrap_or(null_mut());
        let Some(pages) = mailbox.and_then(|it| it.pages.as_ref()) else { return };
        while let Some(number) = self.idle.pop() {
            let place = pages.place((number - 1) * MESSAGE_BYTES, MESSAGE_BYTES);
            let Some(place) = place else { return };
            let (ep, anybody, context) = (endpoint.get(), u64::MAX, context(number));
            // SAFETY: the place has room for a message, and stays until the endpoint is closed.
            let result = unsafe {
                let (place, bytes) = (place.cast(), MESSAGE_BYTES);
                sys::inline_fi_recv(ep, place, bytes, descriptor, anybody, context)
            };
            if posted(result).is_err() {
                self.idle.push(number);
                return;
            }
        }
    }
}

#[expect(clippy::disallowed_methods, reason = "what the network may still write stays, unwiped")]
impl Drop for Device {
    fn drop(&mut self) {
        // Where libfabric goes on using the memory, it has to stay.
        if self.endpoint.take().is_some_and(|endpoint| !endpoint.close()) {
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

/// A number, where libfabric has place for a pointer that it never follows.
fn context(number: usize) -> *mut c_void {
    without_provenance_mut(number)
}

fn posted(result: isize) -> Result<(), Unposted> {
    match result {
        0 => Ok(()),
        again if again == -(sys::FI_EAGAIN as isize) => Err(Unposted::Later),
        _ => Err(Unposted::Never),
    }
}
