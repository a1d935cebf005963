//! The bytes of a session table, for the snapshot of the machine that embeds it.
//!
//! All numbers are little-endian. The form (1 byte), the terms (4 and 8), the count of sessions
//! (4); then each session, ascending: its identity (16), when it was last used (8), its highest
//! number (8), which numbers up to that were applied (8), and for each of those its version and
//! time (8 and 8), by descending number. Equal tables have equal bytes.

use super::{Record, SESSIONS_MAX, SessionId, Sessions, Terms};
use crate::ids::Version;
use crate::machine::{Malformed, Place};
use crate::time::Hlc;

const FORM: u8 = 1;
const HEAD_BYTES: usize = 1 + 4 + 8 + 4;
const RECORD_BYTES: usize = 16 + 8 + 8 + 8;
const PLACE_BYTES: usize = 8 + 8;

impl Sessions {
    /// The table as bytes.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let places: usize = self.records.values().map(|record| record.places().len()).sum();
        let bytes = HEAD_BYTES + self.records.len() * RECORD_BYTES + places * PLACE_BYTES;
        let mut out = Vec::with_capacity(bytes);
        out.push(FORM);
        out.extend(self.terms.sessions_max.to_le_bytes());
        out.extend(self.terms.lease_micros.to_le_bytes());
        out.extend((self.records.len() as u32).to_le_bytes());
        for (id, record) in &self.records {
            out.extend(id.to_wire().to_le_bytes());
            out.extend(record.used().to_wire().to_le_bytes());
            out.extend(record.top().to_le_bytes());
            out.extend(record.applied().to_le_bytes());
            for place in record.places() {
                out.extend(place.version.to_wire().to_le_bytes());
                out.extend(place.time.to_wire().to_le_bytes());
            }
        }
        out
    }

    /// The table of these bytes. Takes no more memory than a few times theirs.
    /// # Errors  [`Malformed`] if they are not what [`Sessions::encode`] makes.
    pub fn decode(bytes: &[u8]) -> Result<Self, Malformed> {
        let mut rest = bytes;
        let [form] = take(&mut rest)?;
        let sessions_max = u32::from_le_bytes(take(&mut rest)?);
        let lease_micros = u64::from_le_bytes(take(&mut rest)?);
        let count = u32::from_le_bytes(take(&mut rest)?);
        if form != FORM || count > sessions_max.min(SESSIONS_MAX) {
            return Err(Malformed);
        }
        let mut sessions = Self::new(Terms { sessions_max, lease_micros });
        for _ in 0..count {
            let id = SessionId::from_wire(u128::from_le_bytes(take(&mut rest)?));
            let record = record(id, &mut rest)?;
            if sessions.records.last_key_value().is_some_and(|(last, _)| *last >= id) {
                return Err(Malformed);
            }
            sessions.by_use.insert((record.used(), id));
            sessions.records.insert(id, record);
        }
        if rest.is_empty() { Ok(sessions) } else { Err(Malformed) }
    }
}

fn record(id: SessionId, rest: &mut &[u8]) -> Result<Record, Malformed> {
    let used = Hlc::from_wire(u64::from_le_bytes(take(rest)?));
    let top = u64::from_le_bytes(take(rest)?);
    let applied = u64::from_le_bytes(take(rest)?);
    let place = |rest: &mut &[u8]| {
        let version = Version::from_wire(u64::from_le_bytes(take(rest)?));
        let time = Hlc::from_wire(u64::from_le_bytes(take(rest)?));
        // The command that opens a session may carry its first request.
        if version < id.opened() { Err(Malformed) } else { Ok(Place { version, time }) }
    };
    let places = (0..applied.count_ones()).map(|_| place(rest)).collect::<Result<_, _>>()?;
    Record::restored(used, top, applied, places).ok_or(Malformed)
}

fn take<const BYTES: usize>(rest: &mut &[u8]) -> Result<[u8; BYTES], Malformed> {
    let (head, tail) = rest.split_first_chunk().ok_or(Malformed)?;
    *rest = tail;
    Ok(*head)
}
