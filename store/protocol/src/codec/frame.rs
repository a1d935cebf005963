//! The header of a frame, in a stretch of bytes of fixed size and with a checksum of its own: where
//! a peer writes straight into memory, headers stand in the ring itself, beside the updates.
//!
//! A header is 32 bytes: the number of the first message (8), offset and length (4 and 4), time
//! (8), form (1), what it is (1), nothing (2), and the CRC32C of all that (4). A run of nulls has
//! its count in the place of the length and zeros in those of offset and time. Memory that was
//! never written holds no header. Memory of an earlier round of the ring does: the number tells
//! them apart, and nobody reads one before the guard that covers it.

use super::FORM;
use super::crc::crc32c;
use super::input::{Input, Part};
use crate::ids::SeqNum;
use crate::limits::WINDOW_BYTES_MAX;
use crate::machine::Malformed;
use crate::row::{Content, Frame};
use crate::time::Hlc;

/// How long a header is.
pub const FRAME_BYTES: usize = 32;

const UPDATE: u8 = 1;
const NULLS: u8 = 2;

/// The bytes of a header.
#[must_use]
pub fn encode(frame: &Frame) -> [u8; FRAME_BYTES] {
    let (kind, offset, length, time) = match frame.content {
        Content::Update { offset, bytes, time } => (UPDATE, offset, bytes, time),
        Content::Nulls { count } => (NULLS, 0, count, Hlc::ZERO),
    };
    let words = [
        frame.index,
        u64::from(offset) | u64::from(length) << 32,
        time.to_wire(),
        u64::from(FORM) | u64::from(kind) << 8,
    ];
    let mut out = [0; FRAME_BYTES];
    let (places, _) = out.as_chunks_mut::<8>();
    for (place, word) in places.iter_mut().zip(words) {
        *place = word.to_le_bytes();
    }
    if let Some((checked, check)) = out.split_last_chunk_mut::<4>() {
        *check = crc32c(checked).to_le_bytes();
    }
    out
}

/// The frame of this header.
/// # Errors  [`Malformed`] if it is not exactly what [`encode`] makes.
pub fn decode(bytes: &[u8; FRAME_BYTES]) -> Result<Frame, Malformed> {
    let (checked, check) = bytes.split_last_chunk::<4>().ok_or(Malformed)?;
    if crc32c(checked) != u32::from_le_bytes(*check) {
        return Err(Malformed);
    }
    let mut input = Input::of(checked);
    let index = u64::parse(&mut input)?;
    let offset = u32::parse(&mut input)?;
    let length = u32::parse(&mut input)?;
    let time = Hlc::parse(&mut input)?;
    let content = match input.take()? {
        [FORM, UPDATE, 0, 0] => Content::Update { offset, bytes: length, time },
        [FORM, NULLS, 0, 0] if offset == 0 && time == Hlc::ZERO => Content::Nulls { count: length },
        _ => return Err(Malformed),
    };
    bounded(Frame { index, content })
}

/// The frame, if it is within the bounds that every frame is in.
fn bounded(frame: Frame) -> Result<Frame, Malformed> {
    let (count, end) = match frame.content {
        Content::Update { offset, bytes, .. } => (1, u64::from(offset) + u64::from(bytes)),
        Content::Nulls { count } => (count, 0),
    };
    let numbered = frame.index.checked_add(u64::from(count));
    let counted = numbered.is_some_and(|after| after <= SeqNum::MAX.number());
    if count >= 1 && counted && end <= u64::from(WINDOW_BYTES_MAX) {
        Ok(frame)
    } else {
        Err(Malformed)
    }
}

/// In a list of frames no header needs a checksum of its own, nor a fixed size.
impl Part for Frame {
    const LEAST: usize = 1 + 8 + 4;
    const MOST: usize = 1 + 8 + 4 + 4 + 8;

    fn put(&self, out: &mut Vec<u8>) {
        match self.content {
            Content::Update { offset, bytes, time } => {
                out.push(UPDATE);
                self.index.put(out);
                offset.put(out);
                bytes.put(out);
                time.put(out);
            }
            Content::Nulls { count } => {
                out.push(NULLS);
                self.index.put(out);
                count.put(out);
            }
        }
    }

    fn parse(input: &mut Input<'_>) -> Result<Self, Malformed> {
        let kind = input.tag()?;
        let index = u64::parse(input)?;
        let content = match kind {
            UPDATE => Content::Update {
                offset: u32::parse(input)?,
                bytes: u32::parse(input)?,
                time: Hlc::parse(input)?,
            },
            NULLS => Content::Nulls { count: u32::parse(input)? },
            _ => return Err(Malformed),
        };
        bounded(Frame { index, content })
    }
}
