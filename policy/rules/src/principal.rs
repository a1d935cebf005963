//! Who asks.

use notrace_policy_promise::digest::Digest;

/// How a principal showed who it is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Authenticated {
    /// A bearer token that this node issued.
    ByToken,
    /// A client certificate that this node's authority issued.
    ByCertificate,
}

/// Who asks. Identified by a digest of the credential, never by a name or an address.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Principal {
    /// Nobody in particular: no credential was shown.
    Anonymous,
    /// The node's owner.
    Owner {
        /// A digest of the credential, which scopes idempotency keys.
        id: Digest,
        /// How the owner showed it.
        by: Authenticated,
    },
}
