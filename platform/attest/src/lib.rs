//! Where evidence comes from: a TPM, a confidential machine's kernel, or nowhere.
//!
//! Whether evidence is true is not decided here but in `policy/evidence`, which clients have too;
//! what is made here goes through that same verifier before anybody is shown it.
//!
//! Everything here blocks, on devices that may be slow and are asked seldom.
//!
//! Reading order: `limits`; [`error`]; [`tsm`] asks the kernel and [`tpm`] a TPM; `attester` is
//! what a node calls.
#![forbid(unsafe_code)]

pub mod limits;

pub mod error;

pub mod tpm;
pub mod tsm;

mod attester;

pub use attester::{Evidence, Source, attested};
pub use error::AttestError;
