//! The rules of who may do what.

use notrace_policy_promise::digest::Digest;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::text;
use crate::version::Version;

/// The answer to `GET` and `PUT /v1/rules`.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize, Debug, ToSchema)]
pub struct Rules {
    /// What receipts call them by.
    #[serde(with = "text")]
    #[schema(value_type = String)]
    pub digest: Digest,
    /// Their version; none if nobody pushed any.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<Version>,
    /// The rules as they were written: Cedar policies.
    pub text: String,
}
