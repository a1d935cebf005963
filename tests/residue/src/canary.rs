//! Canaries, and the forms one may take on its way through a system.

use aho_corasick::AhoCorasick;
use anyhow::Result;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

/// How many bytes of a form are enough to call it found. Eight random bytes do not come up by
/// chance in any memory there is.
const FRAGMENT_BYTES: usize = 8;

/// A form in which a canary can be found.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Form {
    /// Any eight of its bytes in a row.
    Raw,
    /// The same in hexadecimal, of either case.
    Hex,
    /// The same in base64, at any of the three phases.
    Base64,
    /// Any eight of its characters in a row as UTF-16, little-endian.
    Utf16,
}

/// 64 random printable characters and the search for them.
pub struct Canary {
    text: String,
    search: AhoCorasick,
    forms: Vec<Form>,
}

impl Canary {
    /// The canary that these random bytes make, six bits to a character.
    ///
    /// # Errors  The search cannot be built.
    pub fn of(random: [u8; 64]) -> Result<Self> {
        const LETTERS: &[u8; 64] =
            b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
        let letter = |byte: u8| LETTERS.get(usize::from(byte % 64)).copied().unwrap_or(b'A');
        let text: String = random.into_iter().map(|byte| char::from(letter(byte))).collect();
        let (mut needles, mut forms) = (Vec::new(), Vec::new());
        let mut add = |form: Form, needle: Vec<u8>| {
            needles.push(needle);
            forms.push(form);
        };
        for window in text.as_bytes().windows(FRAGMENT_BYTES) {
            add(Form::Raw, window.to_vec());
            add(Form::Hex, hex(window, b"0123456789abcdef"));
            add(Form::Hex, hex(window, b"0123456789ABCDEF"));
            add(Form::Utf16, window.iter().flat_map(|byte| [*byte, 0]).collect());
        }
        for phase in 0..3 {
            let shifted = [vec![0; phase], text.as_bytes().to_vec()].concat();
            let encoded = STANDARD.encode(shifted).into_bytes();
            // The first and last groups depend on the neighbours; those between do not.
            let inner = encoded.get(4..encoded.len() - 4).unwrap_or_default();
            inner.windows(12).for_each(|window| add(Form::Base64, window.to_vec()));
        }
        Ok(Self { text, search: AhoCorasick::new(needles)?, forms })
    }

    /// The canary itself.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// The forms found in `bytes`, each with how often.
    pub fn found_in(&self, bytes: &[u8]) -> Vec<(Form, usize)> {
        let mut counts: Vec<(Form, usize)> = Vec::new();
        for found in self.search.find_overlapping_iter(bytes) {
            let Some(form) = self.forms.get(found.pattern().as_usize()).copied() else { continue };
            match counts.iter_mut().find(|(known, _)| *known == form) {
                Some((_, count)) => *count += 1,
                None => counts.push((form, 1)),
            }
        }
        counts
    }

    /// How many bytes of one piece must be searched again with the next, so that nothing falls
    /// between two.
    pub const OVERLAP_BYTES: usize = FRAGMENT_BYTES * 2;
}

fn hex(bytes: &[u8], digits: &[u8; 16]) -> Vec<u8> {
    let digit = |value: u8| digits.get(usize::from(value)).copied().unwrap_or(b'0');
    bytes.iter().flat_map(|byte| [digit(byte >> 4), digit(byte & 15)]).collect()
}

#[cfg(test)]
mod a_canary {
    use super::*;

    fn forms_in(bytes: &[u8]) -> Vec<Form> {
        let canary =
            Canary::of(core::array::from_fn(|index| (index as u8).wrapping_mul(37))).unwrap();
        canary.found_in(bytes).into_iter().map(|(form, _)| form).collect()
    }

    fn text() -> String {
        Canary::of(core::array::from_fn(|index| (index as u8).wrapping_mul(37))).unwrap().text
    }

    #[test]
    fn is_found_in_each_of_its_forms() {
        let text = text();
        assert_eq!(forms_in(text.as_bytes()), [Form::Raw]);
        assert_eq!(forms_in(&text.as_bytes()[20..28]), [Form::Raw]);
        assert_eq!(forms_in(&hex(text.as_bytes(), b"0123456789abcdef")), [Form::Hex]);
        assert_eq!(forms_in(&hex(text.as_bytes(), b"0123456789ABCDEF")), [Form::Hex]);
        for prefix in ["", "x", "xy"] {
            assert_eq!(
                forms_in(STANDARD.encode(format!("{prefix}{text}")).as_bytes()),
                [Form::Base64]
            );
        }
        let wide: Vec<u8> = text.encode_utf16().flat_map(u16::to_le_bytes).collect();
        assert_eq!(forms_in(&wide), [Form::Utf16]);
    }

    #[test]
    fn is_not_found_where_it_is_not() {
        assert_eq!(forms_in(&vec![b'A'; 100_000]), []);
        assert_eq!(forms_in(&text().as_bytes()[20..27]), []);
    }
}
