//! What one end of a link writes and says, in order.

use std::collections::VecDeque;
use std::time::Instant;

use super::card::{Kind, message};
use super::raw::{Device, MemoryId, Piece, Target, Unposted};
use crate::limits::{
    BACKLOG_BYTES_MAX, CHUNK_BYTES, SPIN, STEPS_MAX, UNDER_WAY_BYTES_MAX, UNDER_WAY_MAX,
};
use crate::{Broken, Refused};

enum Step {
    Write { piece: Piece, offset: u32 },
    Say(Kind),
}

pub(super) struct Lane {
    link: u64,
    to: Target,
    room: u32,
    /// What the peer calls the link.
    token: u64,
    queue: VecDeque<Step>,
    /// What is being filled, and how far it is.
    chunk: Option<(MemoryId, usize)>,
    /// Writes under way, and their bytes.
    under_way: (usize, usize),
    /// Written and not in the peer's memory.
    unsent: usize,
    /// A write that there was no room for.
    refused: Option<usize>,
    rings: u64,
    /// When something was last seen to go on, while there is something to.
    moved: Option<Instant>,
    broken: Option<Broken>,
    /// When something was begun last, and whether the peer may have stopped looking before.
    begun: Option<Instant>,
    wake: bool,
}

/// Whether all was begun that could be.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Flow {
    /// It goes on when something is completed, or written.
    On,
    /// It has to be tried again.
    Blocked,
}

impl Lane {
    pub(super) fn new(link: u64, to: Target, room: u32, token: u64) -> Self {
        Self {
            link,
            to,
            room,
            token,
            queue: VecDeque::new(),
            chunk: None,
            under_way: (0, 0),
            unsent: 0,
            refused: None,
            rings: 0,
            moved: None,
            broken: None,
            begun: None,
            wake: false,
        }
    }

    /// Says the first thing.
    pub(super) fn greet(&mut self) {
        self.queue.push_back(Step::Say(Kind::Hello));
    }

    pub(super) fn write(
        &mut self,
        device: &mut Device,
        offset: u32,
        parts: &[&[u8]],
    ) -> Result<(), Refused> {
        let length: usize = parts.iter().map(|part| part.len()).sum();
        if offset as usize + length > self.room as usize {
            return Err(Refused::OutOfRegion);
        }
        if self.unsent > 0 && self.unsent + length > BACKLOG_BYTES_MAX {
            self.refused = Some(length);
            return Err(Refused::Full);
        }
        if self.copy(device, offset, parts).is_none() {
            // There is no memory, and a part of it may be on its way.
            self.broken.get_or_insert(Broken::Gone);
        }
        self.bound();
        Ok(())
    }

    /// Copies into chunks, one piece for each that is touched.
    fn copy(&mut self, device: &mut Device, mut offset: u32, parts: &[&[u8]]) -> Option<()> {
        let mut new = 0;
        for part in parts {
            let mut rest = *part;
            while !rest.is_empty() {
                let (memory, filled) = match self.chunk {
                    Some(chunk) => chunk,
                    None => (device.chunk()?, 0),
                };
                let (now, later) = rest.split_at(rest.len().min(CHUNK_BYTES - filled));
                device.put(memory, filled, now).then_some(())?;
                self.chunk = Some((memory, filled + now.len()));
                (rest, new) = (later, new + now.len());
                if filled + now.len() == CHUNK_BYTES {
                    self.cut_piece(device, &mut offset, &mut new)?;
                    self.chunk = None;
                    device.release(memory);
                }
            }
        }
        self.cut_piece(device, &mut offset, &mut new)
    }

    /// Makes a piece of what was put last.
    fn cut_piece(&mut self, device: &mut Device, offset: &mut u32, new: &mut usize) -> Option<()> {
        if *new > 0 {
            let (memory, filled) = self.chunk?;
            let piece = device.piece(memory, (filled - *new) as u32, *new as u32)?;
            self.queue.push_back(Step::Write { piece, offset: *offset });
            self.unsent += *new;
            *offset += *new as u32;
            *new = 0;
        }
        Some(())
    }

    pub(super) fn ring(&mut self, word: u32) {
        self.queue.push_back(Step::Say(Kind::Ring(word)));
        self.bound();
    }

    /// Rings are never refused, so a peer that takes none is given up.
    fn bound(&mut self) {
        if self.queue.len() > STEPS_MAX {
            self.broken.get_or_insert(Broken::Silent);
        }
    }

    /// Begins as much as can be.
    /// # Errors  [`Broken`]: nothing more can be.
    pub(super) fn flush(&mut self, device: &mut Device, now: Instant) -> Result<Flow, Broken> {
        if let Some(why) = self.broken {
            return Err(why);
        }
        while let Some(step) = self.queue.pop_front() {
            self.moved.get_or_insert(now);
            let idle = self.under_way.0 == 0;
            let (step, unposted) = match step {
                Step::Write { piece, offset } => {
                    let bytes = piece.bytes as usize;
                    let (count, all) = self.under_way;
                    if count >= UNDER_WAY_MAX || all > 0 && all + bytes > UNDER_WAY_BYTES_MAX {
                        self.queue.push_front(Step::Write { piece, offset });
                        return Ok(Flow::On);
                    }
                    let ring = self.next_ring().filter(|_| device.is_ordered());
                    match device.write(self.link, piece, (&self.to, offset), ring) {
                        Ok(()) => {
                            if ring.is_some() {
                                self.queue.pop_front();
                                self.rings += 1;
                            }
                            self.under_way = (count + 1, all + bytes);
                            self.note_begun(now);
                            continue;
                        }
                        Err((piece, unposted)) => (Step::Write { piece, offset }, unposted),
                    }
                }
                Step::Say(kind) => {
                    // A message may overtake what was written, so it waits until that is there.
                    if !idle && !device.is_ordered() {
                        self.queue.push_front(Step::Say(kind));
                        return Ok(Flow::On);
                    }
                    let count = self.rings + u64::from(matches!(kind, Kind::Ring(_)));
                    let said = message(self.token, count, kind);
                    match device.say(self.link, &said) {
                        Ok(()) => {
                            self.rings = count;
                            self.note_begun(now);
                            self.moved = Some(now);
                            continue;
                        }
                        Err(unposted) => (Step::Say(kind), unposted),
                    }
                }
            };
            self.queue.push_front(step);
            return match unposted {
                Unposted::Later => Ok(Flow::Blocked),
                Unposted::Never => Err(Broken::Gone),
            };
        }
        if self.under_way.0 == 0 {
            self.moved = None;
        }
        Ok(Flow::On)
    }

    fn note_begun(&mut self, now: Instant) {
        self.wake |= self.begun.is_none_or(|before| now >= before + SPIN / 2);
        self.begun = Some(now);
    }

    /// Whether something was begun since this was asked, after a time in which a peer that has
    /// nothing to wait for stops looking.
    pub(super) fn wakes(&mut self) -> bool {
        std::mem::take(&mut self.wake)
    }

    /// The word to ring with, if that is the next step.
    fn next_ring(&self) -> Option<u32> {
        match self.queue.front() {
            Some(Step::Say(Kind::Ring(word))) => Some(*word),
            _ => None,
        }
    }

    /// Bytes have arrived.
    pub(super) fn written(&mut self, device: &mut Device, bytes: u32, now: Instant) {
        let (count, all) = self.under_way;
        self.under_way = (count.saturating_sub(1), all.saturating_sub(bytes as usize));
        self.unsent = self.unsent.saturating_sub(bytes as usize);
        self.moved = Some(now);
        if self.is_idle() {
            self.let_go(device);
        }
    }

    fn let_go(&mut self, device: &mut Device) {
        if let Some((memory, _)) = self.chunk.take() {
            device.release(memory);
        }
    }

    /// Nothing waits and nothing is under way.
    pub(super) fn is_idle(&self) -> bool {
        self.queue.is_empty() && self.under_way.0 == 0
    }

    /// Since when nothing goes on, although there is something to.
    pub(super) fn waits_since(&self) -> Option<Instant> {
        self.moved.filter(|_| !self.is_idle())
    }

    /// How much waits, once that is so little that a refused write would be taken.
    pub(super) fn freed(&mut self) -> Option<usize> {
        let (unsent, refused) = (self.unsent, self.refused?);
        let free =
            unsent == 0 || unsent <= BACKLOG_BYTES_MAX / 2 && unsent + refused <= BACKLOG_BYTES_MAX;
        free.then(|| self.refused = None)?;
        Some(unsent)
    }

    /// Drops what was not begun.
    pub(super) fn end(&mut self, device: &mut Device) {
        for step in self.queue.drain(..) {
            if let Step::Write { piece, .. } = step {
                device.forget(&piece);
            }
        }
        self.let_go(device);
    }
}
