//! Segments: files of records, numbered without gaps, each knowing what came before it.

use std::io::{self, IoSlice};

use notrace_store_protocol::ids::Version;

use crate::disk::{Disk, DiskFile};

const MAGIC: [u8; 8] = *b"NTLOG\0\0\x01";
/// Bytes of a segment's head: magic, number, the last version before it, checksum.
pub(crate) const HEAD_BYTES: usize = 28;

/// The segment that is written.
pub(crate) struct Segment<F> {
    pub(crate) file: F,
    pub(crate) number: u64,
    /// Where the next record goes.
    pub(crate) length: u64,
    /// How much of it is safe on disk.
    pub(crate) synced: u64,
}

pub(crate) fn name(number: u64) -> String {
    format!("segment-{number:016x}")
}

/// The number in a segment's name.
pub(crate) fn number(name: &str) -> Option<u64> {
    let digits = name.strip_prefix("segment-")?;
    let number = u64::from_str_radix(digits, 16).ok()?;
    (self::name(number) == name).then_some(number)
}

/// Makes a segment and sees it safe on disk, so that a record in it can only be lost by itself.
/// # Errors  What the system says; then some of it may be there.
pub(crate) fn create<D: Disk>(
    disk: &D,
    number: u64,
    previous: Version,
) -> io::Result<Segment<D::File>> {
    let mut file = disk.create(&name(number))?;
    let head = head(number, previous);
    let length = file.write_all_at(0, &mut [IoSlice::new(&head)])?;
    file.sync()?;
    disk.sync_names()?;
    Ok(Segment { file, number, length, synced: length })
}

/// Removes what is left of a segment that could not be made.
pub(crate) fn discard<D: Disk>(disk: &D, number: u64) -> io::Result<()> {
    match disk.remove(&name(number)) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => disk.sync_names(),
    }
}

fn head(number: u64, previous: Version) -> [u8; HEAD_BYTES] {
    let mut bytes = [0; HEAD_BYTES];
    let numbers = [number, previous.to_wire()].into_iter().flat_map(u64::to_le_bytes);
    bytes.iter_mut().zip(MAGIC.into_iter().chain(numbers)).for_each(|(at, byte)| *at = byte);
    if let Some((body, crc)) = bytes.split_last_chunk_mut::<4>() {
        *crc = crc32c::crc32c(body).to_le_bytes();
    }
    bytes
}

/// The last version before the segment `number`, if the file begins with the head of that segment.
pub(crate) fn previous<F: DiskFile>(file: &F, number: u64) -> io::Result<Option<Version>> {
    let mut bytes = [0; HEAD_BYTES];
    match file.read_exact_at(0, &mut bytes) {
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Ok(None),
        read => read?,
    }
    let previous = bytes.last_chunk::<12>().and_then(|tail| tail.first_chunk::<8>());
    let previous = previous.map(|wire| Version::from_wire(u64::from_le_bytes(*wire)));
    Ok(previous.filter(|previous| head(number, *previous) == bytes))
}
