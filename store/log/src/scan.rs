//! Reading a segment from front to back.

use std::io;

use crate::disk::DiskFile;
use crate::limits::WINDOW_BYTES;
use crate::record::{HEADER_BYTES, Header};

/// A segment that is read through a window, so that a long one costs little memory.
pub(crate) struct Scanner<'a, F> {
    file: &'a F,
    segment: u64,
    length: u64,
    window: Vec<u8>,
    start: u64,
}

impl<'a, F: DiskFile> Scanner<'a, F> {
    pub(crate) fn new(file: &'a F, segment: u64) -> io::Result<Self> {
        let length = file.length()?;
        Ok(Self { file, segment, length, window: Vec::new(), start: 0 })
    }

    /// Bytes of the file.
    pub(crate) fn length(&self) -> u64 {
        self.length
    }

    /// The record at `offset`, if there is a whole and sound one.
    pub(crate) fn record(&mut self, offset: u64) -> io::Result<Option<(Header, &[u8])>> {
        let Some(header) = self.header(offset)? else { return Ok(None) };
        let start = offset + HEADER_BYTES as u64;
        let payload = self.bytes(start, u64::from(header.payload_len))?;
        let sound = payload.filter(|payload| crc32c::crc32c(payload) == header.payload_crc);
        Ok(sound.map(|payload| (header, payload)))
    }

    fn header(&mut self, offset: u64) -> io::Result<Option<Header>> {
        let segment = self.segment;
        let bytes = self.bytes(offset, HEADER_BYTES as u64)?.and_then(|b| b.first_chunk());
        Ok(bytes.and_then(|bytes| Header::from_bytes(bytes, segment)))
    }

    /// Whether some record after `offset` testifies that what is at `offset` was safe on disk.
    pub(crate) fn was_safe(&mut self, offset: u64) -> io::Result<bool> {
        for at in offset + 1..self.length {
            let Some(header) = self.header(at)? else { continue };
            // The payload is judged too: four bytes of checksum alone would err on a long tail.
            if header.witness > offset && header.witness <= at && self.record(at)?.is_some() {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// `length` bytes from `offset`, if the file has them.
    fn bytes(&mut self, offset: u64, length: u64) -> io::Result<Option<&[u8]>> {
        if offset.checked_add(length).is_none_or(|end| end > self.length) {
            return Ok(None);
        }
        let held = self.start + self.window.len() as u64;
        if offset < self.start || offset + length > held {
            let ahead = length.max(WINDOW_BYTES).min(self.length - offset);
            self.window.resize(ahead as usize, 0);
            self.start = offset;
            self.file.read_exact_at(offset, &mut self.window)?;
        }
        let from = (offset - self.start) as usize;
        Ok(self.window.get(from..from + length as usize))
    }
}
