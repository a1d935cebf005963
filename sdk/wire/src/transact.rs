//! Several puts and deletes as one version, or none.

use notrace_policy_promise::name::ObjectKey;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::text;
use crate::time::Time;
use crate::version::Version;

/// The body of `POST /v1/objects/{pool}:transact`.
#[derive(Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Transact {
    /// What to do, in order; at most [`TRANSACT_OPS_MAX`], each key once.
    ///
    /// [`TRANSACT_OPS_MAX`]: notrace_policy_promise::limits::TRANSACT_OPS_MAX
    pub ops: Vec<TransactOp>,
}

/// One operation. It has no `Debug`, because a value is client data.
#[derive(Serialize, Deserialize, ToSchema)]
#[serde(tag = "op", rename_all = "snake_case", deny_unknown_fields)]
pub enum TransactOp {
    /// Stores a value.
    Put {
        /// The object's key.
        #[serde(with = "text")]
        #[schema(value_type = String)]
        key: ObjectKey,
        /// The value in base64 (RFC 4648 §4, padded).
        value: String,
        /// Only if this version is current.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        if_version: Option<Version>,
        /// Only if there is no object of this key.
        #[serde(default, skip_serializing_if = "core::ops::Not::not")]
        if_absent: bool,
    },
    /// Puts a tombstone.
    Delete {
        /// The object's key.
        #[serde(with = "text")]
        #[schema(value_type = String)]
        key: ObjectKey,
        /// Only if this version is current.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        if_version: Option<Version>,
    },
    /// Changes nothing, but fails the transaction unless this version is current.
    Check {
        /// The object's key.
        #[serde(with = "text")]
        #[schema(value_type = String)]
        key: ObjectKey,
        /// The version it must have; absent if it must not exist.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        if_version: Option<Version>,
    },
}

/// The answer: all operations stand at this one version.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize, Debug, ToSchema)]
pub struct Transacted {
    /// The one version of them all.
    pub version: Version,
    /// When it was delivered.
    pub time: Time,
}
