//! What a node says of itself: evidence, keys, posture, health.

use notrace_policy_promise::digest::Digest;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::text::{self, words};
use crate::time::Time;

/// The answer to `GET /v1/node`.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize, Debug, ToSchema)]
pub struct NodeDescription {
    /// The version of `notrace`.
    pub version: String,
    /// How many members its group has.
    pub members: u32,
    /// Where its key lives: 0 software, 1 TPM, 2 SEV-SNP or TDX, 3 two vendors.
    pub trust_level: u8,
    /// The digest of the promise it serves under.
    #[serde(with = "text")]
    #[schema(value_type = String)]
    pub promise: Digest,
    /// The SHA-256 of its TLS certificate in DER, in hexadecimal.
    pub certificate_sha256: String,
    /// The ledger's origin line.
    pub ledger_origin: String,
    /// The ledger's public key, as a signed-note verifier key.
    pub ledger_vkey: String,
    /// What requests can be sealed to, if the node takes sealed ones.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub request_key: Option<AnnouncedKey>,
    /// Every mitigation there is, with its state on this host.
    pub posture: Vec<Mitigation>,
}

/// The key that a node has requests sealed to. Believe the note, once its signature is checked with
/// the ledger's key; what stands beside it is for people.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize, Debug, ToSchema)]
pub struct AnnouncedKey {
    /// Which key, in 16 hexadecimal digits.
    pub epoch: String,
    /// Until when requests sealed to it are taken.
    pub until: Time,
    /// The announcement: a signed note with the key, its time and the promise.
    pub note: String,
}

words! {
    /// Whether a mitigation holds.
    MitigationState, NotAMitigationState, "a mitigation is one of on, off, unknown":
    /// It does.
    On = "on",
    /// It does not.
    Off = "off",
    /// The host does not say; counted as off.
    Unknown = "unknown",
}

/// One host mitigation.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize, Debug, ToSchema)]
pub struct Mitigation {
    /// Its stable name, such as `swap_off`.
    pub name: String,
    /// Whether it holds.
    pub state: MitigationState,
    /// Whether the node refuses to serve without it under `--strict`.
    pub required: bool,
    /// What it is good for, in one sentence.
    pub meaning: String,
    /// How to turn it on, in one sentence.
    pub remedy: String,
}

words! {
    /// Whether a node serves.
    HealthState, NotAHealthState, "health is one of serving, draining, unable":
    /// It does.
    Serving = "serving",
    /// It finishes what it has and takes nothing new.
    Draining = "draining",
    /// It cannot, for instance because it cannot log.
    Unable = "unable",
}

/// The answer to `GET /v1/health`: status 200 if serving, else 503.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize, Debug, ToSchema)]
pub struct Health {
    /// Whether it serves.
    pub state: HealthState,
    /// Workers that wait for a task.
    pub workers_ready: u32,
}

/// The answer to `GET /v1/promise`: the document and who signed it.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize, Debug, ToSchema)]
pub struct SignedPromise {
    /// The document's digest, which receipts name.
    #[serde(with = "text")]
    #[schema(value_type = String)]
    pub digest: Digest,
    /// The document in its canonical text.
    pub text: String,
    /// The signature over it: a signed note's signature lines.
    pub signature: String,
}
