//! Checkpoints: a whole state in one file, so that the records before it can go.
//!
//! ```text
//! magic 8 · version u64 · time u64 · length u64 · head CRC32C u32 · the state · its CRC32C u32
//! ```

use std::io::{self, ErrorKind, IoSlice};

use notrace_store_protocol::ids::Version;
use notrace_store_protocol::machine::Place;
use notrace_store_protocol::time::Hlc;

use crate::disk::{Disk, DiskFile};
use crate::error::CheckpointError;
use crate::limits::{PARTS_MAX, UNSYNCED_BYTES_MAX};

const MAGIC: [u8; 8] = *b"NTCHK\0\0\x01";
const HEAD_BYTES: usize = 36;
const TAIL_BYTES: u64 = 4;
/// What is read at once to be checked.
const STRIDE_BYTES: usize = 1 << 20;
/// The name of a checkpoint that is being written.
pub(crate) const UNFINISHED: &str = "checkpoint.new";

pub(crate) fn name(version: Version) -> String {
    format!("checkpoint-{:016x}", version.to_wire())
}

/// The version in a checkpoint's name.
pub(crate) fn version(name: &str) -> Option<Version> {
    let digits = name.strip_prefix("checkpoint-")?;
    let version = Version::from_wire(u64::from_str_radix(digits, 16).ok()?);
    (self::name(version) == name).then_some(version)
}

/// Writes a state as of `place`: to a file of another name, synced, then renamed, so that under its
/// own name it is whole. Returns its bytes on disk. Safe to run beside appends to the log.
/// # Errors  [`CheckpointError`]; earlier checkpoints are untouched.
pub fn write_checkpoint<D: Disk, B: AsRef<[u8]>>(
    disk: &D,
    place: Place,
    chunks: &[B],
) -> Result<u64, CheckpointError> {
    let written = try_write(disk, place, chunks);
    written.map_err(|error| {
        let _ = disk.remove(UNFINISHED);
        CheckpointError { kind: error.kind() }
    })
}

fn try_write<D: Disk, B: AsRef<[u8]>>(disk: &D, place: Place, chunks: &[B]) -> io::Result<u64> {
    match disk.remove(UNFINISHED) {
        Err(error) if error.kind() != ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let mut file = disk.create(UNFINISHED)?;
    let length = chunks.iter().map(|chunk| chunk.as_ref().len() as u64).sum();
    let head = head(place, length);
    let mut offset = file.write_all_at(0, &mut [IoSlice::new(&head)])?;
    let within = |chunk| <B as AsRef<[u8]>>::as_ref(chunk).chunks(UNSYNCED_BYTES_MAX as usize);
    let chunks: Vec<&[u8]> = chunks.iter().flat_map(within).collect();
    let (mut crc, mut rest, mut safe) = (0, &chunks[..], 0);
    while !rest.is_empty() {
        let (group, later) = rest.split_at(stride(rest));
        let mut parts: Vec<_> = group.iter().map(|chunk| IoSlice::new(chunk)).collect();
        crc = parts.iter().fold(crc, |crc, part| crc32c::crc32c_append(crc, part));
        offset = file.write_all_at(offset, &mut parts)?;
        rest = later;
        // A file system may make the next sync of the log wait for all that is not safe yet.
        if offset - safe >= UNSYNCED_BYTES_MAX {
            file.sync()?;
            safe = offset;
        }
    }
    offset = file.write_all_at(offset, &mut [IoSlice::new(&crc.to_le_bytes())])?;
    file.sync()?;
    disk.rename(UNFINISHED, &name(place.version))?;
    disk.sync_names()?;
    Ok(offset)
}

/// How many of these chunks are written at once, and one at the least.
fn stride(chunks: &[&[u8]]) -> usize {
    let mut bytes = 0;
    let fits = chunks.iter().take(PARTS_MAX).take_while(|chunk| {
        bytes += chunk.len() as u64;
        bytes <= UNSYNCED_BYTES_MAX
    });
    fits.count().max(1)
}

fn head(place: Place, length: u64) -> [u8; HEAD_BYTES] {
    let mut bytes = [0; HEAD_BYTES];
    let numbers = [place.version.to_wire(), place.time.to_wire(), length];
    let numbers = numbers.into_iter().flat_map(u64::to_le_bytes);
    bytes.iter_mut().zip(MAGIC.into_iter().chain(numbers)).for_each(|(at, byte)| *at = byte);
    if let Some((body, crc)) = bytes.split_last_chunk_mut::<4>() {
        *crc = crc32c::crc32c(body).to_le_bytes();
    }
    bytes
}

/// A checkpoint that can be read in parts, for as long as this is kept, whatever becomes of the
/// log.
pub struct Stored<F> {
    file: F,
    place: Place,
    length: u64,
    /// How much of it was read in order, and the checksum of that.
    checked: u64,
    crc: u32,
}

impl<F: DiskFile> Stored<F> {
    /// The last update in it.
    pub fn place(&self) -> Place {
        self.place
    }

    /// How long the state is, in bytes.
    pub fn length(&self) -> u64 {
        self.length
    }

    /// Fills `into` from `offset` of the state. What is read in order is checked on the way.
    /// # Errors  What the system says.
    pub fn read_at(&mut self, offset: u64, into: &mut [u8]) -> io::Result<()> {
        self.file.read_exact_at(HEAD_BYTES as u64 + offset, into)?;
        if offset == self.checked {
            self.crc = crc32c::crc32c_append(self.crc, into);
            self.checked += into.len() as u64;
        }
        Ok(())
    }

    /// Whether the state is as it was written: reads what was not read in order yet.
    /// # Errors  What the system says.
    pub fn is_whole(&mut self) -> io::Result<bool> {
        let mut rest = vec![0; STRIDE_BYTES.min((self.length - self.checked) as usize)];
        while self.checked < self.length {
            rest.truncate((self.length - self.checked) as usize);
            self.read_at(self.checked, &mut rest)?;
        }
        let mut crc = [0; TAIL_BYTES as usize];
        self.file.read_exact_at(HEAD_BYTES as u64 + self.length, &mut crc)?;
        Ok(self.crc == u32::from_le_bytes(crc))
    }
}

/// Opens the checkpoint of this version, or `None` if it is not one.
pub(crate) fn open<D: Disk>(disk: &D, version: Version) -> io::Result<Option<Stored<D::File>>> {
    let file = disk.open(&name(version))?;
    let on_disk = file.length()?;
    let mut bytes = [0; HEAD_BYTES];
    match file.read_exact_at(0, &mut bytes) {
        Err(error) if error.kind() == ErrorKind::UnexpectedEof => return Ok(None),
        read => read?,
    }
    let numbers = bytes.get(MAGIC.len()..).unwrap_or_default();
    let mut numbers = numbers.as_chunks::<8>().0.iter().map(|chunk| u64::from_le_bytes(*chunk));
    let mut next = || numbers.next().unwrap_or_default();
    let (found, time, length) = (Version::from_wire(next()), Hlc::from_wire(next()), next());
    let place = Place { version, time };
    let whole = length.checked_add(HEAD_BYTES as u64 + TAIL_BYTES) == Some(on_disk);
    let is_one = found == version && head(place, length) == bytes && whole;
    Ok(is_one.then_some(Stored { file, place, length, checked: 0, crc: 0 }))
}

/// The checkpoint of this version, or `None` if it is damaged.
pub(crate) fn read<D: Disk>(disk: &D, version: Version) -> io::Result<Option<(Place, Vec<u8>)>> {
    let Some(mut stored) = open(disk, version)? else { return Ok(None) };
    // The length is the file's, so this asks for no more memory than there is file.
    let mut state = vec![0; usize::try_from(stored.length).map_err(|_| ErrorKind::OutOfMemory)?];
    stored.read_at(0, &mut state)?;
    let place = stored.place;
    Ok(stored.is_whole()?.then_some((place, state)))
}
