//! How a node takes part, and why it cannot.

use std::io::ErrorKind;
use std::net::SocketAddr;

use super::TcpIdentity;
use crate::limits::{HELLO_BYTES_MAX, REGION_BYTES_MAX, REGION_BYTES_MIN};

/// How a node takes part.
pub struct TcpConfig {
    /// Where it listens. With port 0 the system chooses; [`super::Tcp::local_addr`] tells.
    pub listen: SocketAddr,
    /// What it says of itself, up to [`HELLO_BYTES_MAX`] bytes.
    pub hello: Vec<u8>,
    /// What it lends to each link, in bytes.
    pub region_bytes: u32,
    /// Who it is.
    pub identity: TcpIdentity,
}

/// Why a node cannot take part.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum TcpError {
    /// It cannot listen there.
    #[error("cannot listen at that address: {0}")]
    Listen(ErrorKind),
    /// The system has not what is needed to wait for sockets.
    #[error("cannot wait for sockets: {0}")]
    Wait(ErrorKind),
    /// The group's name is none that a certificate could hold.
    #[error("the group's name is not one of the domain name system")]
    Group,
    /// The first name in the certificate is not `NAME.GROUP`.
    #[error("the certificate is not one of a member of the group")]
    Certificate,
    /// The key is not the certificate's, or of a kind that is not supported.
    #[error("the key does not go with the certificate")]
    Key,
    /// The authority's certificate cannot be used.
    #[error("the authority's certificate is not one")]
    Authority,
    /// The hello is too long.
    #[error("more is to be said of this node than {HELLO_BYTES_MAX} bytes")]
    Hello,
    /// What is to be lent is too little or too much.
    #[error("the region must have {REGION_BYTES_MIN} to {REGION_BYTES_MAX} bytes")]
    Region,
}
