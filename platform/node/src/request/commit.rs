//! A run's writes, validated and applied in the shard's order.

use notrace_policy_rules::Grant;
use notrace_runtime_worker::Outcome;
use notrace_store_protocol::ids::Version;

/// What a run changed. Only [`commit`] makes one.
pub(super) struct Commit {
    /// The version of its writes, if it had any.
    pub(super) version: Option<Version>,
}

/// Commits a run's writes. Every handle of a grant is readable and none is writable, so an outcome
/// holds no writes and there is nothing to order.
pub(super) fn commit(_grant: &Grant, _outcome: &Outcome) -> Commit {
    Commit { version: None }
}
