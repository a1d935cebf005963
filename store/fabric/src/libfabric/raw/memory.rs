//! Memory that the network may reach, and how long it has to stay.

use std::collections::BTreeMap;

use libfabric_sys as sys;

use super::handle::Handle;
use super::pages::Pages;
use crate::limits::SPARE_CHUNKS;

/// Registered memory. Never used again in the life of a device.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(crate) struct MemoryId(u64);

/// Bytes that wait to be written to a peer, or are under way to it. Their memory stays until this
/// was given back, by [`super::Device::write`] or [`super::Device::forget`].
#[derive(Debug)]
pub(crate) struct Piece {
    pub(super) memory: MemoryId,
    pub(super) at: u32,
    /// How many.
    pub(crate) bytes: u32,
}

pub(super) struct Memory {
    pub(super) pages: Option<Pages>,
    /// What libfabric knows of it; nothing where it need not.
    pub(super) registration: Option<Handle<sys::fid_mr>>,
    uses: usize,
    released: bool,
    /// Of this kind there will be more: some are kept.
    chunk: bool,
}

#[expect(clippy::disallowed_methods, reason = "what the network may still write stays, unwiped")]
impl Drop for Memory {
    fn drop(&mut self) {
        // Where libfabric does not let go of it, neither do we.
        if self.registration.take().is_some_and(|it| !it.close()) {
            std::mem::forget(self.pages.take());
        }
    }
}

#[derive(Default)]
pub(super) struct Memories {
    all: BTreeMap<MemoryId, Memory>,
    /// Chunks that nobody uses.
    spare: Vec<MemoryId>,
    numbers: u64,
}

impl Memories {
    pub(super) fn add(
        &mut self,
        pages: Pages,
        registration: Option<Handle<sys::fid_mr>>,
        chunk: bool,
    ) -> MemoryId {
        self.numbers += 1;
        let id = MemoryId(self.numbers);
        let (pages, uses, released) = (Some(pages), 0, false);
        self.all.insert(id, Memory { pages, registration, uses, released, chunk });
        id
    }

    pub(super) fn spare(&mut self) -> Option<MemoryId> {
        self.spare.pop()
    }

    pub(super) fn get(&self, id: MemoryId) -> Option<&Memory> {
        self.all.get(&id)
    }

    pub(super) fn pages(&mut self, id: MemoryId) -> Option<&mut Pages> {
        self.all.get_mut(&id).and_then(|memory| memory.pages.as_mut())
    }

    /// Keeps it for one use more.
    pub(super) fn take(&mut self, id: MemoryId) -> Option<()> {
        self.all.get_mut(&id)?.uses += 1;
        Some(())
    }

    pub(super) fn give_back(&mut self, id: MemoryId) {
        if let Some(memory) = self.all.get_mut(&id) {
            memory.uses = memory.uses.saturating_sub(1);
            self.free_unused(id);
        }
    }

    pub(super) fn release(&mut self, id: MemoryId) {
        if let Some(memory) = self.all.get_mut(&id) {
            memory.released = true;
            self.free_unused(id);
        }
    }

    fn free_unused(&mut self, id: MemoryId) {
        let Some(memory) = self.all.get_mut(&id).filter(|it| it.released && it.uses == 0) else {
            return;
        };
        if memory.chunk && self.spare.len() < SPARE_CHUNKS {
            memory.released = false;
            self.spare.push(id);
        } else {
            self.all.remove(&id);
        }
    }
}
