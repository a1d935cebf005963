//! The envelope: a signed statement, and what the hardware said, in one form of bytes.
//!
//! `1` for the version; the statement behind its length in two bytes; one byte for the kind of
//! hardware; then as many parts as that kind has, each behind its length in four bytes; nothing
//! after. There is no level in it: a level is what a verifier finds.

use notrace_policy_promise::note::{NotSigned, NoteSigner};

use crate::bytes::Bytes;
use crate::limits::EVIDENCE_BYTES_MAX;
use crate::signature::sha256;
use crate::statement::{Binding, Kind, Statement};

const VERSION: u8 = 1;

/// What hardware said, as it came.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Hardware {
    /// There is none.
    None,
    /// A TPM's quote.
    Tpm {
        /// The key's public area, `TPMT_PUBLIC`.
        public: Vec<u8>,
        /// What it signed, `TPMS_ATTEST`.
        attest: Vec<u8>,
        /// Its signature, `TPMT_SIGNATURE`.
        signature: Vec<u8>,
    },
    /// A report of SEV-SNP.
    Snp {
        /// The report.
        report: Vec<u8>,
        /// The chip's certificate, in DER.
        vcek: Vec<u8>,
    },
    /// A quote of TDX, which has its certificates in it.
    Tdx {
        /// The quote.
        quote: Vec<u8>,
    },
}

/// Evidence, whose form is right and of which nothing is believed yet.
pub(crate) struct Envelope {
    pub(crate) note: String,
    pub(crate) hardware: Hardware,
}

impl Hardware {
    /// Which hardware it is.
    #[must_use]
    pub const fn kind(&self) -> Kind {
        match self {
            Self::None => Kind::Software,
            Self::Tpm { .. } => Kind::Tpm,
            Self::Snp { .. } => Kind::Snp,
            Self::Tdx { .. } => Kind::Tdx,
        }
    }

    fn write(&self, to: &mut Vec<u8>) {
        to.push(self.kind().code());
        let parts: &[&Vec<u8>] = match self {
            Self::None => &[],
            Self::Tpm { public, attest, signature } => &[public, attest, signature],
            Self::Snp { report, vcek } => &[report, vcek],
            Self::Tdx { quote } => &[quote],
        };
        for part in parts {
            // Whoever reads it refuses what is too long to be written so.
            to.extend_from_slice(&(part.len() as u32).to_be_bytes());
            to.extend_from_slice(part);
        }
    }

    fn read(bytes: &mut Bytes<'_>) -> Option<Self> {
        let kind = Kind::from_code(bytes.u8()?)?;
        let mut part = || {
            let length = usize::try_from(bytes.u32_be()?).ok()?;
            bytes.take(length).map(<[u8]>::to_vec)
        };
        Some(match kind {
            Kind::Software => Self::None,
            Kind::Tpm => Self::Tpm { public: part()?, attest: part()?, signature: part()? },
            Kind::Snp => Self::Snp { report: part()?, vcek: part()? },
            Kind::Tdx => Self::Tdx { quote: part()? },
        })
    }

    /// Of everything that it said, with its kind and all lengths.
    pub(crate) fn digest(&self) -> [u8; 32] {
        let mut bytes = Vec::new();
        self.write(&mut bytes);
        sha256(&[&bytes])
    }
}

impl Envelope {
    pub(crate) fn parse(bytes: &[u8]) -> Option<Self> {
        (bytes.len() <= EVIDENCE_BYTES_MAX).then_some(())?;
        let mut bytes = Bytes::new(bytes);
        (bytes.u8()? == VERSION).then_some(())?;
        let note = String::from_utf8(bytes.counted_u16_be()?.to_vec()).ok()?;
        let hardware = Hardware::read(&mut bytes)?;
        bytes.end()?;
        Some(Self { note, hardware })
    }
}

/// Evidence in its canonical bytes: `binding`, signed by the key that it names, with what hardware
/// said of [`Binding::digest`].
/// # Errors  [`NotSigned`] if the binding is of another key, or is good for no time or too long.
pub fn compose(
    binding: &Binding,
    hardware: &Hardware,
    signer: &NoteSigner,
) -> Result<Vec<u8>, NotSigned> {
    let statement =
        Statement { binding: binding.clone(), kind: hardware.kind(), hardware: hardware.digest() };
    let note = statement.sign(signer)?;
    let length = u16::try_from(note.len()).map_err(|_| NotSigned::Form)?;
    let mut bytes = vec![VERSION];
    bytes.extend_from_slice(&length.to_be_bytes());
    bytes.extend_from_slice(note.as_bytes());
    hardware.write(&mut bytes);
    (bytes.len() <= EVIDENCE_BYTES_MAX).then_some(bytes).ok_or(NotSigned::Form)
}
