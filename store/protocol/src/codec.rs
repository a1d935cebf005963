//! The bytes of what travels between nodes and of what a node writes down.
//!
//! All numbers are little-endian. Each value is one byte for the form, one for the kind, its body,
//! and the CRC32C of all that. In a body, numbers have their full width, a list is its count in 2
//! bytes and its items, an option a byte (0 or 1) and its value, a choice a byte and its fields; in
//! the order in which the types declare them. Equal values have equal bytes, and the other way
//! round: [`decode`] takes nothing that [`encode`] would not make.
//!
//! Bytes may come from anybody and may be damaged. Decoding them is total, and takes no more memory
//! than a few times theirs: each count is bounded by [`crate::limits`], and by what is still there.
//! Numbers that others count with are bounded too, so that no arithmetic on them overflows.
//!
//! The form names all of this. Nodes that do not know a form refuse its values; whoever changes
//! anything here, or in a type that travels, gives it another number.

pub mod frame;

mod choice;
mod crc;
mod input;
mod record;
#[cfg(test)]
mod samples;
#[cfg(test)]
mod spec;

use crate::effect::Durable;
use crate::machine::Malformed;
use crate::message::{Message, Write};
use crate::row::{Frames, MemberGuard, MemberRow, ShardRow};
use crate::view::View;

use crc::crc32c;
use input::{Input, Part};

/// The form of everything encoded here.
const FORM: u8 = 1;
/// Form and kind before a body, and the checksum after it.
const HEAD_BYTES: usize = 2;
const CHECK_BYTES: usize = 4;

/// What has bytes of its own.
pub trait Wire: Part {
    /// Tells it from everything else.
    const KIND: u8;
    /// The most bytes that a value takes.
    const BYTES_MAX: usize = HEAD_BYTES + Self::MOST + CHECK_BYTES;
}

impl Wire for Write {
    const KIND: u8 = 1;
}

impl Wire for View {
    const KIND: u8 = 2;
}

impl Wire for Durable {
    const KIND: u8 = 3;
}

impl Wire for MemberRow {
    const KIND: u8 = 4;
}

impl Wire for MemberGuard {
    const KIND: u8 = 5;
}

impl Wire for Frames {
    const KIND: u8 = 6;
}

impl Wire for ShardRow {
    const KIND: u8 = 7;
}

impl Wire for Message {
    const KIND: u8 = 8;
}

/// Appends the bytes of a value, at most [`Wire::BYTES_MAX`].
pub fn encode<T: Wire>(value: &T, out: &mut Vec<u8>) {
    let begin = out.len();
    out.extend([FORM, T::KIND]);
    value.put(out);
    let check = crc32c(out.get(begin..).unwrap_or_default());
    out.extend(check.to_le_bytes());
}

/// The value of these bytes.
/// # Errors  [`Malformed`] if they are not exactly what [`encode`] makes of a value of this type.
pub fn decode<T: Wire>(bytes: &[u8]) -> Result<T, Malformed> {
    if bytes.len() > T::BYTES_MAX {
        return Err(Malformed);
    }
    let (checked, check) = bytes.split_last_chunk::<CHECK_BYTES>().ok_or(Malformed)?;
    if crc32c(checked) != u32::from_le_bytes(*check) {
        return Err(Malformed);
    }
    let mut input = Input::of(checked);
    if input.take()? != [FORM, T::KIND] {
        return Err(Malformed);
    }
    let value = T::parse(&mut input)?;
    if input.is_empty() { Ok(value) } else { Err(Malformed) }
}
