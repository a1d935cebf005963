//! What a watch streams: server-sent events whose `id` is a version and whose data is one of these.

use notrace_policy_promise::name::ObjectKey;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::object::Change;
use crate::text;
use crate::time::Time;
use crate::version::Version;

/// The `event:` name of a [`WatchEvent`]. Other names are to be passed over.
pub const EVENT: &str = "change";

/// One change in a watched pool. Delivered at least once, in the shard's order.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize, Debug, ToSchema)]
pub struct WatchEvent {
    /// The version that changed it; also the event's `id`.
    pub version: Version,
    /// When it was delivered.
    pub time: Time,
    /// The object's key.
    #[serde(with = "text")]
    #[schema(value_type = String)]
    pub key: ObjectKey,
    /// What happened to it.
    pub change: Change,
    /// The value's size before sealing, in bytes; 0 unless it was a put.
    pub size_bytes: u64,
}
