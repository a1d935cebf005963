//! Checks that need no node: only what it wrote, and the ledger's key from the credentials.

use notrace_policy_promise::contract::Promise;
use notrace_policy_promise::digest::Digest;
use notrace_policy_promise::ledger::checkpoint::SignedCheckpoint;
use notrace_policy_promise::verify::{Expected, NoTrust, Trust, Verified};
use notrace_sdk_wire::Credentials;
use notrace_sdk_wire::node::SignedPromise;

use crate::error::Error;

/// The log and the key that these credentials trust.
/// # Errors  [`Error::CredentialsMalformed`]
pub fn trust(credentials: &Credentials) -> Result<Trust, Error> {
    let Credentials { ledger_origin, ledger_vkey, .. } = credentials;
    Trust::new(ledger_origin, [ledger_vkey.as_str()]).map_err(|no| {
        Error::CredentialsMalformed(match no {
            NoTrust::Origin => "`ledger_origin` is not a log's origin",
            NoTrust::NoKey | NoTrust::Key(_) => "`ledger_vkey` is not a log's key",
        })
    })
}

/// Verifies a receipt, and that it is of this task if one is named.
/// # Errors  [`Error::ReceiptFalse`]
pub fn receipt(proof: &str, trust: &Trust, task: Option<Digest>) -> Result<Verified, Error> {
    receipt_of(proof, trust, &Expected { task, ..Expected::default() })
}

/// Verifies a receipt, and that it is of what is expected.
/// # Errors  [`Error::ReceiptFalse`]
pub fn receipt_of(proof: &str, trust: &Trust, expected: &Expected) -> Result<Verified, Error> {
    let verified = notrace_policy_promise::verify::verify(proof, trust);
    let verified = verified.map_err(Error::ReceiptFalse)?;
    verified.expect(expected).map_err(Error::ReceiptFalse)?;
    Ok(verified)
}

/// Verifies that the node's key signed this promise, and that its digest is the one named.
/// # Errors  [`Error::PromiseFalse`], [`Error::DigestDiffers`]
pub fn promise(signed: &SignedPromise, trust: &Trust) -> Result<Promise, Error> {
    let note = format!("{}\n{}", signed.text, signed.signature);
    let promise = Promise::open(&note, trust.keys()).map_err(Error::PromiseFalse)?;
    let digest = promise.digest();
    if digest != signed.digest {
        return Err(Error::DigestDiffers { sent: digest, answered: signed.digest });
    }
    Ok(promise)
}

/// Verifies that the ledger's key signed this checkpoint.
/// # Errors  [`Error::LedgerFalse`]
pub fn checkpoint(note: &str, trust: &Trust) -> Result<SignedCheckpoint, Error> {
    SignedCheckpoint::open(note, trust.keys()).map_err(Error::LedgerFalse)
}
