//! A state that is the list of all records, so that a test can say exactly what it expects.

use notrace_store_log::disk::Disk;
use notrace_store_log::{
    AppendError, Log, LogConfig, OpenError, Record, Recovered, SyncError, write_checkpoint,
};
use notrace_store_protocol::ids::Version;
use notrace_store_protocol::machine::{Malformed, Place};
use notrace_store_protocol::time::Hlc;

/// A record as a test remembers it.
pub(crate) type Entry = (u64, Vec<u8>);

/// Small segments, so that a short script has several.
pub(crate) const CONFIG: LogConfig = LogConfig { segment_bytes: 300 };

/// A log and what it should hold.
pub(crate) struct Kept<D: Disk> {
    pub(crate) log: Log<D>,
    pub(crate) disk: D,
    pub(crate) entries: Vec<Entry>,
    /// Groups made so far: no two have the same content, so that one that comes back from the dead
    /// is not taken for the one that was appended in its place.
    pub(crate) groups: u8,
}

pub(crate) fn place(number: u64) -> Place {
    Place { version: Version::from_wire(number), time: Hlc::from_wire(1000 + number) }
}

pub(crate) fn payload_len(number: u64) -> usize {
    (number * 37 % 90) as usize
}

/// What a log holds, checkpoint and records together.
pub(crate) fn open<D: Disk>(disk: D) -> Result<Kept<D>, OpenError> {
    let mut entries = Vec::new();
    let log = Log::open(disk.clone(), CONFIG, |recovered| {
        match recovered {
            Recovered::Checkpoint { place, state } => {
                assert!(entries.is_empty());
                entries = from_bytes(&state)?;
                assert_eq!(entries.last().map_or(0, |(number, _)| *number), wire(place));
            }
            Recovered::Record { place, payload } => {
                assert_eq!(place.time.to_wire(), 1000 + wire(place));
                entries.push((wire(place), payload.to_vec()));
            }
        }
        Ok(())
    })?;
    Ok(Kept { log, disk, entries, groups: 0 })
}

fn wire(place: Place) -> u64 {
    place.version.to_wire()
}

impl<D: Disk> Kept<D> {
    /// Appends the next `count` records as one group. They are kept if the log took them.
    pub(crate) fn append(&mut self, count: u64) -> Result<(), AppendError> {
        let group = self.next(count);
        self.groups += 1;
        let records: Vec<Record<'_>> = group
            .iter()
            .map(|(number, payload)| Record { place: place(*number), payload })
            .collect();
        self.log.append(&records)?;
        self.entries.extend(group);
        Ok(())
    }

    pub(crate) fn next(&self, count: u64) -> Vec<Entry> {
        let last = self.entries.last().map_or(0, |(number, _)| *number);
        let payload = |number| vec![self.groups; payload_len(number)];
        (last + 1..=last + count).map(|number| (number, payload(number))).collect()
    }

    pub(crate) fn sync(&mut self) -> Result<(), SyncError> {
        self.log.sync()
    }

    /// Writes a checkpoint of everything and trims. `Ok(false)` if it could not be written.
    pub(crate) fn checkpoint(&mut self) -> Result<bool, SyncError> {
        let mark = self.log.mark(self.log.last())?;
        let state = to_bytes(&self.entries);
        let (head, tail) = state.split_at(state.len() / 2);
        match write_checkpoint(&self.disk, place(self.log.last().to_wire()), &[head, tail]) {
            Ok(bytes) => {
                self.log.checkpointed(mark, bytes)?.remove(&self.disk)?;
                Ok(true)
            }
            Err(_) => Ok(false),
        }
    }
}

pub(crate) fn to_bytes(entries: &[Entry]) -> Vec<u8> {
    let mut bytes = Vec::new();
    for (number, payload) in entries {
        bytes.extend_from_slice(&number.to_le_bytes());
        bytes.extend_from_slice(&(payload.len() as u64).to_le_bytes());
        bytes.extend_from_slice(payload);
    }
    bytes
}

fn from_bytes(mut bytes: &[u8]) -> Result<Vec<Entry>, Malformed> {
    let mut entries = Vec::new();
    while !bytes.is_empty() {
        let (number, rest) = bytes.split_first_chunk().ok_or(Malformed)?;
        let (length, rest) = rest.split_first_chunk().ok_or(Malformed)?;
        let length = u64::from_le_bytes(*length) as usize;
        let (payload, rest) = rest.split_at_checked(length).ok_or(Malformed)?;
        entries.push((u64::from_le_bytes(*number), payload.to_vec()));
        bytes = rest;
    }
    Ok(entries)
}
