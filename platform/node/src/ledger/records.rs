//! The receipts with their salts, for as long as they can be fetched.
//!
//! They hold no client data, but a salt is what unblinds a leaf, so they lie beside the public log
//! and not in it, readable by the node alone, and go when the promise's window ends. Every record
//! has its place by its index, so that nothing has to be kept in memory to find it and a second try
//! writes the same bytes to the same place. They are durable before the tiles are: what a crash
//! keeps out of the log is appended again from here, in the same order.

use std::fs::{self, File};
use std::io;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

use super::disk::{Disk, Readers};
use super::limits::{RECORDS_MAX, SEGMENT_RECORDS_MAX, SEGMENTS_PER_WINDOW};
use super::record::{RECORD_BYTES, ReceiptId, Record};

/// One file of records.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
struct Segment {
    first: u64,
    count: u64,
    oldest: u32,
    newest: u32,
}

pub(super) struct Records {
    dir: PathBuf,
    window_minutes: u32,
    segments: Mutex<Vec<Segment>>,
}

impl Records {
    /// Reads what is there, without changing it.
    pub(super) fn open(dir: &Path, window_minutes: u32) -> io::Result<Self> {
        let mut firsts = Vec::new();
        for entry in fs::read_dir(dir)? {
            let name = entry?.file_name();
            let digits = name.to_str().and_then(|name| name.strip_suffix(".records"));
            firsts.extend(digits.and_then(|digits| digits.parse::<u64>().ok()));
        }
        firsts.sort_unstable();
        let records =
            Self { dir: dir.to_owned(), window_minutes, segments: Mutex::new(Vec::new()) };
        for (place, &first) in firsts.iter().enumerate() {
            let next = firsts.get(place + 1).copied();
            let segment = records.survey(first, next)?;
            records.lock().push(segment);
        }
        Ok(records)
    }

    fn survey(&self, first: u64, next: Option<u64>) -> io::Result<Segment> {
        let file = File::open(self.path(first))?;
        let held = file.metadata()?.len() / RECORD_BYTES as u64;
        // A segment that was begun anew after a failed write leaves a tail behind in the older one.
        let count = next.map_or(held, |next| held.min(next.saturating_sub(first)));
        let mut minutes = (0..count).filter_map(|place| read_one(&file, first, place).ok()?);
        let oldest = minutes.next().map_or(0, |record| record.minute);
        let newest = (0..count).rev().find_map(|place| read_one(&file, first, place).ok()?);
        let newest = newest.map_or(oldest, |record| record.minute);
        Ok(Segment { first, count, oldest, newest })
    }

    /// Whether anything was ever kept here.
    pub(super) fn is_empty(&self) -> bool {
        self.lock().is_empty()
    }

    /// The whole records from `index` on: what the log may not have yet. What follows the first
    /// torn one is cut off.
    pub(super) fn recover(&self, disk: &impl Disk, index: u64) -> io::Result<Vec<Record>> {
        let mut found = Vec::new();
        let mut segments = self.lock();
        for segment in segments.iter_mut().filter(|segment| segment.first + segment.count > index) {
            let path = self.path(segment.first);
            let file = File::open(&path)?;
            let mut next = index + found.len() as u64;
            while let Some(place) = next.checked_sub(segment.first) {
                let read = if place < segment.count {
                    read_one(&file, segment.first, place)?
                } else {
                    None
                };
                let Some(record) = read else { break };
                found.push(record);
                next += 1;
            }
            segment.count = next.saturating_sub(segment.first);
            if segment.count == 0 {
                disk.remove(&path)?;
            } else {
                disk.truncate(&path, segment.count * RECORD_BYTES as u64)?;
                disk.sync(&path)?;
            }
        }
        segments.retain(|segment| segment.count > 0);
        disk.sync_dir(&self.dir)?;
        Ok(found)
    }

    /// Writes records from `index` on and makes them durable.
    pub(super) fn write(
        &self,
        disk: &impl Disk,
        index: u64,
        records: &[Record],
        minute: u32,
    ) -> io::Result<()> {
        let (mut index, mut rest) = (index, records);
        while !rest.is_empty() {
            let known = self.lock().last().copied();
            let current = known.filter(|segment| self.takes(segment, index, minute));
            let is_new = current.is_none();
            let mut segment = current.unwrap_or(Segment {
                first: index,
                count: 0,
                oldest: minute,
                newest: minute,
            });
            let place = index - segment.first;
            let room = (SEGMENT_RECORDS_MAX - place) as usize;
            let (now, later) = rest.split_at(room.min(rest.len()));
            let bytes: Vec<u8> =
                (index..).zip(now).flat_map(|(index, record)| record.encode(index)).collect();
            let path = self.path(segment.first);
            disk.write_at(&path, place * RECORD_BYTES as u64, &bytes)?;
            disk.sync(&path)?;
            if is_new {
                disk.sync_dir(&self.dir)?;
            }
            segment.count = place + now.len() as u64;
            segment.newest = minute;
            let mut segments = self.lock();
            segments.retain(|other| other.first != segment.first);
            segments.push(segment);
            (index, rest) = (index + now.len() as u64, later);
        }
        Ok(())
    }

    fn takes(&self, segment: &Segment, index: u64, minute: u32) -> bool {
        let span = self.window_minutes / SEGMENTS_PER_WINDOW;
        let place = index.checked_sub(segment.first);
        place.is_some_and(|place| place < SEGMENT_RECORDS_MAX && place <= segment.count)
            && minute <= segment.oldest.saturating_add(span)
    }

    /// The record of leaf `index`, if it is still kept and its window has not ended.
    #[cfg(test)]
    pub(super) fn read(&self, index: u64, minute: u32) -> io::Result<Option<Record>> {
        let segments: Vec<Segment> = self.lock().clone();
        let holds = |it: &Segment| it.first <= index && index - it.first < it.count;
        let Some(segment) = segments.into_iter().rev().find(holds) else { return Ok(None) };
        let file = File::open(self.path(segment.first))?;
        let record = read_one(&file, segment.first, index - segment.first)?;
        Ok(record.filter(|record| self.is_kept(record.minute, minute)))
    }

    /// The record of an id and its leaf, looked for in so many places from the one that it names.
    pub(super) fn find(
        &self,
        id: &ReceiptId,
        places: u64,
        minute: u32,
    ) -> io::Result<Option<(u64, Record)>> {
        let (first, end) = (id.index(), id.index().saturating_add(places));
        let segments: Vec<Segment> = self.lock().clone();
        let reach = |it: &&Segment| it.first < end && it.first + it.count > first;
        for segment in segments.iter().filter(reach) {
            let file = match File::open(self.path(segment.first)) {
                Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
                file => file?,
            };
            let places = first.max(segment.first)..end.min(segment.first + segment.count);
            for index in places {
                let record = read_one(&file, segment.first, index - segment.first)?;
                if let Some(record) = record.filter(|record| record.has(id)) {
                    return Ok(self.is_kept(record.minute, minute).then_some((index, record)));
                }
            }
        }
        Ok(None)
    }

    /// Whether a receipt of one minute can still be fetched in another.
    pub(super) fn is_kept(&self, written: u32, minute: u32) -> bool {
        minute <= written.saturating_add(self.window_minutes)
    }

    /// Removes the files whose last record's window has ended, and the oldest beyond the count.
    pub(super) fn expire(&self, disk: &impl Disk, minute: u32) -> io::Result<()> {
        let gone: Vec<Segment> = {
            let mut segments = self.lock();
            let mut held: u64 = segments.iter().map(|segment| segment.count).sum();
            let mut gone = Vec::new();
            segments.retain(|segment| {
                let over = held > RECORDS_MAX;
                let keep = self.is_kept(segment.newest, minute) && !over;
                if !keep {
                    held -= segment.count;
                    gone.push(*segment);
                }
                keep
            });
            gone
        };
        for segment in &gone {
            disk.remove(&self.path(segment.first))?;
        }
        if gone.is_empty() { Ok(()) } else { disk.sync_dir(&self.dir) }
    }

    /// The minute in which the next file has to go.
    pub(super) fn next_expiry(&self) -> Option<u32> {
        let ends = |segment: &Segment| segment.newest.saturating_add(self.window_minutes);
        self.lock().iter().map(ends).min().map(|minute| minute.saturating_add(1))
    }

    fn path(&self, first: u64) -> PathBuf {
        self.dir.join(format!("{first:020}.records"))
    }

    fn lock(&self) -> MutexGuard<'_, Vec<Segment>> {
        self.segments.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Makes the folder for records.
pub(super) fn make_dir(disk: &impl Disk, dir: &Path) -> io::Result<()> {
    disk.make_dir(dir, Readers::Owner)
}

fn read_one(file: &File, first: u64, place: u64) -> io::Result<Option<Record>> {
    let mut bytes = [0; RECORD_BYTES];
    match file.read_exact_at(&mut bytes, place * RECORD_BYTES as u64) {
        Ok(()) => Ok(Record::decode(first + place, &bytes)),
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => Ok(None),
        Err(error) => Err(error),
    }
}
