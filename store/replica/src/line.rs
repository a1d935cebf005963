//! The starts of a shard's epochs, as they stand in its log: each as a record with number 0 in its
//! view, and all that came before a checkpoint at the front of its state.

use notrace_store_protocol::ids::{SeqNum, Version, ViewId};
use notrace_store_protocol::limits::LINE_MAX;
use notrace_store_protocol::machine::{Malformed, Place};
use notrace_store_protocol::message::Start;
use notrace_store_protocol::time::Hlc;

const START_BYTES: usize = 12;
/// At the front of a checkpoint: how many starts follow.
pub(crate) const COUNT_BYTES: usize = 2;

/// How long the front of a checkpoint is that begins so.
pub(crate) fn front_bytes(count: [u8; COUNT_BYTES]) -> usize {
    COUNT_BYTES + usize::from(u16::from_le_bytes(count)) * START_BYTES
}

/// Where the record of a start stands.
pub(crate) fn place(start: &Start) -> Place {
    Place { version: Version::new(start.since, SeqNum::ZERO), time: Hlc::ZERO }
}

/// What it says.
pub(crate) fn payload(start: &Start) -> [u8; 8] {
    start.through.to_wire().to_le_bytes()
}

/// The start that a record tells of.
pub(crate) fn start(place: Place, payload: &[u8]) -> Result<Start, Malformed> {
    let through = u64::from_le_bytes(payload.try_into().map_err(|_| Malformed)?);
    Ok(Start { since: place.version.view(), through: Version::from_wire(through) })
}

/// All starts, for the front of a checkpoint.
pub(crate) fn encode(line: &[Start]) -> Vec<u8> {
    let mut bytes = (line.len() as u16).to_le_bytes().to_vec();
    for start in line {
        bytes.extend_from_slice(&start.since.number().to_le_bytes());
        bytes.extend_from_slice(&start.through.to_wire().to_le_bytes());
    }
    bytes
}

/// The starts at the front of a checkpoint, and the state behind them.
pub(crate) fn decode(bytes: &[u8]) -> Result<(Vec<Start>, &[u8]), Malformed> {
    let (count, rest) = bytes.split_first_chunk().ok_or(Malformed)?;
    let count = usize::from(u16::from_le_bytes(*count));
    if count > LINE_MAX {
        return Err(Malformed);
    }
    let (starts, state) = rest.split_at_checked(count * START_BYTES).ok_or(Malformed)?;
    let start = |bytes: &[u8]| {
        let (since, through) = bytes.split_first_chunk()?;
        let since = ViewId::new(u32::from_le_bytes(*since))?;
        let through = u64::from_le_bytes(*through.first_chunk()?);
        Some(Start { since, through: Version::from_wire(through) })
    };
    let line: Option<Vec<Start>> = starts.chunks(START_BYTES).map(start).collect();
    line.map(|line| (line, state)).ok_or(Malformed)
}
