//! One link's end of libfabric: an endpoint that has one peer, with a queue of completions of its
//! own, because a queue that outlives one of its endpoints makes libfabric 1.17 follow a pointer to
//! it. When it is closed nothing reaches its memory any more, whatever the peer does, and however
//! badly the peer has left it.

use std::os::fd::RawFd;
use std::ptr::{null_mut, without_provenance_mut};

use libfabric_sys as sys;

use super::connect::{Events, Happened};
use super::handle::{Code, Handle};
use super::memory::{Memories, MemoryId};
use super::open::Name;
use super::{BATCH, MESSAGE_BYTES, Message, Target, Unposted};

/// No address in particular.
const NOBODY: sys::fi_addr_t = u64::MAX;

/// Bytes, and what libfabric calls their memory.
#[derive(Clone, Copy)]
pub(super) struct Place {
    pub(super) at: *mut u8,
    pub(super) bytes: usize,
    pub(super) descriptor: *mut std::ffi::c_void,
}

impl Place {
    /// Bytes of a memory.
    pub(super) fn of(memories: &Memories, id: MemoryId, at: usize, bytes: usize) -> Option<Self> {
        let memory = memories.get(id)?;
        let at = memory.pages.as_ref()?.place(at, bytes)?;
        let descriptor = memory.registration.as_ref().map_or(null_mut(), |registration| {
            // SAFETY: it is open.
            unsafe { sys::inline_fi_mr_desc(registration.get()) }
        });
        Some(Self { at, bytes, descriptor })
    }
}

/// How an endpoint and its peer find each other.
pub(super) enum Way {
    /// By a connection, of which the events come here.
    Connected(Events),
    /// By an address.
    Addressed(Handle<sys::fid_av>),
}

/// Something that was completed.
pub(super) struct Over {
    /// Its number; that of no operation if it is something of the peer's.
    pub(super) op: usize,
    /// Its length, if it went well.
    pub(super) length: Option<usize>,
    /// What came with a write of the peer's.
    pub(super) word: Option<u64>,
}

pub(super) struct Endpoint {
    /// There is none before there is a connection, where there are connections.
    pub(super) endpoint: Option<Handle<sys::fid_ep>>,
    pub(super) way: Way,
    pub(super) queue: Handle<sys::fid_cq>,
    /// What gets ready when there is something in the queue.
    pub(super) wait: Option<RawFd>,
    /// Where messages are received.
    pub(super) mailbox: MemoryId,
    /// Slots of the mailbox in which nothing is being received.
    pub(super) idle: Vec<usize>,
    /// Where the peer is, once it can be reached.
    pub(super) peer: Option<sys::fi_addr_t>,
    /// Who asks for a connection has to know it.
    pub(super) token: u64,
    /// What was lent to the peer.
    pub(super) lent: Option<MemoryId>,
}

impl Endpoint {
    /// Has an address looked up.
    pub(super) fn look_up(&mut self, name: &Name) -> Result<(), Code> {
        let Way::Addressed(addresses) = &self.way else { return Ok(()) };
        let (av, from, mut address) = (addresses.get(), name.begin(), 0);
        // SAFETY: it is open; one address is read, and written to the place for one.
        let count = unsafe { sys::inline_fi_av_insert(av, from, 1, &mut address, 0, null_mut()) };
        self.peer = (count == 1).then_some(address);
        self.peer.map(drop).ok_or(Code(0))
    }

    /// What happened to its connection. Whether that is lost.
    pub(super) fn attend(&mut self) -> bool {
        let Way::Connected(events) = &self.way else { return false };
        while let Some(happened) = events.next() {
            match happened {
                Happened::Connected => self.peer = Some(NOBODY),
                Happened::Asked(_) | Happened::Lost => return true,
            }
        }
        false
    }

    /// Carries on, and hands out some of what was completed. Whether there may be more; `None`
    /// where there is nothing but trouble.
    pub(super) fn progress(&self, mut complete: impl FnMut(Over)) -> Option<bool> {
        let mut entries = [sys::fi_cq_data_entry::default(); BATCH];
        let place = entries.as_mut_ptr().cast();
        // SAFETY: it is open, with entries of this format, and there is room for so many.
        let count = unsafe { sys::inline_fi_cq_read(self.queue.get(), place, BATCH) };
        if let Ok(count) = usize::try_from(count) {
            for entry in entries.iter().take(count) {
                let told = entry.flags & u64::from(sys::FI_REMOTE_CQ_DATA) != 0;
                let (op, length) = (entry.op_context.addr(), Some(entry.len));
                complete(Over { op, length, word: told.then_some(entry.data) });
            }
            return Some(count == BATCH);
        }
        if count == -(sys::FI_EAVAIL as isize) {
            let mut entry = sys::fi_cq_err_entry::default();
            // SAFETY: it is open, and there is room for an entry.
            let count = unsafe { sys::inline_fi_cq_readerr(self.queue.get(), &mut entry, 0) };
            if count == 1 {
                complete(Over { op: entry.op_context.addr(), length: None, word: None });
            }
            return Some(true);
        }
        (count == -(sys::FI_EAGAIN as isize)).then_some(false)
    }

    /// Begins to write, and perhaps to ring with it.
    /// # Safety  The bytes stay where they are until `number` is completed or this is closed.
    pub(super) unsafe fn write(
        &self,
        place: Place,
        (to, offset): (&Target, u32),
        ring: Option<u32>,
        number: usize,
    ) -> Result<(), Unposted> {
        let Place { at, bytes, descriptor } = place;
        let peer = self.peer.ok_or(Unposted::Later)?;
        let ep = self.endpoint.as_ref().ok_or(Unposted::Never)?.get();
        let (from, context) = (at.cast_const().cast(), context(number));
        let (there, key) = (to.base.wrapping_add(u64::from(offset)), to.key);
        let Some(word) = ring.map(u64::from) else {
            // SAFETY: it is open, and the caller answers for the bytes.
            return posted(unsafe {
                sys::inline_fi_write(ep, from, bytes, descriptor, peer, there, key, context)
            });
        };
        // SAFETY: as above.
        posted(unsafe {
            sys::inline_fi_writedata(ep, from, bytes, descriptor, word, peer, there, key, context)
        })
    }

    pub(super) fn say(&self, message: &Message) -> Result<(), Unposted> {
        let peer = self.peer.ok_or(Unposted::Later)?;
        let ep = self.endpoint.as_ref().ok_or(Unposted::Never)?.get();
        let from = message.as_ptr().cast();
        // SAFETY: it is open, and copies the message before it returns.
        posted(unsafe { sys::inline_fi_inject(ep, from, MESSAGE_BYTES, peer) })
    }

    /// Begins to receive a message.
    /// # Safety  The place stays where it is until `number` is completed or this is closed.
    pub(super) unsafe fn receive(&self, place: Place, number: usize) -> Result<(), Unposted> {
        let Place { at, bytes, descriptor } = place;
        let ep = self.endpoint.as_ref().ok_or(Unposted::Later)?.get();
        let (at, context) = (at.cast(), context(number));
        // SAFETY: it is open, and the caller answers for the place.
        posted(unsafe { sys::inline_fi_recv(ep, at, bytes, descriptor, NOBODY, context) })
    }
}

/// A number, where libfabric has place for a pointer that it never follows.
fn context(number: usize) -> *mut std::ffi::c_void {
    without_provenance_mut(number)
}

fn posted(result: isize) -> Result<(), Unposted> {
    match result {
        0 => Ok(()),
        again if again == -(sys::FI_EAGAIN as isize) => Err(Unposted::Later),
        _ => Err(Unposted::Never),
    }
}
