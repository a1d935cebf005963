//! Why a call did not come to what was asked.

use std::io;

use notrace_policy_promise::contract::NotAPromise;
use notrace_policy_promise::digest::Digest;
use notrace_policy_promise::ledger::checkpoint::BadCheckpoint;
use notrace_policy_promise::receipt::Commitment;
use notrace_policy_promise::verify::Untrue;
use notrace_sdk_seal::{NotARequestKey, SealError};
use notrace_sdk_wire::{Code, Problem};

use crate::receipt::ReceiptPath;
use crate::trust::Fingerprint;

/// Why a call did not come to what was asked. Closed: a caller can match on all of it.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The node said no; the problem says why and what to do.
    #[error("{}", .0.detail)]
    Refused(Box<Problem>),
    /// The run took place and ended without an answer. It has a receipt like any other.
    #[error("{}", .problem.detail)]
    RunFailed {
        /// How it ended.
        problem: Box<Problem>,
        /// Where its receipt will be.
        receipt: ReceiptPath,
        /// What the receipt must be bound to, if the request was sealed.
        request: Option<Commitment>,
    },
    /// What happened after the version to begin after is no longer kept: list, and watch from now
    /// on.
    #[error("{}", .0.detail)]
    HistoryTrimmed(Box<Problem>),
    /// A change was asked for, and may have been made or not.
    #[error("the connection was lost; whether the change was made is not known")]
    OutcomeUnknown,
    /// The other end is not the node of these credentials.
    #[error(
        "the certificate changed: expected one of authority {expected}, was shown {shown}; \
         nothing was sent"
    )]
    CertificateChanged {
        /// The authority in the credentials.
        expected: Fingerprint,
        /// The certificate that was shown.
        shown: Fingerprint,
    },
    /// The certificate comes from the right authority but is not valid here or now.
    #[error("the node's certificate {shown} {reason}; nothing was sent")]
    CertificateUnfit {
        /// The certificate that was shown.
        shown: Fingerprint,
        /// What is wrong with it.
        reason: Unfit,
    },
    /// The node named another module than the one that was sent.
    #[error("the node answered for module {answered}, but {sent} was sent")]
    DigestDiffers {
        /// What was sent.
        sent: Digest,
        /// What the node named.
        answered: Digest,
    },
    /// The receipt does not show what it should.
    #[error("the receipt is not true: {0}")]
    ReceiptFalse(Untrue),
    /// The promise is not one that the node's key signed.
    #[error("the promise is not true: {0}")]
    PromiseFalse(NotAPromise),
    /// What a node has requests sealed to is not vouched for; nothing was sent.
    #[error("the node's request key is not true: {0}; nothing was sent")]
    KeyFalse(NotARequestKey),
    /// The answer is not what a worker sealed for this request.
    #[error("the answer is not true: {0}")]
    AnswerFalse(SealError),
    /// The node takes no sealed requests.
    #[error("the node announces no key to seal requests to; nothing was sent")]
    NoRequestKey,
    /// The checkpoint is not one that the node's key signed.
    #[error("the ledger is not true: {0}")]
    LedgerFalse(BadCheckpoint),
    /// Nobody answers at the node's address.
    #[error("nobody answers at the node's address")]
    Unreachable,
    /// The other end was silent for too long.
    #[error("the node was silent for too long")]
    TimedOut,
    /// The connection ended in the middle of a request or a reply.
    #[error("the connection ended before the reply was complete")]
    CutOff,
    /// The reply is not what this client can read.
    #[error("the reply is not understood: {0}")]
    NotUnderstood(&'static str),
    /// The credentials file cannot be read.
    #[error("the credentials file cannot be read ({0})")]
    CredentialsUnreadable(io::ErrorKind),
    /// The credentials file is not one.
    #[error("the credentials file is damaged: {0}")]
    CredentialsMalformed(&'static str),
    /// A file or stream of the caller's could not be read.
    #[error("the input cannot be read ({0})")]
    SourceUnreadable(io::ErrorKind),
    /// A file or stream of the caller's could not be written.
    #[error("the output cannot be written ({0})")]
    SinkUnwritable(io::ErrorKind),
    /// What was to be sent is larger than any node takes.
    #[error("{what} is larger than {limit} bytes, the most that is accepted")]
    TooLarge {
        /// What it is.
        what: &'static str,
        /// The bound, in bytes.
        limit: u64,
    },
    /// The system gave no random bytes.
    #[error("the system gave no random bytes")]
    NoRandomness,
}

/// What is wrong with a certificate of the right authority.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum Unfit {
    /// Its time is over, or this machine's clock is ahead.
    #[error("has expired, or this machine's clock is wrong")]
    Expired,
    /// Its time has not come, or this machine's clock is behind.
    #[error("is not valid yet, or this machine's clock is wrong")]
    NotYetValid,
    /// It was made for another name or address.
    #[error("was not made for the name or address in the credentials")]
    OtherName,
    /// Anything else that TLS refuses.
    #[error("cannot be accepted")]
    Otherwise,
}

impl Error {
    /// The stable code, where it is one that nodes have too.
    pub fn code(&self) -> Option<Code> {
        match self {
            Error::OutcomeUnknown => Some(Code::OutcomeUnknown),
            error => error.problem().map(|problem| problem.code),
        }
    }

    /// The node's problem, if the node refused.
    pub fn problem(&self) -> Option<&Problem> {
        match self {
            Error::Refused(problem)
            | Error::HistoryTrimmed(problem)
            | Error::RunFailed { problem, .. } => Some(problem),
            _ => None,
        }
    }
}
