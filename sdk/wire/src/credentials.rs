//! The file that lets a client in: written by a node at its first start, read by clients.

use serde::{Deserialize, Serialize};

/// What a client needs to reach one node and to know it again. Kept as TOML, mode 0600: it holds
/// secrets, so it has no `Debug`.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Credentials {
    /// Where the node listens, as in `https://127.0.0.1:7443`.
    pub url: String,
    /// Where other members of the node's group listen, which are asked if it does not answer.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub members: Vec<String>,
    /// The certificate of the authority that signed the node's certificate, in PEM.
    pub ca_pem: String,
    /// The bearer token.
    pub token: String,
    /// The client's own certificate, in PEM.
    pub certificate_pem: String,
    /// The key of that certificate, in PEM.
    pub key_pem: String,
    /// The ledger's public key, as a signed-note verifier key.
    pub ledger_vkey: String,
    /// The ledger's origin line.
    pub ledger_origin: String,
}
