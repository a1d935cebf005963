//! The spellings that bytes may take on their way through a system.
//!
//! A needle is what any eight bytes in a row of a canary look like in one spelling, so a piece of a
//! canary is found as surely as the whole.

use std::collections::HashSet;

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE};

/// How many bytes in a row are enough to call a canary found. Eight random bytes do not come up by
/// chance in any memory there is.
pub const FRAGMENT_BYTES: usize = 8;

/// How many letters of base64 stand for nearly as much: sixty bits.
const FRAGMENT_LETTERS: usize = 10;

/// A way in which bytes are written.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Spelling {
    /// As they are.
    Raw,
    /// Hexadecimal digits of either case, in one row or with something between each two.
    Hex,
    /// Base64 of either alphabet, at any of the three phases.
    Base64,
    /// Characters of two bytes, in either order.
    Utf16,
    /// `%41`, for all bytes or for those that a URL cannot hold.
    Percent,
    /// A string of JSON: characters beyond ASCII as UTF-8 or as `\u0041`.
    Json,
    /// `\x41`, as debuggers and `Debug` print bytes.
    Escaped,
    /// `65, 66`, as lists of numbers are printed.
    Decimal,
    /// Words of two, four or eight bytes, each the other way round.
    Swapped,
}

/// Every needle of `bytes`, none of them twice.
pub fn needles(bytes: &[u8]) -> Vec<(Spelling, Vec<u8>)> {
    let mut needles = Needles { seen: HashSet::new(), all: Vec::new() };
    for window in bytes.windows(FRAGMENT_BYTES) {
        needles.of_window(window);
    }
    needles.base64(bytes);
    for word in [2, 4, 8] {
        for phase in 0..word {
            let rest = bytes.get(phase..).unwrap_or_default().chunks_exact(word);
            let swapped: Vec<u8> = rest.flat_map(|word| word.iter().rev().copied()).collect();
            for window in swapped.windows(FRAGMENT_BYTES) {
                needles.add(Spelling::Swapped, window.to_vec());
            }
        }
    }
    needles.all
}

/// How long a needle can be: a window whose bytes all become `\u0041`.
pub const NEEDLE_BYTES_MAX: usize = FRAGMENT_BYTES * 6;

struct Needles {
    seen: HashSet<Vec<u8>>,
    all: Vec<(Spelling, Vec<u8>)>,
}

impl Needles {
    fn add(&mut self, spelling: Spelling, needle: Vec<u8>) {
        if self.seen.insert(needle.clone()) {
            self.all.push((spelling, needle));
        }
    }

    fn of_window(&mut self, window: &[u8]) {
        let each = |write: &dyn Fn(u8) -> String| -> Vec<u8> {
            window.iter().map(|byte| write(*byte)).collect::<String>().into_bytes()
        };
        self.add(Spelling::Raw, window.to_vec());
        self.add(Spelling::Hex, each(&|byte| format!("{byte:02x}")));
        self.add(Spelling::Hex, each(&|byte| format!("{byte:02X}")));
        self.add(Spelling::Utf16, window.iter().flat_map(|byte| [*byte, 0]).collect());
        self.add(Spelling::Utf16, window.iter().flat_map(|byte| [0, *byte]).collect());
        self.add(Spelling::Percent, each(&|byte| format!("%{byte:02X}")));
        self.add(Spelling::Percent, each(&|byte| format!("%{byte:02x}")));
        let kept = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~".contains(&byte);
        let where_needed = |byte: u8| match kept(byte) {
            true => char::from(byte).to_string(),
            false => format!("%{byte:02X}"),
        };
        self.add(Spelling::Percent, each(&where_needed));
        self.add(Spelling::Json, each(&json));
        self.add(Spelling::Json, each(&|byte| format!("\\u{byte:04x}")));
        self.add(Spelling::Json, each(&|byte| format!("\\u{byte:04X}")));
        self.add(Spelling::Escaped, window.escape_ascii().to_string().into_bytes());
        self.add(Spelling::Escaped, each(&|byte| format!("\\x{byte:02x}")));
        // As `Debug` prints lists of bytes, dumps print rows of them, and fingerprints are written.
        for between in [", ", " ", ":"] {
            let joined = |write: fn(&u8) -> String| -> Vec<u8> {
                window.iter().map(write).collect::<Vec<_>>().join(between).into_bytes()
            };
            self.add(Spelling::Hex, joined(|byte| format!("{byte:02x}")));
            self.add(Spelling::Hex, joined(|byte| format!("{byte:02X}")));
        }
        for between in [",", ", "] {
            let numbers: Vec<String> = window.iter().map(u8::to_string).collect();
            self.add(Spelling::Decimal, numbers.join(between).into_bytes());
        }
    }

    fn base64(&mut self, bytes: &[u8]) {
        for alphabet in [&STANDARD, &URL_SAFE] {
            for phase in 0..3 {
                let encoded = alphabet.encode([vec![0; phase], bytes.to_vec()].concat());
                let encoded = encoded.into_bytes();
                // The first and last groups depend on the neighbours; those between do not.
                let inner = encoded.get(4..encoded.len().saturating_sub(4)).unwrap_or_default();
                for window in inner.windows(FRAGMENT_LETTERS) {
                    self.add(Spelling::Base64, window.to_vec());
                }
            }
        }
    }
}

/// A byte as a character of a JSON string.
fn json(byte: u8) -> String {
    match byte {
        b'"' => "\\\"".to_owned(),
        b'\\' => "\\\\".to_owned(),
        b'\n' => "\\n".to_owned(),
        b'\r' => "\\r".to_owned(),
        b'\t' => "\\t".to_owned(),
        8 => "\\b".to_owned(),
        12 => "\\f".to_owned(),
        0..32 => format!("\\u{byte:04x}"),
        byte => char::from(byte).to_string(),
    }
}
