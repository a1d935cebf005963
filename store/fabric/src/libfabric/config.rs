//! How a node takes part, and why it cannot.

use std::net::{IpAddr, SocketAddr};

use crate::tcp::{TcpError, TcpIdentity};

/// Which of libfabric's providers carries what is written.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Provider {
    /// TCP, in the kernel.
    Tcp,
    /// Memory that processes of one machine share.
    Shm,
    /// InfiniBand and RoCE.
    Verbs,
    /// Elastic Fabric Adapters.
    Efa,
}

impl Provider {
    /// What libfabric calls it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Provider::Tcp => "tcp",
            Provider::Shm => "shm",
            Provider::Verbs => "verbs",
            Provider::Efa => "efa",
        }
    }

    /// Whether it writes to regions by where they are in memory. Cards do; elsewhere a region is
    /// addressed from its beginning, so that a write has to name a key that is valid: `shm` would
    /// otherwise take a short cut, which writes to wherever it is told.
    pub(super) fn addresses_memory(self) -> bool {
        matches!(self, Provider::Verbs | Provider::Efa)
    }

    /// Whether two endpoints have a connection, which is in order from end to end: a stream of
    /// bytes, or a reliable connection of InfiniBand. Then a message arrives after the writes
    /// before it are in memory (for InfiniBand, its specification says so in o9-20), and a
    /// connection that breaks stays broken.
    ///
    /// The others have none: `shm` moves what is long in parts, between which it looks at other
    /// things, and the packets of `efa` overtake each other.
    pub(super) fn connects(self) -> bool {
        matches!(self, Provider::Tcp | Provider::Verbs)
    }
}

/// How a node takes part.
pub struct LibfabricConfig {
    /// What carries what is written. The same at both ends of a link.
    pub provider: Provider,
    /// Where it listens for those who want a link. With port 0 the system chooses;
    /// [`super::Libfabric::local_addr`] tells.
    pub listen: SocketAddr,
    /// The address of the card that others write through, where that is not the one in `listen`.
    pub card: Option<IpAddr>,
    /// Where others connect to the card instead, if something in between passes that on; for
    /// providers that have connections. [`super::Libfabric::card_addr`] tells what it has to reach.
    pub reached_at: Option<SocketAddr>,
    /// What it says of itself, up to [`crate::limits::HELLO_BYTES_MAX`] bytes.
    pub hello: Vec<u8>,
    /// What it lends to each link, in bytes.
    pub region_bytes: u32,
    /// Who it is.
    pub identity: TcpIdentity,
}

/// Why a node cannot take part.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum LibfabricError {
    /// The connections over which links are agreed on cannot be had.
    #[error(transparent)]
    Control(TcpError),
    /// Others could not tell where to write: `0.0.0.0` is no address of a card.
    #[error("the address of the network card is needed, and not just any")]
    Card,
    /// Libfabric has no such provider here, or it does not do what is needed.
    #[error("libfabric has no such provider here")]
    Provider,
    /// Libfabric failed to open it, with this error number.
    #[error("libfabric cannot open its provider: error {0}")]
    Open(i32),
    /// The system has no random bytes.
    #[error("the system has no random bytes")]
    Random,
}

impl From<super::raw::Code> for LibfabricError {
    fn from(code: super::raw::Code) -> Self {
        // What `fi_getinfo` answers when nothing suits.
        if code.0 == libfabric_sys::FI_ENODATA as i32 { Self::Provider } else { Self::Open(code.0) }
    }
}
