//! One receipt as the ledger keeps it, and the id under which its client fetches it.

use std::fmt;
use std::str::FromStr;

use notrace_policy_promise::digest::{Digest, Domain};
use notrace_policy_promise::receipt::{self, Salt};

/// Bytes of a record in its file.
pub(super) const RECORD_BYTES: usize = 320;
/// Bytes of a receipt that fit a record.
pub(super) const RECEIPT_BYTES_MAX: usize = RECORD_BYTES - HEAD_BYTES - CHECK_BYTES;

const HEAD_BYTES: usize = 4 + 2 + 32;
const CHECK_BYTES: usize = 8;
const SECRET_BYTES: usize = 16;

/// Names a receipt to whoever got it with the answer. Its leaf's index, or in a group one that it
/// will not stand before, makes it findable without a table in memory; 16 bytes that follow from
/// the salt make it unguessable. Prints as 48 hexadecimal digits.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct ReceiptId {
    index: u64,
    secret: [u8; SECRET_BYTES],
}

/// The text names no receipt.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[error("a receipt's id is 48 lower-case hexadecimal digits")]
pub struct NotAnId;

impl ReceiptId {
    pub(super) fn new(index: u64, salt: &Salt) -> Self {
        let digest = Digest::of_parts(Domain::Ledger, &[b"id\0", salt]);
        let mut secret = [0; SECRET_BYTES];
        secret.iter_mut().zip(digest.as_bytes()).for_each(|(place, &byte)| *place = byte);
        Self { index, secret }
    }

    pub(super) fn index(&self) -> u64 {
        self.index
    }
}

impl fmt::Display for ReceiptId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}", self.index)?;
        self.secret.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl FromStr for ReceiptId {
    type Err = NotAnId;

    fn from_str(text: &str) -> Result<Self, NotAnId> {
        let (index, secret) = text.split_at_checked(16).ok_or(NotAnId)?;
        let index = u64::from_str_radix(index, 16).map_err(|_| NotAnId)?;
        let secret = (secret.len() == 32).then_some(secret).ok_or(NotAnId)?;
        let secret = u128::from_str_radix(secret, 16).map_err(|_| NotAnId)?.to_be_bytes();
        let id = Self { index, secret };
        (id.to_string() == text).then_some(id).ok_or(NotAnId)
    }
}

/// A receipt, its salt, and the minute in which it was appended.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct Record {
    pub(super) minute: u32,
    pub(super) salt: Salt,
    pub(super) receipt: Box<[u8]>,
}

impl Record {
    /// What enters the public log.
    pub(super) fn entry(&self) -> [u8; 32] {
        receipt::entry(&self.salt, &self.receipt)
    }

    pub(super) fn id(&self, index: u64) -> ReceiptId {
        ReceiptId::new(index, &self.salt)
    }

    /// Whether this is the record of an id, wherever it came to stand.
    pub(super) fn has(&self, id: &ReceiptId) -> bool {
        self.id(id.index) == *id
    }

    /// The record as bytes of fixed length. The check covers the index, so that a record is only
    /// valid in its own place.
    pub(super) fn encode(&self, index: u64) -> [u8; RECORD_BYTES] {
        let head = self.minute.to_be_bytes();
        let length = (self.receipt.len() as u16).to_be_bytes();
        let parts = [head.as_slice(), &length, &self.salt, &self.receipt];
        let mut bytes = [0; RECORD_BYTES];
        bytes.iter_mut().zip(parts.iter().copied().flatten()).for_each(|(to, &from)| *to = from);
        let check = check(index, &bytes);
        let (_, last) = bytes.split_at_mut(RECORD_BYTES - CHECK_BYTES);
        last.copy_from_slice(&check);
        bytes
    }

    /// The record that was encoded for this index; none if the bytes were torn.
    pub(super) fn decode(index: u64, bytes: &[u8; RECORD_BYTES]) -> Option<Self> {
        if bytes.last_chunk() != Some(&check(index, bytes)) {
            return None;
        }
        let (minute, rest) = bytes.split_first_chunk()?;
        let (length, rest) = rest.split_first_chunk()?;
        let (salt, rest) = rest.split_first_chunk()?;
        let length = usize::from(u16::from_be_bytes(*length));
        let receipt = rest.get(..length).filter(|_| length <= RECEIPT_BYTES_MAX)?;
        Some(Self { minute: u32::from_be_bytes(*minute), salt: *salt, receipt: receipt.into() })
    }
}

fn check(index: u64, bytes: &[u8; RECORD_BYTES]) -> [u8; CHECK_BYTES] {
    let (body, _) = bytes.split_at(RECORD_BYTES - CHECK_BYTES);
    let digest = Digest::of_parts(Domain::Ledger, &[b"record\0", &index.to_be_bytes(), body]);
    let mut check = [0; CHECK_BYTES];
    check.iter_mut().zip(digest.as_bytes()).for_each(|(place, &byte)| *place = byte);
    check
}

#[cfg(test)]
mod a_record {
    use super::*;

    fn record() -> Record {
        Record { minute: 7, salt: [9; 32], receipt: vec![1; 232].into() }
    }

    #[test]
    fn comes_back_in_its_own_place_only() {
        let bytes = record().encode(12);
        assert!(Record::decode(12, &bytes) == Some(record()));
        assert!(Record::decode(13, &bytes).is_none());
    }

    #[test]
    fn torn_anywhere_is_none() {
        for place in 0..RECORD_BYTES {
            let mut bytes = record().encode(12);
            bytes[place] ^= 1;
            assert!(Record::decode(12, &bytes).is_none(), "{place}");
        }
        assert!(Record::decode(0, &[0; RECORD_BYTES]).is_none());
    }

    #[test]
    fn id_prints_as_it_parses_and_tells_salts_apart() {
        let id = record().id(12);
        let text = id.to_string();
        assert!(text.starts_with("000000000000000c") && text.len() == 48);
        assert_eq!(text.parse(), Ok(id));
        assert_ne!(ReceiptId::new(12, &[8; 32]), id);
        for bad in [text.to_uppercase(), text[1..].to_owned(), format!("{text}0"), "é".repeat(24)]
        {
            assert_eq!(bad.parse::<ReceiptId>(), Err(NotAnId));
        }
    }
}
