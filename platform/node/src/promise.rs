//! What this node promises, under its key.

use std::path::Path;

use notrace_policy_promise::contract::{Kept, Logged, Operator, Promise, Retention};
use notrace_policy_promise::digest::{Digest, Domain};
use notrace_policy_promise::note::NoteSigner;
use notrace_policy_promise::receipt::Scrub;

use crate::config::Config;
use crate::files;
use crate::identity::Identity;
use crate::limits::KEY_FILE_BYTES_MAX;

/// How long one promise holds before the node makes the next.
const VALID_SECONDS: u64 = 366 * 24 * 60 * 60;

/// A promise and its signature.
pub struct SignedPromise {
    promise: Promise,
    text: String,
    note: String,
    digest: Digest,
}

/// The promise cannot be made: the operator's name does not fit, or the file cannot be written.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[error("the promise cannot be made; check `operator` in the configuration")]
pub(crate) struct NoPromise;

impl SignedPromise {
    /// The promise in force: the one that was made before if it still says what the configuration
    /// says and still holds, otherwise a new one, which is kept.
    /// # Errors  [`NoPromise`]
    pub(crate) fn open(
        path: &Path,
        config: &Config,
        identity: &Identity,
        now_unix_s: u64,
    ) -> Result<Self, NoPromise> {
        let wanted = wanted(config, now_unix_s)?;
        let kept = files::read_bounded(path, KEY_FILE_BYTES_MAX).ok();
        let kept = kept.and_then(|bytes| Promise::parse(&String::from_utf8(bytes).ok()?).ok());
        let still_good = |kept: &Promise| {
            let same = Promise {
                valid_from: wanted.valid_from,
                valid_until: wanted.valid_until,
                ..kept.clone()
            } == wanted;
            same && (kept.valid_from..kept.valid_until).contains(&now_unix_s)
        };
        let promise = match kept.filter(still_good) {
            Some(kept) => kept,
            None => {
                files::write_private(path, wanted.text().as_bytes()).map_err(|_| NoPromise)?;
                wanted
            }
        };
        let signer = signer(identity).map_err(|_| NoPromise)?;
        let text = promise.text();
        let note = signer.sign(&text).map_err(|_| NoPromise)?;
        Ok(Self { digest: promise.digest(), promise, text, note })
    }

    /// What names this promise in receipts.
    pub fn digest(&self) -> Digest {
        self.digest
    }

    /// The document.
    pub fn promise(&self) -> &Promise {
        &self.promise
    }

    /// Its canonical text.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// The text with its signature: a C2SP signed note.
    pub fn note(&self) -> &str {
        &self.note
    }

    /// The signature lines alone.
    pub fn signature(&self) -> &str {
        self.note.get(self.text.len()..).unwrap_or_default().trim_start_matches('\n')
    }
}

fn wanted(config: &Config, now_unix_s: u64) -> Result<Promise, NoPromise> {
    let operator: Operator = config.operator.parse().map_err(|_| NoPromise)?;
    Ok(Promise {
        operator,
        valid_from: now_unix_s,
        valid_until: now_unix_s + VALID_SECONDS,
        objects: Retention::UntilDeleted,
        receipts: config.receipt_window.as_secs(),
        logged: Logged::of(&[Kept::BlindedReceipts, Kept::Counts]),
        scrub: Scrub::REQUIRED,
    })
}

/// The name under which this node's ledger signs: its own, since it belongs to no domain.
pub(crate) fn ledger_origin(identity: &Identity) -> String {
    let digest = Digest::of_parts(Domain::Node, &[identity.authority_pem().as_bytes()]);
    let text = digest.to_string();
    let digits = text.strip_prefix("sha256:").and_then(|digits| digits.get(..16));
    format!("notrace.invalid/{}", digits.unwrap_or_default())
}

/// The key of ledger and promise.
pub(crate) fn signer(
    identity: &Identity,
) -> Result<NoteSigner, notrace_policy_promise::note::NotAKey> {
    NoteSigner::new(&ledger_origin(identity), identity.ledger_seed())
}

/// What stands for this node's keys in receipts.
pub(crate) fn node_digest(identity: &Identity, ledger_vkey: &str) -> Digest {
    let parts = [identity.authority_pem().as_bytes(), b"\0", ledger_vkey.as_bytes()];
    Digest::of_parts(Domain::Node, &parts)
}
