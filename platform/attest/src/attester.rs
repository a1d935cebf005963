//! What a node asks for evidence: its hardware, if it has any, and its own verifier.

use std::path::PathBuf;

use notrace_policy_evidence::platform::{Pcrs, Platform};
use notrace_policy_evidence::{
    Binding, Expected, Hardware, Pins, Refused, Vendors, compose, verify,
};
use notrace_policy_promise::note::NoteSigner;
use notrace_policy_promise::receipt::TrustLevel;

use crate::error::AttestError;
use crate::tpm::{self, Device};
use crate::tsm::{self, Configfs};

/// Where evidence comes from.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Source {
    /// From a key in software alone.
    Software,
    /// From a TPM as well.
    Tpm {
        /// Where it is.
        device: Device,
        /// Which registers it quotes.
        pcrs: Pcrs,
    },
    /// From a confidential machine's kernel as well.
    Tsm {
        /// Where the kernel has its reports.
        reports: PathBuf,
        /// The chip's certificate in DER, where the host gives none.
        vcek: Option<Vec<u8>>,
    },
}

/// Evidence, and what it shows to whoever pins it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Evidence {
    /// Its canonical bytes.
    pub bytes: Vec<u8>,
    /// The hardware that vouches.
    pub platform: Option<Platform>,
}

impl Evidence {
    /// The level that a client reaches with it at most: one that has pinned the platform.
    #[must_use]
    pub fn level(&self) -> TrustLevel {
        self.platform.map_or(TrustLevel::Software, |platform| platform.level())
    }
}

impl Source {
    /// What the hardware says of this binding. Blocks for as long as hardware takes.
    /// # Errors  [`AttestError`]
    pub fn vouch(&self, binding: &Binding) -> Result<Hardware, AttestError> {
        let digest = binding.digest();
        match self {
            Self::Software => Ok(Hardware::None),
            Self::Tpm { device, pcrs } => tpm::quote(device, &digest, *pcrs),
            Self::Tsm { reports, vcek } => {
                let mut data = [0; 64];
                for (to, from) in data.iter_mut().zip(digest) {
                    *to = from;
                }
                tsm::report(&mut Configfs::open(reports)?, &data, vcek.as_deref())
            }
        }
    }

    /// Evidence of this binding, which our own verifier takes. What it would not take is not shown:
    /// a node claims no more than it can show to be so.
    /// # Errors  [`AttestError`]
    pub fn evidence(
        &self,
        binding: &Binding,
        signer: &NoteSigner,
        vendors: &Vendors,
    ) -> Result<Evidence, AttestError> {
        let hardware = self.vouch(binding)?;
        attested(binding, &hardware, signer, vendors)
    }
}

/// Evidence of this binding and what hardware said of it, which our own verifier takes.
/// # Errors  [`AttestError::NotSigned`], [`AttestError::Refused`]
pub fn attested(
    binding: &Binding,
    hardware: &Hardware,
    signer: &NoteSigner,
    vendors: &Vendors,
) -> Result<Evidence, AttestError> {
    let bytes = compose(binding, hardware, signer).map_err(|_| AttestError::NotSigned)?;
    let pins = Pins {
        keys: vec![signer.public().clone()],
        platforms: Vec::new(),
        least: TrustLevel::Software,
        vendors: vendors.clone(),
    };
    let now = Expected { now_unix_s: binding.from_unix_s, ..Expected::default() };
    let verdict = verify(&bytes, &pins, &now).map_err(AttestError::Refused)?;
    let platform = verdict.platform().copied();
    if platform.is_none() != matches!(hardware, Hardware::None) {
        return Err(AttestError::Refused(Refused::OtherHardware));
    }
    Ok(Evidence { bytes, platform })
}
