//! Going back in a log: reading what was appended, cutting an end off, and beginning anew. A member
//! of a group needs it, whose log may have left the history that the others agreed on.

use std::io;

use notrace_store_protocol::ids::{SeqNum, Version};
use notrace_store_protocol::machine::Place;

use crate::checkpoint::{self, write_checkpoint};
use crate::disk::{Disk, DiskFile};
use crate::error::{CheckpointError, SyncError};
use crate::log::Log;
use crate::record::HEADER_BYTES;
use crate::scan::Scanner;
use crate::segment::{self, HEAD_BYTES};

impl<D: Disk> Log<D> {
    /// The version that the last checkpoint covers; what is up to there cannot be read back.
    pub fn trimmed(&self) -> Version {
        self.checkpoint
    }

    /// The records of updates after `after` and up to `through`, in order, until they are more than
    /// `bytes_max`; the first one however long it is. Reads the segments from the one that holds
    /// `after`. Nothing if a checkpoint covers some of them.
    /// # Errors  What the system says.
    pub fn tail(
        &self,
        after: Version,
        through: Version,
        bytes_max: usize,
    ) -> io::Result<Vec<(Place, Vec<u8>)>> {
        let (mut found, mut bytes) = (Vec::new(), 0);
        if after < self.checkpoint {
            return Ok(found);
        }
        let mut take = |place: Place, payload: &[u8], _| {
            let version = place.version;
            if version > through || !found.is_empty() && bytes + payload.len() > bytes_max {
                return false;
            }
            if version > after && version.seq() > SeqNum::ZERO {
                bytes += payload.len();
                found.push((place, payload.to_vec()));
            }
            true
        };
        for (number, _) in self.closed.iter().filter(|(_, last)| *last > after) {
            let file = self.disk.open(&segment::name(*number))?;
            if !scan(&file, *number, &mut take)? {
                return Ok(found);
            }
        }
        scan(&self.current.file, self.current.number, &mut take)?;
        Ok(found)
    }

    /// Cuts off every update after `to`, which must not be before the last checkpoint. What stands
    /// between `to` and the next update stays. Safe on disk when this returns; after a crash in
    /// between, the log ends somewhere after `to`.
    /// # Errors  [`SyncError`]; the log takes no more until it is opened anew.
    pub fn cut(&mut self, to: Version) -> Result<(), SyncError> {
        assert!(to >= self.checkpoint, "what a checkpoint covers cannot be cut off");
        let cut = self.try_cut(to);
        self.or_poisoned(cut)
    }

    fn try_cut(&mut self, to: Version) -> io::Result<()> {
        // Newest first, so that what is left always hangs together.
        while self.closed.back().is_some_and(|(_, last)| *last > to) {
            let Some((number, _)) = self.closed.pop_back() else { break };
            self.disk.remove(&segment::name(self.current.number))?;
            self.disk.sync_names()?;
            let file = self.disk.open(&segment::name(number))?;
            let length = file.length()?;
            self.current = segment::Segment { file, number, length, synced: length };
        }
        let mut last = self.closed.back().map_or(self.checkpoint, |(_, last)| *last);
        let before = segment::previous(&self.current.file, self.current.number)?;
        last = last.max(before.unwrap_or(Version::ZERO));
        let mut end = HEAD_BYTES as u64;
        scan(&self.current.file, self.current.number, &mut |place, _, to_here| {
            let stays = place.version <= to || place.version.seq() == SeqNum::ZERO;
            if stays {
                end = to_here;
                last = last.max(place.version);
            }
            stays
        })?;
        self.current.file.truncate(end)?;
        self.current.file.sync()?;
        (self.current.length, self.current.synced) = (end, end);
        self.last = last.max(self.checkpoint);
        Ok(())
    }

    /// Forgets everything, the checkpoint too. After a crash in between, the checkpoint alone may
    /// be left.
    /// # Errors  [`SyncError`]; the log takes no more until it is opened anew.
    pub fn clear(&mut self) -> Result<(), SyncError> {
        let cleared = self.try_clear();
        self.or_poisoned(cleared)
    }

    fn try_clear(&mut self) -> io::Result<()> {
        // A gap in the numbers: what is before it is not read any more, whenever it goes.
        let next = segment::create(&self.disk, self.current.number + 2, Version::ZERO)?;
        let old = std::mem::replace(&mut self.current, next);
        for name in self.disk.list()? {
            if checkpoint::version(&name).is_some() {
                self.disk.remove(&name)?;
            }
        }
        self.disk.sync_names()?;
        for number in self.closed.drain(..).map(|(number, _)| number).chain([old.number]) {
            self.disk.remove(&segment::name(number))?;
        }
        self.disk.sync_names()?;
        (self.last, self.checkpoint) = (Version::ZERO, Version::ZERO);
        (self.checkpointed_at, self.checkpoint_bytes) = (self.appended, 0);
        Ok(())
    }

    /// Puts a state as of `place` into the place of everything: nothing in the log is after it.
    /// Safe on disk when this returns.
    /// # Errors  [`CheckpointError`]; the log is as it was, or takes no more until it is opened
    /// anew.
    pub fn install<B: AsRef<[u8]>>(
        &mut self,
        place: Place,
        chunks: &[B],
    ) -> Result<(), CheckpointError> {
        let bytes = write_checkpoint(&self.disk, place, chunks)?;
        self.adopt(place, bytes)
    }

    /// The same for a state that was written by [`write_checkpoint`], and is so many bytes long.
    /// # Errors  [`CheckpointError`]; as with [`Log::install`].
    pub fn adopt(&mut self, place: Place, bytes: u64) -> Result<(), CheckpointError> {
        assert!(self.last <= place.version, "a state would hide what comes after it");
        let begun = segment::create(&self.disk, self.current.number + 1, place.version);
        let begun = begun.map(|next| {
            let old = std::mem::replace(&mut self.current, next);
            self.closed.push_back((old.number, place.version));
            self.last = place.version;
        });
        let installed = self.or_poisoned(begun).and_then(|()| {
            (self.checkpointed_at, self.checkpoint_bytes) = (self.appended, bytes);
            self.trim(place.version)
        });
        installed.map_err(|error| CheckpointError { kind: error.kind })
    }

    fn or_poisoned<T>(&mut self, done: io::Result<T>) -> Result<T, SyncError> {
        done.map_err(|error| {
            self.poisoned = true;
            SyncError { kind: error.kind() }
        })
    }
}

/// Shows the records of a segment, and where each ends, until one is refused; whether none was.
fn scan<F: DiskFile>(
    file: &F,
    number: u64,
    show: &mut impl FnMut(Place, &[u8], u64) -> bool,
) -> io::Result<bool> {
    let mut scanner = Scanner::new(file, number)?;
    let mut offset = HEAD_BYTES as u64;
    while let Some((header, payload)) = scanner.record(offset)? {
        offset += (HEADER_BYTES + payload.len()) as u64;
        if !header.is_seal() && !show(header.place, payload, offset) {
            return Ok(false);
        }
    }
    Ok(true)
}
