//! The key that requests are sealed to, as a node announces it: signed text, one fact a line.
//!
//! The signature is of the key that signs the node's ledger and its promise, which clients have
//! from their credentials. The text's first line is no log's origin and no promise's, so that no
//! signature of one document is good for another.

use core::fmt::{self, Write as _};
use core::str::FromStr;

use notrace_policy_promise::digest::Digest;
use notrace_policy_promise::note::{self, NotSigned, NoteSigner, VerifierKey};
use ring::digest;

use crate::hpke;

const FIRST_LINE: &str = "notrace/request-key@v1";
const BYTES: usize = 8;

/// Which request key: the beginning of its digest, so that no two keys of any nodes share one, and
/// a node that starts anew has another. Prints as 16 hexadecimal digits.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct KeyEpoch([u8; BYTES]);

/// A node's request key, as it announces it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct RequestKey {
    /// The X25519 public key.
    pub public: [u8; 32],
    /// When it was made, in Unix seconds by the node's clock.
    pub from_unix_s: u64,
    /// Until when the node takes requests sealed to it.
    pub until_unix_s: u64,
    /// The promise under which runs take place.
    pub promise: Digest,
}

/// Why an announcement is not to be believed.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum NotARequestKey {
    /// Not in the one form an announcement has.
    #[error("this is not a request key of version 1 in its canonical form")]
    Form,
    /// Its signature is missing or wrong.
    #[error(transparent)]
    NotSigned(NotSigned),
    /// Its time is over.
    #[error("the request key is over, or this machine's clock is wrong")]
    Over,
}

impl KeyEpoch {
    /// The epoch of this public key.
    #[must_use]
    pub fn of(public: &[u8; 32]) -> Self {
        let said = [b"notrace/v1/request-key\0".as_slice(), public].concat();
        let digest = digest::digest(&digest::SHA256, &said);
        Self(digest.as_ref().first_chunk().copied().unwrap_or_default())
    }

    pub(crate) const fn from_bytes(bytes: [u8; BYTES]) -> Self {
        Self(bytes)
    }

    pub(crate) const fn as_bytes(&self) -> &[u8; BYTES] {
        &self.0
    }
}

impl fmt::Display for KeyEpoch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        hex(f, &self.0)
    }
}

/// The public key of a secret one, which the caller drew at random.
#[must_use]
pub fn public_key(secret: &[u8; 32]) -> [u8; 32] {
    hpke::public(secret)
}

impl RequestKey {
    /// Which key this is.
    #[must_use]
    pub fn epoch(&self) -> KeyEpoch {
        KeyEpoch::of(&self.public)
    }

    /// The announcement as a signed note.
    /// # Errors  [`NotARequestKey::Form`] for a key that is over before it begins.
    pub fn sign(&self, signer: &NoteSigner) -> Result<String, NotARequestKey> {
        let text = self.text();
        Self::parse(&text)?;
        signer.sign(&text).map_err(NotARequestKey::NotSigned)
    }

    /// The key in a signed note, if one of `keys` signed it and it was not over this long before
    /// `now_unix_s`, in seconds.
    /// # Errors  [`NotARequestKey`]
    pub fn open(
        note: &str,
        keys: &[VerifierKey],
        now_unix_s: u64,
        clocks_apart_s: u64,
    ) -> Result<Self, NotARequestKey> {
        let opened = note::open(note, keys).map_err(NotARequestKey::NotSigned)?;
        let key = Self::parse(&opened.text)?;
        let over = now_unix_s.saturating_sub(clocks_apart_s) >= key.until_unix_s;
        if over { Err(NotARequestKey::Over) } else { Ok(key) }
    }

    fn text(&self) -> String {
        let mut text = format!("{FIRST_LINE}\nkey ");
        // A string takes every character; there is nothing that could fail.
        let _ = write!(text, "{}", Hex(&self.public));
        let Self { from_unix_s, until_unix_s, promise, .. } = self;
        let _ = write!(text, "\nvalid {from_unix_s} {until_unix_s}\npromise {promise}\n");
        text
    }

    fn parse(text: &str) -> Result<Self, NotARequestKey> {
        let key = Self::read(text).ok_or(NotARequestKey::Form)?;
        // Whatever the lines let through, only the canonical spelling passes here.
        let fits = key.text() == text && key.from_unix_s < key.until_unix_s;
        fits.then_some(key).ok_or(NotARequestKey::Form)
    }

    fn read(text: &str) -> Option<Self> {
        let mut lines = text.split('\n');
        (lines.next() == Some(FIRST_LINE)).then_some(())?;
        let mut field = |word: &str| lines.next()?.strip_prefix(word)?.strip_prefix(' ');
        let public = from_hex(field("key")?)?;
        let (from, until) = field("valid")?.split_once(' ')?;
        Some(Self {
            public,
            from_unix_s: u64::from_str(from).ok()?,
            until_unix_s: u64::from_str(until).ok()?,
            promise: field("promise")?.parse().ok()?,
        })
    }
}

struct Hex<'a>(&'a [u8]);

impl fmt::Display for Hex<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        hex(f, self.0)
    }
}

fn hex(f: &mut fmt::Formatter<'_>, bytes: &[u8]) -> fmt::Result {
    bytes.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
}

fn from_hex(text: &str) -> Option<[u8; 32]> {
    if text.len() != 64 || !text.is_ascii() {
        return None;
    }
    let mut bytes = [0; 32];
    for (at, byte) in bytes.iter_mut().enumerate() {
        *byte = u8::from_str_radix(text.get(2 * at..2 * at + 2)?, 16).ok()?;
    }
    Some(bytes)
}

#[cfg(test)]
mod an_announced_key {
    use super::*;
    use notrace_policy_promise::digest::Domain;

    const DAY: u64 = 24 * 60 * 60;

    fn key() -> RequestKey {
        RequestKey {
            public: public_key(&[7; 32]),
            from_unix_s: 1_795_305_600,
            until_unix_s: 1_795_306_800,
            promise: Digest::of(Domain::Promise, b"p"),
        }
    }

    fn signer(seed: u8) -> NoteSigner {
        NoteSigner::new("log.example", &[seed; 32]).unwrap()
    }

    fn open(note: &str, seed: u8, now: u64) -> Result<RequestKey, NotARequestKey> {
        RequestKey::open(note, &[signer(seed).public().clone()], now, DAY)
    }

    #[test]
    fn opens_under_the_key_that_signed_it_and_no_other() {
        let note = key().sign(&signer(1)).unwrap();
        let now = key().from_unix_s;
        assert_eq!(open(&note, 1, now), Ok(key()));
        let unknown = NotARequestKey::NotSigned(NotSigned::Unknown);
        assert_eq!(open(&note, 2, now), Err(unknown));
        let other = note.replace("valid 1", "valid 2");
        assert_eq!(open(&other, 1, now), Err(NotARequestKey::NotSigned(NotSigned::Forged)));
    }

    #[test]
    fn is_not_believed_once_it_is_over_on_any_clock() {
        let note = key().sign(&signer(1)).unwrap();
        let until = key().until_unix_s;
        assert_eq!(open(&note, 1, 0), Ok(key()));
        assert_eq!(open(&note, 1, until + DAY - 1), Ok(key()));
        assert_eq!(open(&note, 1, until + DAY), Err(NotARequestKey::Over));
    }

    #[test]
    fn has_one_spelling() {
        let text = key().text();
        assert_eq!(RequestKey::parse(&text), Ok(key()));
        for bad in [
            String::new(),
            text.replace("@v1", "@v2"),
            text.replace("key ", "key  "),
            text.replace("valid 1", "valid 01"),
            text.replace("valid 1", "valid +1"),
            text.replace("valid 1795305600", "valid 1795306800"),
            text.replace("sha256:", "sha256:0"),
            text.to_uppercase(),
            text.replace('\n', "\r\n"),
            text.trim_end().to_owned(),
            format!("{text}more\n"),
        ] {
            assert_eq!(RequestKey::parse(&bad), Err(NotARequestKey::Form), "{bad}");
        }
        let never = RequestKey { until_unix_s: 0, ..key() };
        assert!(never.sign(&signer(1)).is_err());
    }

    #[test]
    fn is_known_by_its_digest() {
        assert_eq!(key().epoch(), KeyEpoch::of(&key().public));
        assert_ne!(key().epoch(), KeyEpoch::of(&public_key(&[8; 32])));
        assert_eq!(key().epoch().to_string().len(), 16);
    }
}
