//! From evidence to a level: which of it is true, and how far a client's own pins carry it.

use notrace_policy_promise::note::{NotSigned, VerifierKey};
use notrace_policy_promise::receipt::TrustLevel;

use crate::envelope::{Envelope, Hardware};
use crate::platform::Platform;
use crate::snp::{self, BadSnp};
use crate::statement::{Binding, Statement};
use crate::tdx::{self, BadTdx};
use crate::tpm::{self, BadTpm};
use crate::vendors::Vendors;

/// What a client believes before it has seen any evidence.
#[derive(Clone)]
pub struct Pins {
    /// Whose statements count: the ledger's keys.
    pub keys: Vec<VerifierKey>,
    /// Which hardware, with which software, is more than software's word.
    pub platforms: Vec<Platform>,
    /// What it takes at least.
    pub least: TrustLevel,
    /// Whose word about hardware counts.
    pub vendors: Vendors,
}

/// What the client knows of the node that shows the evidence. What is `None` is not compared.
#[derive(Clone, Copy, Default, Debug)]
pub struct Expected {
    /// Now, in Unix seconds.
    pub now_unix_s: u64,
    /// How far clocks may be apart, in seconds.
    pub clocks_apart_s: u64,
    /// The key that TLS showed.
    pub tls_key: Option<[u8; 32]>,
    /// The key that requests are to be sealed to.
    pub request_key: Option<[u8; 32]>,
    /// The nonce that was sent.
    pub nonce: Option<[u8; 32]>,
}

/// What true evidence shows. Only [`verify`] makes one.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Verdict {
    level: TrustLevel,
    binding: Binding,
    platform: Option<Platform>,
}

/// Why evidence is not taken.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum Refused {
    /// Not evidence, of a later version, or in another spelling.
    #[error("the evidence is damaged, or of a later version")]
    Form,
    /// The statement is not signed by the node's ledger.
    #[error("of the evidence's statement, {0}")]
    NotSigned(NotSigned),
    /// The hardware's part was changed after it was signed.
    #[error("the statement is about other hardware evidence than it comes with")]
    OtherHardware,
    /// It is over, or not yet good.
    #[error("the evidence is not of this time; compare the clocks")]
    Time,
    /// TLS showed another key.
    #[error("the evidence is of another TLS key than the connection's")]
    OtherTlsKey,
    /// It is of another request key.
    #[error("the evidence is of another request key than the one that is announced")]
    OtherRequestKey,
    /// It does not answer the nonce that was sent.
    #[error("the evidence does not answer the nonce that was sent")]
    OtherNonce,
    /// The hardware bound something else.
    #[error("the hardware vouched for other keys than these")]
    OtherBinding,
    /// The TPM's quote is not true.
    #[error("of the TPM's quote, {0}")]
    Tpm(BadTpm),
    /// The report of SEV-SNP is not true.
    #[error("of the SEV-SNP report, {0}")]
    Snp(BadSnp),
    /// The quote of TDX is not true.
    #[error("of the TDX quote, {0}")]
    Tdx(BadTdx),
    /// All of it is true, and less than is asked for.
    #[error("the evidence is true, of level {}, not of level {} as asked", .0.code(), .1.code())]
    TooLow(TrustLevel, TrustLevel),
}

impl Verdict {
    /// How far the node can be trusted, by these pins.
    #[must_use]
    pub const fn level(&self) -> TrustLevel {
        self.level
    }

    /// What belongs to it.
    #[must_use]
    pub const fn binding(&self) -> &Binding {
        &self.binding
    }

    /// The hardware that spoke, pinned or not.
    #[must_use]
    pub const fn platform(&self) -> Option<&Platform> {
        self.platform.as_ref()
    }

    /// Whether hardware spoke that is not among the pins, so that it counts for nothing.
    #[must_use]
    pub fn is_unpinned(&self) -> bool {
        self.platform.is_some_and(|platform| self.level < platform.level())
    }
}

/// What this evidence shows. A level above that of software follows from a pin that takes what
/// verified hardware said, and from nothing else.
/// # Errors  [`Refused`]
pub fn verify(evidence: &[u8], pins: &Pins, expected: &Expected) -> Result<Verdict, Refused> {
    let Envelope { note, hardware } = Envelope::parse(evidence).ok_or(Refused::Form)?;
    let statement = Statement::open(&note, &pins.keys).map_err(Refused::NotSigned)?;
    let Statement { binding, kind, hardware: signed } = statement;
    if kind != hardware.kind() || signed != hardware.digest() {
        return Err(Refused::OtherHardware);
    }
    expect(&binding, expected)?;
    let platform = vouched(&hardware, &binding, pins, expected.now_unix_s)?;
    let is_pinned = |seen: &Platform| pins.platforms.iter().any(|pin| pin.takes(seen));
    let level = platform.filter(is_pinned).map_or(TrustLevel::Software, |seen| seen.level());
    if level < pins.least {
        return Err(Refused::TooLow(level, pins.least));
    }
    Ok(Verdict { level, binding, platform })
}

fn expect(binding: &Binding, expected: &Expected) -> Result<(), Refused> {
    let Expected { now_unix_s, clocks_apart_s, tls_key, request_key, nonce } = expected;
    let early = now_unix_s.saturating_add(*clocks_apart_s) < binding.from_unix_s;
    let late = now_unix_s.saturating_sub(*clocks_apart_s) >= binding.until_unix_s;
    if early || late {
        return Err(Refused::Time);
    }
    let differs = |wanted: &Option<[u8; 32]>, found| wanted.is_some_and(|wanted| wanted != found);
    if differs(tls_key, binding.tls_key) {
        return Err(Refused::OtherTlsKey);
    }
    if differs(request_key, binding.request_key) {
        return Err(Refused::OtherRequestKey);
    }
    if differs(nonce, binding.nonce) {
        return Err(Refused::OtherNonce);
    }
    Ok(())
}

/// What true hardware says of this binding; nothing where there is none.
fn vouched(
    hardware: &Hardware,
    binding: &Binding,
    pins: &Pins,
    now_unix_s: u64,
) -> Result<Option<Platform>, Refused> {
    let digest = binding.digest();
    // Where there is room for 64 bytes, the others are zeros.
    let is_bound = |data: [u8; 64]| data == *[digest, [0; 32]].as_flattened();
    let (bound, platform) = match hardware {
        Hardware::None => return Ok(None),
        Hardware::Tpm { public, attest, signature } => {
            let quote = tpm::verify(tpm::Raw { public, attest, signature });
            let quote = quote.map_err(Refused::Tpm)?;
            (quote.data == digest, quote.platform)
        }
        Hardware::Snp { report, vcek } => {
            let report = snp::verify(report, vcek, &pins.vendors, now_unix_s);
            let report = report.map_err(Refused::Snp)?;
            (is_bound(report.data), report.platform)
        }
        Hardware::Tdx { quote } => {
            let quote = tdx::verify(quote, &pins.vendors, now_unix_s).map_err(Refused::Tdx)?;
            (is_bound(quote.data), quote.platform)
        }
    };
    bound.then_some(Some(platform)).ok_or(Refused::OtherBinding)
}
