//! The statement: what a node's evidence binds together, as text that the ledger's key signs.
//!
//! Hardware binds the digest of the [`Binding`]; the ledger's key signs the binding and the digest
//! of what the hardware said. So neither can be moved to another node, and no byte of either can
//! change.

use core::fmt;

use notrace_policy_promise::digest::{Digest, Domain};
use notrace_policy_promise::note::{self, NotSigned, NoteSigner, VerifierKey};

use crate::hex::{Hex, from_hex};
use crate::limits::{STATEMENT_BYTES_MAX, VALID_SECONDS_MAX};

const FIRST_LINE: &str = "notrace/evidence@v1";

/// What belongs together: keys of one node, at one time.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Binding {
    /// The SHA-256 of the public key that TLS shows, with its algorithm.
    pub tls_key: [u8; 32],
    /// The X25519 key that requests are sealed to.
    pub request_key: [u8; 32],
    /// The ledger's key, with its origin for a name.
    pub ledger: VerifierKey,
    /// What makes it fresh: a client's own random bytes, or zeros.
    pub nonce: [u8; 32],
    /// From when it is good, in Unix seconds.
    pub from_unix_s: u64,
    /// Until when.
    pub until_unix_s: u64,
}

/// Which hardware spoke.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Kind {
    /// None: there is the signature alone.
    Software,
    /// A TPM 2.0.
    Tpm,
    /// AMD SEV-SNP.
    Snp,
    /// Intel TDX.
    Tdx,
}

impl Kind {
    /// All of them, in the order of their codes.
    pub const ALL: [Self; 4] = [Self::Software, Self::Tpm, Self::Snp, Self::Tdx];

    pub(crate) const fn code(self) -> u8 {
        self as u8
    }

    pub(crate) fn from_code(code: u8) -> Option<Self> {
        Self::ALL.get(usize::from(code)).copied()
    }

    /// The word for it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Software => "software",
            Self::Tpm => "tpm2",
            Self::Snp => "snp",
            Self::Tdx => "tdx",
        }
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl Binding {
    /// What hardware is asked to bind: 32 bytes, behind which reports of 64 have zeros.
    #[must_use]
    pub fn digest(&self) -> [u8; 32] {
        *Digest::of(Domain::Evidence, self.text().as_bytes()).as_bytes()
    }

    fn text(&self) -> String {
        let Self { tls_key, request_key, ledger, nonce, from_unix_s, until_unix_s } = self;
        format!(
            "{FIRST_LINE}\n\
             tls {}\n\
             request-key {}\n\
             ledger {ledger}\n\
             nonce {}\n\
             valid {from_unix_s} {until_unix_s}\n",
            Hex(tls_key),
            Hex(request_key),
            Hex(nonce)
        )
    }

    fn read<'a>(lines: &mut impl Iterator<Item = &'a str>) -> Option<Self> {
        (lines.next() == Some(FIRST_LINE)).then_some(())?;
        let mut field = |word: &str| lines.next()?.strip_prefix(word)?.strip_prefix(' ');
        let tls_key = from_hex(field("tls")?)?;
        let request_key = from_hex(field("request-key")?)?;
        let ledger = field("ledger")?.parse().ok()?;
        let nonce = from_hex(field("nonce")?)?;
        let (from, until) = field("valid")?.split_once(' ')?;
        let (from_unix_s, until_unix_s): (u64, u64) = (from.parse().ok()?, until.parse().ok()?);
        let long = until_unix_s.checked_sub(from_unix_s)?;
        (1..=VALID_SECONDS_MAX).contains(&long).then_some(())?;
        Some(Self { tls_key, request_key, ledger, nonce, from_unix_s, until_unix_s })
    }
}

/// A binding, and what the hardware said of it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Statement {
    pub(crate) binding: Binding,
    pub(crate) kind: Kind,
    /// Of everything that the hardware said.
    pub(crate) hardware: [u8; 32],
}

impl Statement {
    fn text(&self) -> String {
        let Self { binding, kind, hardware } = self;
        format!("{}hardware {kind} {}\n", binding.text(), Hex(hardware))
    }

    fn parse(text: &str) -> Option<Self> {
        let mut lines = text.split('\n');
        let binding = Binding::read(&mut lines)?;
        let (word, hardware) = lines.next()?.strip_prefix("hardware ")?.split_once(' ')?;
        let kind = Kind::ALL.into_iter().find(|kind| kind.as_str() == word)?;
        let statement = Self { binding, kind, hardware: from_hex(hardware)? };
        // Whatever the lines above let through, only the canonical spelling passes here.
        (statement.text() == text).then_some(statement)
    }

    /// The statement as a note.
    pub(crate) fn sign(&self, signer: &NoteSigner) -> Result<String, NotSigned> {
        let text = self.text();
        Self::parse(&text).ok_or(NotSigned::Form)?;
        (*signer.public() == self.binding.ledger).then_some(()).ok_or(NotSigned::Unknown)?;
        signer.sign(&text)
    }

    /// The statement in a note, if it is signed by the very key that it names, and that is one of
    /// these.
    pub(crate) fn open(note: &str, keys: &[VerifierKey]) -> Result<Self, NotSigned> {
        if note.len() > STATEMENT_BYTES_MAX {
            return Err(NotSigned::Form);
        }
        let opened = note::open(note, keys)?;
        // A note may bear lines of keys that nobody knows. This one bears one line.
        let signatures = note.strip_prefix(&opened.text).and_then(|it| it.strip_prefix('\n'));
        let lines = signatures.map(|lines| lines.matches('\n').count());
        let statement = Self::parse(&opened.text).filter(|_| lines == Some(1));
        let statement = statement.ok_or(NotSigned::Form)?;
        note::open(note, core::slice::from_ref(&statement.binding.ledger))?;
        keys.contains(&statement.binding.ledger).then_some(statement).ok_or(NotSigned::Unknown)
    }
}
