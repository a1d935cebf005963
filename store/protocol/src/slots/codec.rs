//! The bytes of a slot table and of a fence, for the snapshots that they are part of.
//!
//! All numbers are little-endian; equal values have equal bytes. A table: the form (1 byte), the
//! count of shards (2); runs of slots with the same owner and epoch until all are covered, each its
//! length, owner and epoch (2, 2, 4); the count of slots that have more to say (2), and for each,
//! ascending, its number (2), what it says (1), and then where it moves (2), where it is sealed
//! (8), where it came from and at what version (2 and 8). A fence: the form (1), the count of slots
//! (2), and for each, ascending, its number, epoch and gate (2, 4, 1), and the version of a seal
//! (8).

use std::collections::BTreeMap;

use super::fence::{Fence, Gate, Stand};
use super::{Ended, Entry, Moving, SLOTS, Slot, SlotEpoch, SlotTable};
use crate::ids::{ShardId, Version};
use crate::limits::SHARDS_MAX;
use crate::machine::Malformed;

const FORM: u8 = 1;

const MOVING: u8 = 1;
const SEALED: u8 = 2;
const MOVED: u8 = 4;
const ABORTED: u8 = 8;

const GATE_ADOPTED: u8 = 0;
const GATE_OPEN: u8 = 1;
const GATE_SEALED: u8 = 2;

impl SlotTable {
    /// The table as bytes: 13 if there is one shard, and less than 125 KiB whatever moved.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let mut out = vec![FORM];
        out.extend(self.shards.to_le_bytes());
        let alike =
            |one: &Entry, other: &Entry| one.owner == other.owner && one.epoch == other.epoch;
        for run in self.entries.chunk_by(alike) {
            let Some(first) = run.first() else { continue };
            out.extend((run.len() as u16).to_le_bytes());
            out.extend(first.owner.0.to_le_bytes());
            out.extend(first.epoch.0.to_le_bytes());
        }
        let says = |entry: &Entry| entry.moving.is_some() || entry.ended.is_some();
        let count = self.entries.iter().filter(|entry| says(entry)).count();
        out.extend((count as u16).to_le_bytes());
        for (entry, number) in self.entries.iter().zip(0_u16..).filter(|(entry, _)| says(entry)) {
            out.extend(number.to_le_bytes());
            put(entry, &mut out);
        }
        out
    }

    /// The table of these bytes.
    /// # Errors  [`Malformed`] if they are not what [`SlotTable::encode`] makes.
    pub fn decode(bytes: &[u8]) -> Result<Self, Malformed> {
        let mut rest = bytes;
        let [form] = take(&mut rest)?;
        let shards = u16::from_le_bytes(take(&mut rest)?);
        if form != FORM || shards == 0 || usize::from(shards) > SHARDS_MAX {
            return Err(Malformed);
        }
        let mut entries: Vec<Entry> = Vec::with_capacity(SLOTS.into());
        while entries.len() < SLOTS.into() {
            let length = usize::from(u16::from_le_bytes(take(&mut rest)?));
            let owner = ShardId(u16::from_le_bytes(take(&mut rest)?));
            let epoch = epoch(&mut rest)?;
            let longer = |last: &Entry| last.owner == owner && last.epoch == epoch;
            let fits = length > 0 && entries.len() + length <= SLOTS.into();
            if !fits || owner.0 >= shards || entries.last().is_some_and(longer) {
                return Err(Malformed);
            }
            let entry = Entry { owner, epoch, moving: None, ended: None };
            entries.extend(std::iter::repeat_n(entry, length));
        }
        let mut above = None;
        for _ in 0..u16::from_le_bytes(take(&mut rest)?) {
            let number = Some(u16::from_le_bytes(take(&mut rest)?)).filter(|it| above < Some(*it));
            let entry = number.and_then(|it| entries.get_mut(usize::from(it))).ok_or(Malformed)?;
            fill(entry, shards, &mut rest)?;
            above = number;
        }
        // Every epoch but the first was brought about by something.
        let sound = |entry: &Entry| entry.ended.is_none() == (entry.epoch == SlotEpoch::FIRST);
        let whole = rest.is_empty() && entries.iter().all(sound);
        if whole { Ok(Self { shards, entries }) } else { Err(Malformed) }
    }
}

/// What a slot has to say beside its owner and epoch.
fn put(entry: &Entry, out: &mut Vec<u8>) {
    let moving = match entry.moving {
        None => 0,
        Some(Moving { sealed: None, .. }) => MOVING,
        Some(Moving { sealed: Some(_), .. }) => MOVING | SEALED,
    };
    let ended = match entry.ended {
        None => 0,
        Some(Ended::Moved { .. }) => MOVED,
        Some(Ended::Aborted) => ABORTED,
    };
    out.push(moving | ended);
    if let Some(Moving { to, sealed }) = entry.moving {
        out.extend(to.0.to_le_bytes());
        if let Some(at) = sealed {
            out.extend(at.to_wire().to_le_bytes());
        }
    }
    if let Some(Ended::Moved { from, at }) = entry.ended {
        out.extend(from.0.to_le_bytes());
        out.extend(at.to_wire().to_le_bytes());
    }
}

fn fill(entry: &mut Entry, shards: u16, rest: &mut &[u8]) -> Result<(), Malformed> {
    let owner = entry.owner;
    let other = |rest: &mut &[u8]| {
        let shard = ShardId(u16::from_le_bytes(take(rest)?));
        if shard.0 < shards && shard != owner { Ok(shard) } else { Err(Malformed) }
    };
    let [says] = take(rest)?;
    entry.moving = match says & (MOVING | SEALED) {
        0 => None,
        MOVING => Some(Moving { to: other(rest)?, sealed: None }),
        SEALED => return Err(Malformed),
        _ => Some(Moving { to: other(rest)?, sealed: Some(version(rest)?) }),
    };
    entry.ended = match says & !(MOVING | SEALED) {
        0 => None,
        MOVED => Some(Ended::Moved { from: other(rest)?, at: version(rest)? }),
        ABORTED => Some(Ended::Aborted),
        _ => return Err(Malformed),
    };
    let endless = entry.moving.is_some() && entry.epoch.next().is_none();
    if says == 0 || endless { Err(Malformed) } else { Ok(()) }
}

impl Fence {
    /// The fence as bytes, 15 for a slot at most.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let mut out = vec![FORM];
        out.extend((self.stands.len() as u16).to_le_bytes());
        for (slot, stand) in &self.stands {
            out.extend(slot.0.to_le_bytes());
            out.extend(stand.epoch.0.to_le_bytes());
            match stand.gate {
                Gate::Adopted => out.push(GATE_ADOPTED),
                Gate::Open => out.push(GATE_OPEN),
                Gate::Sealed(at) => {
                    out.push(GATE_SEALED);
                    out.extend(at.to_wire().to_le_bytes());
                }
            }
        }
        out
    }

    /// The fence of these bytes.
    /// # Errors  [`Malformed`] if they are not what [`Fence::encode`] makes.
    pub fn decode(bytes: &[u8]) -> Result<Self, Malformed> {
        let mut rest = bytes;
        let [form] = take(&mut rest)?;
        if form != FORM {
            return Err(Malformed);
        }
        let mut stands = BTreeMap::new();
        for _ in 0..u16::from_le_bytes(take(&mut rest)?) {
            let slot = Slot::new(u16::from_le_bytes(take(&mut rest)?)).ok_or(Malformed)?;
            let epoch = epoch(&mut rest)?;
            let [gate] = take(&mut rest)?;
            let gate = match gate {
                GATE_ADOPTED => Gate::Adopted,
                GATE_OPEN => Gate::Open,
                GATE_SEALED => Gate::Sealed(version(&mut rest)?),
                _ => return Err(Malformed),
            };
            if stands.last_key_value().is_some_and(|(last, _)| *last >= slot) {
                return Err(Malformed);
            }
            stands.insert(slot, Stand { epoch, gate });
        }
        if rest.is_empty() { Ok(Self { stands }) } else { Err(Malformed) }
    }
}

fn epoch(rest: &mut &[u8]) -> Result<SlotEpoch, Malformed> {
    let epoch = SlotEpoch(u32::from_le_bytes(take(rest)?));
    if epoch >= SlotEpoch::FIRST { Ok(epoch) } else { Err(Malformed) }
}

fn version(rest: &mut &[u8]) -> Result<Version, Malformed> {
    Ok(Version::from_wire(u64::from_le_bytes(take(rest)?)))
}

fn take<const BYTES: usize>(rest: &mut &[u8]) -> Result<[u8; BYTES], Malformed> {
    let (head, tail) = rest.split_first_chunk().ok_or(Malformed)?;
    *rest = tail;
    Ok(*head)
}
