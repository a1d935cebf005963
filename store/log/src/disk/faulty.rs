//! A disk in memory that fails as disks do.
//!
//! It remembers what is durable apart from what was written since. [`FaultyDisk::after_crash`]
//! makes the disk that a machine might find after losing power: of what was not synced, any part
//! may be there, in sectors, in any order; of names that were not synced likewise.

use std::collections::BTreeMap;
use std::io::{self, ErrorKind, IoSlice};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::{Disk, DiskFile};

const SECTOR_BYTES: usize = 512;

/// A disk in memory. Clones are handles to the same one.
#[derive(Clone, Default)]
pub struct FaultyDisk(Arc<Mutex<Inner>>);

/// An open file of a [`FaultyDisk`].
pub struct FaultyFile {
    disk: FaultyDisk,
    number: u64,
}

#[derive(Clone, Default)]
struct Inner {
    files: BTreeMap<u64, Content>,
    names: BTreeMap<String, u64>,
    durable_names: BTreeMap<String, u64>,
    pending_names: Vec<NameChange>,
    made: u64,
    steps: u64,
    faults: Faults,
}

#[derive(Clone, Default)]
struct Faults {
    crash_at: Option<u64>,
    crashed: bool,
    capacity: Option<u64>,
    syncs_fail: bool,
    writes_fail: bool,
    write_at_most: Option<usize>,
}

#[derive(Clone, Default)]
struct Content {
    now: Vec<u8>,
    durable: Vec<u8>,
    pending: Vec<Change>,
}

#[derive(Clone)]
enum Change {
    Write(usize, Vec<u8>),
    Truncate(usize),
}

#[derive(Clone)]
enum NameChange {
    Add(String, u64),
    Remove(String),
    Rename(String, String, u64),
}

/// A small generator, so that a crash can be repeated from its seed. Source: Marsaglia, "Xorshift
/// RNGs" (2003).
struct Dice(u64);

impl Dice {
    fn throw(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }
}

/// How much of what was not synced survives a crash.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Survives {
    /// Nothing.
    Nothing,
    /// Everything.
    Everything,
    /// Some sectors and some names, chosen by this seed.
    Some(u64),
}

impl FaultyDisk {
    /// How many steps that change something were taken.
    pub fn steps(&self) -> u64 {
        self.inner().steps
    }

    /// Bytes of all files.
    pub fn used(&self) -> u64 {
        self.inner().used()
    }

    /// Makes step `step`, counted from 1, fail halfway and all after it fail at once.
    pub fn crash_at(&self, step: u64) {
        self.inner().faults.crash_at = Some(step);
    }

    /// Lets all files together grow to `bytes` and no further.
    pub fn hold_at_most(&self, bytes: Option<u64>) {
        self.inner().faults.capacity = bytes;
    }

    /// Makes every sync fail and lose what it should have made durable.
    pub fn fail_syncs(&self, fail: bool) {
        self.inner().faults.syncs_fail = fail;
    }

    /// Makes every write fail.
    pub fn fail_writes(&self, fail: bool) {
        self.inner().faults.writes_fail = fail;
    }

    /// Makes a write take at most so many bytes at once.
    pub fn write_at_most(&self, bytes: Option<usize>) {
        self.inner().faults.write_at_most = bytes;
    }

    /// Changes a byte of a file behind everybody's back, as a decaying disk does.
    pub fn flip(&self, name: &str, offset: usize) {
        let mut inner = self.inner();
        let number = inner.names.get(name).copied();
        let content = number.and_then(|number| inner.files.get_mut(&number));
        let Some(content) = content else { return };
        let copies = [&mut content.now, &mut content.durable];
        for byte in copies.into_iter().filter_map(|bytes| bytes.get_mut(offset)) {
            *byte ^= 0x40;
        }
    }

    /// The disk as a machine may find it when this one loses power now.
    pub fn after_crash(&self, survives: Survives) -> FaultyDisk {
        let mut inner = self.inner().clone();
        let mut dice = Dice(match survives {
            Survives::Some(seed) => seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1,
            Survives::Nothing | Survives::Everything => 1,
        });
        let mut lives = || match survives {
            Survives::Nothing => false,
            Survives::Everything => true,
            Survives::Some(_) => dice.throw() >> 40 & 1 == 1,
        };
        for content in inner.files.values_mut() {
            content.lose_power(&mut lives);
        }
        let mut names = std::mem::take(&mut inner.durable_names);
        for change in std::mem::take(&mut inner.pending_names) {
            if lives() {
                change.apply(&mut names);
            }
        }
        inner.names = names.clone();
        inner.durable_names = names;
        inner.faults = Faults::default();
        Self(Arc::new(Mutex::new(inner)))
    }

    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Content {
    fn lose_power(&mut self, lives: &mut impl FnMut() -> bool) {
        for change in std::mem::take(&mut self.pending) {
            match change {
                Change::Truncate(length) => {
                    if lives() {
                        self.durable.resize(length, 0);
                    }
                }
                Change::Write(offset, bytes) => {
                    for (index, sector) in (0..).zip(bytes.chunks(SECTOR_BYTES)) {
                        if lives() {
                            put(&mut self.durable, offset + index * SECTOR_BYTES, sector);
                        }
                    }
                }
            }
        }
        self.now = self.durable.clone();
    }
}

impl NameChange {
    fn apply(self, names: &mut BTreeMap<String, u64>) {
        match self {
            Self::Add(name, number) => drop(names.insert(name, number)),
            Self::Remove(name) => drop(names.remove(&name)),
            Self::Rename(from, to, number) => {
                names.remove(&from);
                names.insert(to, number);
            }
        }
    }
}

fn put(bytes: &mut Vec<u8>, offset: usize, part: &[u8]) {
    if bytes.len() < offset + part.len() {
        bytes.resize(offset + part.len(), 0);
    }
    if let Some(place) = bytes.get_mut(offset..offset + part.len()) {
        place.copy_from_slice(part);
    }
}

impl Inner {
    /// Counts a step. `Ok(true)` means that it is the one that fails halfway.
    fn step(&mut self) -> io::Result<bool> {
        if self.faults.crashed {
            return Err(ErrorKind::BrokenPipe.into());
        }
        self.steps += 1;
        self.faults.crashed = self.faults.crash_at == Some(self.steps);
        Ok(self.faults.crashed)
    }

    fn used(&self) -> u64 {
        let living = self.names.values().filter_map(|number| self.files.get(number));
        living.map(|content| content.now.len() as u64).sum()
    }

    fn finish(halfway: bool) -> io::Result<()> {
        if halfway { Err(ErrorKind::BrokenPipe.into()) } else { Ok(()) }
    }

    fn rename_to(&mut self, change: NameChange) {
        change.clone().apply(&mut self.names);
        self.pending_names.push(change);
    }

    fn number(&self, name: &str) -> io::Result<u64> {
        self.names.get(name).copied().ok_or_else(|| ErrorKind::NotFound.into())
    }
}

impl Disk for FaultyDisk {
    type File = FaultyFile;

    fn list(&self) -> io::Result<Vec<String>> {
        Ok(self.inner().names.keys().cloned().collect())
    }

    fn create(&self, name: &str) -> io::Result<FaultyFile> {
        let mut inner = self.inner();
        if inner.names.contains_key(name) {
            return Err(ErrorKind::AlreadyExists.into());
        }
        let halfway = inner.step()?;
        inner.made += 1;
        let number = inner.made;
        inner.files.insert(number, Content::default());
        inner.rename_to(NameChange::Add(name.to_owned(), number));
        Inner::finish(halfway)?;
        Ok(FaultyFile { disk: self.clone(), number })
    }

    fn open(&self, name: &str) -> io::Result<FaultyFile> {
        let number = self.inner().number(name)?;
        Ok(FaultyFile { disk: self.clone(), number })
    }

    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        let mut inner = self.inner();
        let number = inner.number(from)?;
        let halfway = inner.step()?;
        inner.rename_to(NameChange::Rename(from.to_owned(), to.to_owned(), number));
        Inner::finish(halfway)
    }

    fn remove(&self, name: &str) -> io::Result<()> {
        let mut inner = self.inner();
        inner.number(name)?;
        let halfway = inner.step()?;
        inner.rename_to(NameChange::Remove(name.to_owned()));
        Inner::finish(halfway)
    }

    fn room(&self) -> io::Result<u64> {
        let capacity = self.inner().faults.capacity;
        Ok(capacity.map_or(u64::MAX, |capacity| capacity.saturating_sub(self.used())))
    }

    fn sync_names(&self) -> io::Result<()> {
        let mut inner = self.inner();
        Inner::finish(inner.step()?)?;
        inner.pending_names.clear();
        if inner.faults.syncs_fail {
            return Err(io::Error::from_raw_os_error(5));
        }
        inner.durable_names = inner.names.clone();
        Ok(())
    }
}

impl FaultyFile {
    fn with<R>(&self, act: impl FnOnce(&mut Inner, u64) -> io::Result<R>) -> io::Result<R> {
        act(&mut self.disk.inner(), self.number)
    }
}

fn content(inner: &mut Inner, number: u64) -> io::Result<&mut Content> {
    inner.files.get_mut(&number).ok_or_else(|| ErrorKind::NotFound.into())
}

impl DiskFile for FaultyFile {
    fn length(&self) -> io::Result<u64> {
        self.with(|inner, number| Ok(content(inner, number)?.now.len() as u64))
    }

    fn read_at(&self, offset: u64, into: &mut [u8]) -> io::Result<usize> {
        self.with(|inner, number| {
            let now = &content(inner, number)?.now;
            let rest = usize::try_from(offset).ok().and_then(|offset| now.get(offset..));
            let (rest, mut read) = (rest.unwrap_or_default(), 0);
            for (place, byte) in into.iter_mut().zip(rest) {
                *place = *byte;
                read += 1;
            }
            Ok(read)
        })
    }

    fn write_at(&mut self, offset: u64, parts: &[IoSlice<'_>]) -> io::Result<usize> {
        self.with(|inner, number| {
            let halfway = inner.step()?;
            if inner.faults.writes_fail {
                return Err(io::Error::from_raw_os_error(5));
            }
            let mut bytes = parts.iter().flat_map(|part| part.iter().copied()).collect::<Vec<u8>>();
            bytes.truncate(inner.faults.write_at_most.unwrap_or(bytes.len()));
            let offset = usize::try_from(offset).map_err(|_| ErrorKind::FileTooLarge)?;
            if let Some(capacity) = inner.faults.capacity {
                let used = inner.used();
                let own = content(inner, number)?.now.len();
                let free = capacity.saturating_sub(used) as usize;
                bytes.truncate((own + free).saturating_sub(offset));
                if bytes.is_empty() {
                    return Err(ErrorKind::StorageFull.into());
                }
            }
            let content = content(inner, number)?;
            put(&mut content.now, offset, &bytes);
            let written = bytes.len();
            content.pending.push(Change::Write(offset, bytes));
            Inner::finish(halfway)?;
            Ok(written)
        })
    }

    fn truncate(&mut self, length: u64) -> io::Result<()> {
        self.with(|inner, number| {
            let halfway = inner.step()?;
            let length = usize::try_from(length).map_err(|_| ErrorKind::FileTooLarge)?;
            let content = content(inner, number)?;
            content.now.resize(length, 0);
            content.pending.push(Change::Truncate(length));
            Inner::finish(halfway)
        })
    }

    fn sync(&mut self) -> io::Result<()> {
        self.with(|inner, number| {
            Inner::finish(inner.step()?)?;
            let fails = inner.faults.syncs_fail;
            let content = content(inner, number)?;
            content.pending.clear();
            if fails {
                return Err(io::Error::from_raw_os_error(5));
            }
            content.durable = content.now.clone();
            Ok(())
        })
    }
}
