//! One record as bytes: a header with a checksum of its own, then the payload.
//!
//! ```text
//! payload length u32 · payload CRC32C u32 · version u64 · time u64 · witness u64
//! header CRC32C u32 · the payload
//! ```
//!
//! Numbers are little-endian. The header's checksum also covers the segment's number, so that what
//! an older file left in a reused block is never taken for a record of this one.
//!
//! The *witness* is how much of the segment was safe on disk when the record was written. A bad
//! record before some later record's witness was safe once, so it has decayed, and that is an
//! error. A bad record that nothing testifies to may be one that never was written whole.

use notrace_store_protocol::ids::Version;
use notrace_store_protocol::machine::Place;
use notrace_store_protocol::time::Hlc;

use crate::limits::RECORD_BYTES_MAX;

/// A record to append.
#[derive(Clone, Copy)]
pub struct Record<'a> {
    /// Where it stands. Rises from record to record; never [`Version::ZERO`].
    pub place: Place,
    /// What it says, up to [`RECORD_BYTES_MAX`] bytes.
    pub payload: &'a [u8],
}

/// Bytes of a header.
pub(crate) const HEADER_BYTES: usize = 36;

#[derive(Clone, Copy)]
pub(crate) struct Header {
    pub(crate) payload_len: u32,
    pub(crate) payload_crc: u32,
    pub(crate) place: Place,
    pub(crate) witness: u64,
}

impl Header {
    pub(crate) fn of(record: &Record<'_>, witness: u64) -> Self {
        Self {
            payload_len: record.payload.len() as u32,
            payload_crc: crc32c::crc32c(record.payload),
            place: record.place,
            witness,
        }
    }

    /// The header of a record that says nothing but that all before it is safe.
    pub(crate) fn seal(witness: u64) -> Self {
        let place = Place { version: Version::ZERO, time: Hlc::ZERO };
        Self::of(&Record { place, payload: &[] }, witness)
    }

    pub(crate) fn is_seal(&self) -> bool {
        self.place.version == Version::ZERO
    }

    pub(crate) fn to_bytes(self, segment: u64) -> [u8; HEADER_BYTES] {
        let mut bytes = [0; HEADER_BYTES];
        let fields = [self.place.version.to_wire(), self.place.time.to_wire(), self.witness];
        let lengths = [self.payload_len, self.payload_crc];
        let all = lengths.into_iter().flat_map(u32::to_le_bytes);
        let all = all.chain(fields.into_iter().flat_map(u64::to_le_bytes));
        bytes.iter_mut().zip(all).for_each(|(place, byte)| *place = byte);
        if let Some((body, crc)) = bytes.split_last_chunk_mut::<4>() {
            *crc = header_crc(body, segment).to_le_bytes();
        }
        bytes
    }

    /// The header of these bytes, if they are one of this segment.
    pub(crate) fn from_bytes(bytes: &[u8; HEADER_BYTES], segment: u64) -> Option<Self> {
        let (body, crc) = bytes.split_last_chunk::<4>()?;
        let (payload_len, rest) = body.split_first_chunk::<4>()?;
        let payload_len = u32::from_le_bytes(*payload_len);
        if payload_len > RECORD_BYTES_MAX || header_crc(body, segment) != u32::from_le_bytes(*crc) {
            return None;
        }
        let (payload_crc, rest) = rest.split_first_chunk::<4>()?;
        let (version, rest) = rest.split_first_chunk::<8>()?;
        let (time, witness) = rest.split_first_chunk::<8>()?;
        let (version, time) = (u64::from_le_bytes(*version), u64::from_le_bytes(*time));
        Some(Self {
            payload_len,
            payload_crc: u32::from_le_bytes(*payload_crc),
            place: Place { version: Version::from_wire(version), time: Hlc::from_wire(time) },
            witness: u64::from_le_bytes(witness.try_into().ok()?),
        })
    }
}

fn header_crc(body: &[u8], segment: u64) -> u32 {
    crc32c::crc32c_append(crc32c::crc32c(body), &segment.to_le_bytes())
}

#[cfg(test)]
mod a_header {
    use super::*;

    #[test]
    fn comes_back_in_its_own_segment_only_and_shows_every_flipped_bit() {
        let place = Place { version: "3:77".parse().unwrap(), time: Hlc::from_wire(99) };
        let header = Header::of(&Record { place, payload: b"abc" }, 12);
        let bytes = header.to_bytes(5);
        let back = Header::from_bytes(&bytes, 5).unwrap();
        assert_eq!((back.payload_len, back.place, back.witness), (3, place, 12));
        assert_eq!(back.payload_crc, crc32c::crc32c(b"abc"));
        assert!(Header::from_bytes(&bytes, 6).is_none());
        for bit in 0..HEADER_BYTES * 8 {
            let mut flipped = bytes;
            flipped[bit / 8] ^= 1 << (bit % 8);
            assert!(Header::from_bytes(&flipped, 5).is_none(), "bit {bit}");
        }
        assert!(Header::from_bytes(&[0; HEADER_BYTES], 0).is_none());
    }
}
