//! The binary format, as far as making and changing modules needs it.

use wasmparser::{Parser, Payload};

/// Sections that are made here, by number.
pub(super) const TYPES: u8 = 1;
pub(super) const FUNCTIONS: u8 = 3;
pub(super) const TABLES: u8 = 4;
pub(super) const MEMORIES: u8 = 5;
pub(super) const GLOBALS: u8 = 6;
pub(super) const EXPORTS: u8 = 7;
pub(super) const ELEMENTS: u8 = 9;
pub(super) const CODE: u8 = 10;
pub(super) const DATA: u8 = 11;

/// The order of sections in a module, by number: data is counted before the code.
const ORDER: [u8; 14] =
    [TYPES, 2, FUNCTIONS, TABLES, MEMORIES, 13, GLOBALS, EXPORTS, 8, ELEMENTS, 12, CODE, DATA, 0];

/// A module as its sections.
#[derive(Default)]
pub(super) struct Sections(Vec<(u8, Vec<u8>)>);

impl Sections {
    /// The sections of a core module, without its notes.
    pub(super) fn of(module: &[u8]) -> Option<Self> {
        let mut sections = Vec::new();
        for payload in Parser::new(0).parse_all(module) {
            let payload = payload.ok()?;
            if matches!(payload, Payload::CustomSection(_)) {
                continue;
            }
            if let Some((number, range)) = payload.as_section() {
                sections.push((number, module.get(range)?.to_vec()));
            }
        }
        Some(Self(sections))
    }

    /// A section, empty if there is none.
    pub(super) fn get(&self, number: u8) -> &[u8] {
        self.0.iter().find(|(known, _)| *known == number).map_or(&[], |(_, bytes)| bytes)
    }

    /// Puts a section in the place of the one there is, or where it belongs.
    pub(super) fn put(&mut self, number: u8, bytes: Vec<u8>) {
        self.0.retain(|(known, _)| *known != number);
        let place = |number| ORDER.iter().position(|known| *known == number);
        let at = self.0.iter().position(|(known, _)| place(*known) > place(number));
        self.0.insert(at.unwrap_or(self.0.len()), (number, bytes));
    }

    /// Adds an entry to a section that is a list; its number there.
    pub(super) fn add(&mut self, number: u8, entry: &[u8]) -> u32 {
        let mut rest = self.get(number);
        let count = read(&mut rest).unwrap_or(0);
        let mut bytes = leb(u64::from(count) + 1);
        bytes.extend_from_slice(rest);
        bytes.extend_from_slice(entry);
        self.put(number, bytes);
        count
    }

    /// The module again.
    pub(super) fn module(&self) -> Vec<u8> {
        let mut module = b"\0asm\x01\0\0\0".to_vec();
        for (number, bytes) in &self.0 {
            module.push(*number);
            module.extend(leb(bytes.len() as u64));
            module.extend_from_slice(bytes);
        }
        module
    }
}

/// A number as the format writes it.
pub(super) fn leb(mut number: u64) -> Vec<u8> {
    let mut bytes = Vec::new();
    loop {
        let low = (number & 0x7f) as u8;
        number >>= 7;
        if number == 0 {
            bytes.push(low);
            return bytes;
        }
        bytes.push(low | 0x80);
    }
}

/// A signed number as the format writes it.
pub(super) fn signed(mut number: i64) -> Vec<u8> {
    let mut bytes = Vec::new();
    loop {
        let low = (number & 0x7f) as u8;
        number >>= 7;
        let ends = (number == 0 && low & 0x40 == 0) || (number == -1 && low & 0x40 != 0);
        bytes.push(if ends { low } else { low | 0x80 });
        if ends {
            return bytes;
        }
    }
}

/// Takes a number off the front of `bytes`.
pub(super) fn read(bytes: &mut &[u8]) -> Option<u32> {
    let mut number = 0;
    for shift in (0..35).step_by(7) {
        let (first, rest) = bytes.split_first()?;
        *bytes = rest;
        number |= u64::from(first & 0x7f) << shift;
        if first & 0x80 == 0 {
            return u32::try_from(number).ok();
        }
    }
    None
}

/// A list: its length and its entries.
pub(super) fn list<T: AsRef<[u8]>>(entries: impl IntoIterator<Item = T>) -> Vec<u8> {
    let (mut count, mut all) = (0, Vec::new());
    for entry in entries {
        count += 1;
        all.extend_from_slice(entry.as_ref());
    }
    let mut bytes = leb(count);
    bytes.append(&mut all);
    bytes
}

/// Bytes with their length before them.
pub(super) fn sized(bytes: &[u8]) -> Vec<u8> {
    let mut sized = leb(bytes.len() as u64);
    sized.extend_from_slice(bytes);
    sized
}
