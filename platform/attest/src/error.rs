//! Why there is no evidence of hardware.

use std::io::ErrorKind;

use notrace_policy_evidence::Refused;

/// Why hardware did not vouch.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum AttestError {
    /// A file of configfs cannot be used.
    #[error(
        "the kernel's reports cannot be {verb} ({kind}); mount configfs, load sev-guest or \
         tdx-guest, and let the node write below `attestation.tsm`"
    )]
    Folder {
        /// What was attempted.
        verb: &'static str,
        /// What the system said.
        kind: ErrorKind,
    },
    /// Others asked for reports each time in between.
    #[error("the kernel's reports were busy each time; see who else asks for them")]
    Busy,
    /// The kernel's reports come from something that is not known here.
    #[error("the kernel's reports are neither sev_guest's nor tdx_guest's")]
    OtherProvider,
    /// A file of configfs holds something else than it should.
    #[error("the kernel's report is not in the form that its provider has")]
    Form,
    /// The certificate of the chip is nowhere.
    #[error(
        "the host gives no certificate of the chip; fetch it from AMD and name it as \
         `attestation.vcek`"
    )]
    NoCertificate,
    /// The TPM cannot be reached.
    #[error("the TPM cannot be {verb} ({kind}); check `attestation.tpm` and the rights on it")]
    Tpm {
        /// What was attempted.
        verb: &'static str,
        /// What the system said.
        kind: ErrorKind,
    },
    /// The TPM said no.
    #[error("the TPM refused {what} with code {code:#05x}")]
    TpmRefused {
        /// What it was asked for.
        what: &'static str,
        /// What it answered.
        code: u32,
    },
    /// The TPM's answer is not one.
    #[error("the TPM's answer is not in the form of TPM 2.0")]
    TpmForm,
    /// Hardware spoke, and what it said is not true by our own verifier.
    #[error("the hardware's evidence does not stand up: {0}")]
    Refused(Refused),
    /// The statement could not be signed.
    #[error("the evidence could not be signed")]
    NotSigned,
}
