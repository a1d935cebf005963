//! Objects: what a put, a listing, a history and a shredding answer.

use notrace_policy_promise::digest::Digest;
use notrace_policy_promise::name::{ObjectKey, PoolName};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::text::{self, words};
use crate::time::Time;
use crate::version::Version;

/// The answer to a put: where the value stands now. The `ETag` says the same version.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize, Debug, ToSchema)]
pub struct Stored {
    /// The new version.
    pub version: Version,
    /// When it was delivered.
    pub time: Time,
    /// The value's size before sealing, in bytes.
    pub size_bytes: u64,
}

/// One object of a listing, at its current version.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize, Debug, ToSchema)]
pub struct ObjectEntry {
    /// Its key within the pool.
    #[serde(with = "text")]
    #[schema(value_type = String)]
    pub key: ObjectKey,
    /// The current version.
    pub version: Version,
    /// When that was delivered.
    pub time: Time,
    /// The value's size before sealing, in bytes.
    pub size_bytes: u64,
}

/// The answer to `GET /v1/objects/{pool}`.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize, Debug, ToSchema)]
pub struct ObjectList {
    /// The objects, by key.
    pub objects: Vec<ObjectEntry>,
    /// Whether there are more: ask again with `after` set to the last key.
    pub more: bool,
}

words! {
    /// What a version did to its object.
    Change, NotAChange, "a change is one of put, delete, shred":
    /// Gave it a value.
    Put = "put",
    /// Put a tombstone in its place.
    Delete = "delete",
    /// Destroyed the keys of all its versions.
    Shred = "shred",
}

/// One version of an object's history.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize, Debug, ToSchema)]
pub struct HistoryEntry {
    /// The version.
    pub version: Version,
    /// When it was delivered.
    pub time: Time,
    /// What it did.
    pub change: Change,
    /// The value's size before sealing, in bytes; 0 for a tombstone.
    pub size_bytes: u64,
    /// Whether its value can still be opened.
    pub readable: bool,
}

/// The answer to `GET /v1/objects/{pool}/{key}?history`, newest first.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize, Debug, ToSchema)]
pub struct History {
    /// The versions, newest first.
    pub versions: Vec<HistoryEntry>,
    /// Whether there are older ones: ask again with `before` set to the last version.
    pub more: bool,
}

/// The answer to shredding an object or a pool: what was destroyed, and where that is written.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize, Debug, ToSchema)]
pub struct ShredReceipt {
    /// The pool.
    #[serde(with = "text")]
    #[schema(value_type = String)]
    pub pool: PoolName,
    /// The object, if it was not the whole pool.
    #[serde(default, skip_serializing_if = "Option::is_none", with = "text::maybe")]
    #[schema(value_type = Option<String>)]
    pub key: Option<ObjectKey>,
    /// The version of the shredding itself.
    pub version: Version,
    /// When it was delivered.
    pub time: Time,
    /// How many versions can no longer be opened.
    pub versions_destroyed: u64,
    /// How many replicas acknowledged that the keys are gone.
    pub replicas: u32,
    /// The digest that stands for this shredding in the ledger.
    #[serde(with = "text")]
    #[schema(value_type = String)]
    pub digest: Digest,
    /// Where the proof will be: a path as `/v1/receipts/{id}`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub receipt: Option<String>,
}
