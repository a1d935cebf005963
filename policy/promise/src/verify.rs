//! Verifying a receipt offline: from a proof file and the log's public key to a verdict.
//!
//! In order: the file's form, the log's signature, the log's identity, the receipt behind its
//! salt, its place in the tree, and that it states a scrub. Every byte of the file counts, except
//! the signature lines of keys that are not trusted, which the format says to skip. That a receipt
//! is true means that the node said so where it cannot be withdrawn; whether the node's own word is
//! to be believed is what its trust level says.

use core::fmt;

use crate::digest::Digest;
use crate::ledger::checkpoint::{BadCheckpoint, SignedCheckpoint};
use crate::ledger::proof::{Proof, split_extra};
use crate::ledger::{Hash, tree};
use crate::limits::KEY_NAME_BYTES_MAX;
use crate::note::{NotAKey, NotSigned, VerifierKey};
use crate::receipt::{self, Commitment, Ended, NotAReceipt, Receipt, Scrub};

/// Which log is believed, and by whose signature.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Trust {
    origin: Box<str>,
    keys: Vec<VerifierKey>,
}

/// Why trust cannot be placed.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum NoTrust {
    /// Not an origin.
    #[error("a log's origin is one line of 1 to {KEY_NAME_BYTES_MAX} bytes")]
    Origin,
    /// No key at all.
    #[error("without the log's key nothing can be verified; get it from whoever you trust")]
    NoKey,
    /// One of the keys is none.
    #[error(transparent)]
    Key(NotAKey),
}

/// What a verified proof file says.
#[derive(Clone, PartialEq, Debug)]
pub struct Verified {
    /// The receipt.
    pub receipt: Receipt,
    /// Its leaf.
    pub index: u64,
    /// How many leaves the log had.
    pub size: u64,
    /// The root they had.
    pub root: Hash,
    /// How many of the log's keys signed.
    pub log_keys: u32,
    /// How many witnesses cosigned; this version knows none.
    pub witnesses: u32,
}

/// What the verifier knows of the run from elsewhere. What is `None` is not compared.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct Expected {
    /// The task that was meant to run.
    pub task: Option<Digest>,
    /// The promise that was meant to hold.
    pub promise: Option<Digest>,
    /// The request that was sent.
    pub request: Option<Commitment>,
}

/// Why a proof file does not show what it should. Each names the step that failed.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum Untrue {
    /// The file is not a proof file.
    #[error("the file is not a proof file, or was changed")]
    NotAProof,
    /// The checkpoint bears no signature of a trusted key.
    #[error("the checkpoint is not signed by the log that is trusted here")]
    NotSigned,
    /// A signature in a trusted key's name is wrong.
    #[error("the log's signature does not fit the checkpoint")]
    Forged,
    /// What the log signed is not a checkpoint.
    #[error("what the log signed is not a checkpoint")]
    NotACheckpoint,
    /// The checkpoint is of another log that the same key signs for.
    #[error("the checkpoint is of another log")]
    OtherLog,
    /// The file carries no receipt.
    #[error("the proof carries no receipt")]
    NoReceipt,
    /// The receipt is of a later version.
    #[error("the receipt is of a later version; use a newer program to verify it")]
    ReceiptVersion,
    /// The receipt's bytes are not in their one form.
    #[error("the receipt in the proof is damaged")]
    ReceiptForm,
    /// The log has no leaf of that index.
    #[error("the log had no such leaf at this checkpoint")]
    NoSuchLeaf,
    /// The receipt is not at that leaf.
    #[error("the receipt is not in the log at this place")]
    NotIncluded,
    /// The receipt itself admits that the worker was not destroyed and scrubbed.
    #[error("the receipt is in the log, but does not state that the worker was scrubbed")]
    NotScrubbed,
    /// It is the receipt of another task.
    #[error("the receipt is true, but of another task")]
    OtherTask,
    /// It is a run under another promise.
    #[error("the receipt is true, but of a run under another promise")]
    OtherPromise,
    /// It answers another request.
    #[error("the receipt is true, but of another request")]
    OtherRequest,
}

impl Trust {
    /// Trusts the log `origin` where one of these keys signed.
    /// # Errors  [`NoTrust`]
    pub fn new<'a>(origin: &str, keys: impl IntoIterator<Item = &'a str>) -> Result<Self, NoTrust> {
        let line = !origin.is_empty() && !origin.chars().any(char::is_control);
        if !line || origin.len() > KEY_NAME_BYTES_MAX {
            return Err(NoTrust::Origin);
        }
        let keys: Vec<VerifierKey> =
            keys.into_iter().map(str::parse).collect::<Result<_, _>>().map_err(NoTrust::Key)?;
        if keys.is_empty() {
            return Err(NoTrust::NoKey);
        }
        Ok(Self { origin: origin.into(), keys })
    }

    /// The log that is trusted.
    pub fn origin(&self) -> &str {
        &self.origin
    }

    /// The keys that are trusted to sign for it.
    pub fn keys(&self) -> &[VerifierKey] {
        &self.keys
    }
}

/// Verifies a proof file. Costs one signature check and one hash a level of the tree.
/// # Errors  [`Untrue`]: the first step that failed.
pub fn verify(proof: &str, trust: &Trust) -> Result<Verified, Untrue> {
    let proof = Proof::parse(proof).map_err(|_| Untrue::NotAProof)?;
    let signed =
        SignedCheckpoint::open(&proof.checkpoint, &trust.keys).map_err(|bad| match bad {
            BadCheckpoint::Form => Untrue::NotACheckpoint,
            BadCheckpoint::NotSigned(NotSigned::Form | NotSigned::Unknown) => Untrue::NotSigned,
            BadCheckpoint::NotSigned(NotSigned::Forged) => Untrue::Forged,
        })?;
    let head = signed.checkpoint;
    if head.origin.as_str() != trust.origin() {
        return Err(Untrue::OtherLog);
    }
    let extra = proof.extra.as_deref().unwrap_or(&[]);
    let (salt, bytes) = split_extra(extra).ok_or(Untrue::NoReceipt)?;
    let receipt = Receipt::decode(bytes).map_err(|bad| match bad {
        NotAReceipt::Form => Untrue::ReceiptForm,
        NotAReceipt::Version => Untrue::ReceiptVersion,
    })?;
    let entry = receipt::entry(&salt, bytes);
    tree::check_inclusion(&proof.hashes, (head.size, head.root), proof.index, &entry).map_err(
        |bad| match bad {
            tree::ProofError::OutOfRange => Untrue::NoSuchLeaf,
            tree::ProofError::TileMissing | tree::ProofError::Wrong => Untrue::NotIncluded,
        },
    )?;
    if !receipt.scrub.covers(Scrub::REQUIRED) {
        return Err(Untrue::NotScrubbed);
    }
    Ok(Verified {
        receipt,
        index: proof.index,
        size: head.size,
        root: head.root,
        log_keys: signed.signatures,
        witnesses: 0,
    })
}

impl Verified {
    /// Compares with what the verifier knows of the run from elsewhere.
    /// # Errors  [`Untrue::OtherTask`], [`Untrue::OtherPromise`], [`Untrue::OtherRequest`]
    pub fn expect(&self, expected: &Expected) -> Result<(), Untrue> {
        let differs = |wanted: Option<Digest>, found| wanted.is_some_and(|wanted| wanted != found);
        if differs(expected.task, self.receipt.task) {
            return Err(Untrue::OtherTask);
        }
        if differs(expected.promise, self.receipt.promise) {
            return Err(Untrue::OtherPromise);
        }
        match expected.request {
            Some(request) if request != self.receipt.request => Err(Untrue::OtherRequest),
            _ => Ok(()),
        }
    }
}

impl fmt::Display for Verified {
    /// The verdict in one sentence.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Receipt { task, promise, ended, .. } = &self.receipt;
        let (how, what) = match ended {
            Ended::Answered => ("", "answer"),
            Ended::Failed => (" and failed", "refusal"),
            Ended::Trapped => (" and trapped", "refusal"),
            Ended::FuelExhausted => (" until its fuel was used up", "refusal"),
            Ended::TimeExhausted => (" until its time was up", "refusal"),
            Ended::MemoryExhausted => (" until its memory was used up", "refusal"),
            Ended::OutputExhausted => (" until its output was too long", "refusal"),
            Ended::Killed => (" and was killed", "refusal"),
            Ended::Withheld => (" to an end that its client alone was told", "outcome"),
        };
        let plural = |count: u32| if count == 1 { "" } else { "s" };
        let (keys, witnesses) = (self.log_keys, self.witnesses);
        write!(
            f,
            "the receipt is true: task {task} ran once{how} under promise {promise}, its worker \
             was destroyed and scrubbed before the {what} left, included at leaf {} of {}, \
             checkpoint signed by {keys} log key{} and {witnesses} witness{}",
            self.index,
            self.size,
            plural(keys),
            if witnesses == 1 { "" } else { "es" },
        )
    }
}

#[cfg(test)]
mod tests;
