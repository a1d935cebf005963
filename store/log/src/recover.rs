//! Opening: the newest whole checkpoint, then every record after it.

use std::collections::VecDeque;

use notrace_store_protocol::ids::Version;
use notrace_store_protocol::machine::{Malformed, Place};

use crate::disk::{Disk, DiskFile};
use crate::error::{OpenError, opening};
use crate::record::HEADER_BYTES;
use crate::scan::Scanner;
use crate::segment::{self, HEAD_BYTES, Segment};
use crate::{checkpoint, record};

/// What opening a log finds: at most one checkpoint, and then records in order.
pub enum Recovered<'a> {
    /// The state that the records come after.
    Checkpoint {
        /// The last update in it.
        place: Place,
        /// The state.
        state: Vec<u8>,
    },
    /// A record.
    Record {
        /// Where it stands.
        place: Place,
        /// What it says.
        payload: &'a [u8],
    },
}

/// What the log goes on from.
pub(crate) struct Found<F> {
    pub(crate) current: Option<Segment<F>>,
    /// Closed segments, oldest first, each with the last version in it.
    pub(crate) closed: VecDeque<(u64, Version)>,
    /// The last version of all, and of the checkpoint.
    pub(crate) last: Version,
    pub(crate) checkpoint: Version,
    /// Bytes of the records after the checkpoint.
    pub(crate) since: u64,
    pub(crate) checkpoint_bytes: u64,
}

pub(crate) struct Recovery<'a, D: Disk, V> {
    disk: &'a D,
    visit: V,
    found: Found<D::File>,
}

impl<'a, D: Disk, V: FnMut(Recovered<'_>) -> Result<(), Malformed>> Recovery<'a, D, V> {
    pub(crate) fn run(disk: &'a D, visit: V) -> Result<Found<D::File>, OpenError> {
        let (last, checkpoint) = (Version::ZERO, Version::ZERO);
        let (since, checkpoint_bytes) = (0, 0);
        let closed = VecDeque::new();
        let found = Found { current: None, closed, last, checkpoint, since, checkpoint_bytes };
        let mut recovery = Self { disk, visit, found };
        let names = disk.list().map_err(opening("listed"))?;
        if names.iter().any(|name| name == checkpoint::UNFINISHED) {
            disk.remove(checkpoint::UNFINISHED).map_err(opening("removed"))?;
        }
        let had_checkpoint = recovery.checkpoint(&names)?;
        let run = recovery.run_of_segments(&names)?;
        if had_checkpoint && run.is_empty() {
            return Err(OpenError::Missing);
        }
        recovery.records(run)?;
        Ok(recovery.found)
    }

    /// Hands out the newest checkpoint that is whole. Returns whether there is one.
    fn checkpoint(&mut self, names: &[String]) -> Result<bool, OpenError> {
        let mut versions: Vec<_> =
            names.iter().filter_map(|name| checkpoint::version(name)).collect();
        versions.sort_unstable();
        for version in versions.iter().rev() {
            let read = checkpoint::read(self.disk, *version).map_err(opening("read"))?;
            let Some((place, state)) = read else { continue };
            self.found.checkpoint_bytes = state.len() as u64;
            (self.found.last, self.found.checkpoint) = (*version, *version);
            (self.visit)(Recovered::Checkpoint { place, state })
                .map_err(|Malformed| OpenError::Refused { version: *version })?;
            return Ok(true);
        }
        if versions.is_empty() { Ok(false) } else { Err(OpenError::CorruptCheckpoint) }
    }

    /// The segments that hang together with the last one, each with what it says came before it.
    ///
    /// Older ones before a gap are left from a trim that a crash cut short; if they were needed,
    /// the first of the run says so. A last segment that never got its head was never written to.
    fn run_of_segments(&self, names: &[String]) -> Result<Vec<(u64, D::File, Version)>, OpenError> {
        let mut numbers: Vec<_> = names.iter().filter_map(|name| segment::number(name)).collect();
        numbers.sort_unstable();
        let mut run: Vec<(u64, D::File, Version)> = Vec::new();
        let mut stale = Vec::new();
        for number in numbers.iter().rev().copied() {
            let next = run.last().map(|(number, ..)| *number);
            if next.is_some_and(|next| number + 1 != next) {
                stale.push(number);
                continue;
            }
            let file = self.disk.open(&segment::name(number)).map_err(opening("opened"))?;
            let previous = segment::previous(&file, number).map_err(opening("read"))?;
            let length = file.length().map_err(opening("read"))?;
            match previous {
                Some(previous) => run.push((number, file, previous)),
                None if next.is_none() && length <= HEAD_BYTES as u64 => stale.push(number),
                None => return Err(OpenError::Corrupt { segment: number, offset: 0 }),
            }
        }
        run.reverse();
        let begins = run.first().map(|(_, _, previous)| *previous);
        if begins.is_some_and(|begins| begins > self.found.checkpoint) {
            return Err(OpenError::Missing);
        }
        for number in stale {
            self.disk.remove(&segment::name(number)).map_err(opening("removed"))?;
        }
        Ok(run)
    }

    fn records(&mut self, run: Vec<(u64, D::File, Version)>) -> Result<(), OpenError> {
        let mut run = run.into_iter().peekable();
        // Versions are compared within the run; the first segment may begin before the checkpoint.
        let mut last = run.peek().map(|(_, _, previous)| *previous).unwrap_or(Version::ZERO);
        while let Some((number, file, previous)) = run.next() {
            if previous != last {
                return Err(OpenError::Corrupt { segment: number, offset: 0 });
            }
            let next = run.peek().map(|(_, _, previous)| *previous);
            if let Some(next) = next.filter(|next| *next <= self.found.checkpoint) {
                // All of it is in the checkpoint; the next opening or checkpoint removes it.
                last = next;
                self.found.closed.push_back((number, last));
                continue;
            }
            let length = self.segment(&file, number, next.is_none(), &mut last)?;
            if next.is_some() {
                self.found.closed.push_back((number, last));
            } else {
                let mut file = file;
                self.settle(&mut file, length)?;
                self.found.current = Some(Segment { file, number, length, synced: length });
            }
        }
        self.found.last = self.found.last.max(last);
        Ok(())
    }

    /// Hands out the records of a segment. Returns where they end.
    fn segment(
        &mut self,
        file: &D::File,
        number: u64,
        is_last: bool,
        last: &mut Version,
    ) -> Result<u64, OpenError> {
        let mut scanner = Scanner::new(file, number).map_err(opening("read"))?;
        let mut offset = HEAD_BYTES as u64;
        while offset < scanner.length() {
            let corrupt = OpenError::Corrupt { segment: number, offset };
            let Some((header, payload)) = scanner.record(offset).map_err(opening("read"))? else {
                if !is_last || scanner.was_safe(offset).map_err(opening("read"))? {
                    return Err(corrupt);
                }
                return Ok(offset);
            };
            let bytes = (HEADER_BYTES + payload.len()) as u64;
            if !header.is_seal() {
                if header.place.version <= *last {
                    return Err(corrupt);
                }
                *last = header.place.version;
                self.hand_out(&header, payload, bytes)?;
            }
            offset += bytes;
        }
        Ok(offset)
    }

    fn hand_out(
        &mut self,
        header: &record::Header,
        payload: &[u8],
        bytes: u64,
    ) -> Result<(), OpenError> {
        let place = header.place;
        if place.version <= self.found.checkpoint {
            return Ok(());
        }
        self.found.since += bytes;
        (self.visit)(Recovered::Record { place, payload })
            .map_err(|Malformed| OpenError::Refused { version: place.version })
    }

    /// Cuts off what follows the last whole record, and sees the rest safe on disk: after a kill
    /// without a power loss it may have been read from the system's memory alone.
    fn settle(&self, file: &mut D::File, length: u64) -> Result<(), OpenError> {
        if file.length().map_err(opening("read"))? > length {
            file.truncate(length).map_err(opening("cut"))?;
        }
        file.sync().map_err(opening("synced"))?;
        self.disk.sync_names().map_err(opening("synced"))
    }
}
