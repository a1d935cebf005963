//! SHA-256 digests that say what they are digests of.

use core::fmt;
use core::str::FromStr;

use sha2::{Digest as _, Sha256};

/// What a digest is taken over. Two domains never share a preimage.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Domain {
    /// A module's bytes. The one domain without a prefix, so that `sha256sum task.wasm` agrees.
    Module,
    /// A promise document.
    Promise,
    /// A receipt together with its blinding salt.
    Receipt,
    /// A set of access rules.
    Rules,
    /// A node's configuration.
    Config,
    /// A node's public keys and evidence.
    Node,
    /// What a request asked for.
    Request,
    /// A client's idempotency key within its own session.
    Session,
    /// Proof that a key was destroyed.
    Shred,
    /// What a ledger keeps for itself: names of receipts and checks of records.
    Ledger,
    /// Which keys belong to one node.
    Evidence,
}

impl Domain {
    fn prefix(self) -> &'static [u8] {
        match self {
            Domain::Module => b"",
            Domain::Promise => b"notrace/v1/promise\0",
            Domain::Receipt => b"notrace/v1/receipt\0",
            Domain::Rules => b"notrace/v1/rules\0",
            Domain::Config => b"notrace/v1/config\0",
            Domain::Node => b"notrace/v1/node\0",
            Domain::Request => b"notrace/v1/request\0",
            Domain::Session => b"notrace/v1/session\0",
            Domain::Shred => b"notrace/v1/shred\0",
            Domain::Ledger => b"notrace/v1/ledger\0",
            Domain::Evidence => b"notrace/v1/evidence\0",
        }
    }
}

/// A SHA-256 digest. Prints as `sha256:` and 64 hexadecimal digits.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Digest([u8; 32]);

impl Digest {
    /// The digest of `bytes` in `domain`.
    pub fn of(domain: Domain, bytes: &[u8]) -> Self {
        Self::of_parts(domain, &[bytes])
    }

    /// The digest of the parts one after another. The parts' borders are not part of the digest:
    /// callers whose parts vary in length put the lengths in.
    pub fn of_parts(domain: Domain, parts: &[&[u8]]) -> Self {
        let mut hash = Sha256::new();
        hash.update(domain.prefix());
        for part in parts {
            hash.update(part);
        }
        Self(hash.finalize().into())
    }

    /// A digest received from elsewhere, such as a stored record or a proof.
    pub const fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// The 32 bytes.
    pub const fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("sha256:")?;
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// Why a text is not a digest.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[error("a digest is `sha256:` and 64 lower-case hexadecimal digits")]
pub struct NotADigest;

impl FromStr for Digest {
    type Err = NotADigest;

    /// Accepts exactly the form that [`Display`](fmt::Display) prints.
    fn from_str(text: &str) -> Result<Self, NotADigest> {
        let digits = text.strip_prefix("sha256:").ok_or(NotADigest)?.as_bytes();
        if digits.len() != 64 {
            return Err(NotADigest);
        }
        let mut bytes = [0; 32];
        for (byte, pair) in bytes.iter_mut().zip(digits.chunks_exact(2)) {
            for &digit in pair {
                *byte = *byte << 4 | nibble(digit).ok_or(NotADigest)?;
            }
        }
        Ok(Self(bytes))
    }
}

fn nibble(digit: u8) -> Option<u8> {
    match digit {
        b'0'..=b'9' => Some(digit - b'0'),
        b'a'..=b'f' => Some(digit - b'a' + 10),
        _ => None,
    }
}

#[cfg(test)]
mod a_digest {
    use super::*;

    #[test]
    fn of_a_module_is_what_sha256sum_prints() {
        let text = Digest::of(Domain::Module, b"abc").to_string();
        assert_eq!(text, "sha256:ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
        assert_eq!(text.parse(), Ok(Digest::of(Domain::Module, b"abc")));
    }

    #[test]
    fn differs_between_domains() {
        assert_ne!(Digest::of(Domain::Promise, b"abc"), Digest::of(Domain::Receipt, b"abc"));
    }

    #[test]
    fn refuses_every_other_spelling() {
        let good = Digest::of(Domain::Module, b"abc").to_string();
        for bad in [
            good.to_uppercase(),
            good[..good.len() - 1].to_owned(),
            format!("{good}0"),
            good.replace("sha256:", ""),
            good.replace("ba", "bg"),
        ] {
            assert_eq!(bad.parse::<Digest>(), Err(NotADigest));
        }
    }
}
