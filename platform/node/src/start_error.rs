//! Why a node does not start, or not go on.

use notrace_store_replica::{Failure, LogError, OpenError};

use crate::keys::{KeyError, NotItsStore};
use crate::ledger::LedgerError;

/// Why a node does not start, and has served nobody; or why it ended by itself.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// Another node runs in this folder.
    #[error("another node runs in this folder; stop it first, or choose another with --dir")]
    InUse,
    /// The key table cannot be used.
    #[error("{0}")]
    Keys(KeyError),
    /// The store and the key table do not belong together.
    #[error("{0}")]
    NotItsStore(NotItsStore),
    /// The store cannot be opened.
    #[error("the store cannot be opened: {0}")]
    Store(OpenError),
    /// The ledger cannot be opened.
    #[error("the ledger cannot be opened: {0}")]
    Ledger(LedgerError),
    /// The workers cannot be started.
    #[error("no worker can be started: {0}")]
    Workers(notrace_runtime_worker::StartError),
    /// A strict node lacks something it requires.
    #[error("--strict refuses to serve without: {}", .0.join(", "))]
    Missing(Vec<&'static str>),
    /// It cannot listen for other nodes.
    #[error("other nodes cannot be listened for: {0}")]
    Links(notrace_store_fabric::tcp::TcpError),
    /// It should meet other nodes over libfabric, and cannot.
    #[cfg(feature = "libfabric")]
    #[error("libfabric cannot be used: {0}")]
    Libfabric(notrace_store_fabric::libfabric::LibfabricError),
    /// It should meet other nodes over libfabric, and was built without.
    #[error("this notrace was built without libfabric")]
    NoLibfabric,
    /// It is one of several nodes.
    #[error("this node is one of a group; start it with --cluster HOST:PORT")]
    NeedsCluster,
    /// Its store ended by itself.
    #[error("this node cannot go on: {0}")]
    Failed(Failure),
    /// The node left its group for good.
    #[error("this node left its group for good; begin in another folder, with a new token")]
    LeftItsGroup,
    /// Its group keeps its objects otherwise than the configuration says.
    #[error(
        "this node's group was founded with {shards} shards and {copies} copies of each, which \
         cannot be changed; leave `shards` and `copies` out"
    )]
    OtherShape {
        /// How many shards it has.
        shards: u16,
        /// How many nodes hold each.
        copies: u16,
    },
    /// A step of the start that should not fail did.
    #[error("the node could not {0}")]
    Step(&'static str),
}

/// What has to be changed before the node can go on.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum ToChange {
    /// A setting.
    Setting,
    /// The fences that the host gives.
    Fences,
    /// The program: it was built without libfabric.
    Program,
    /// Where it listens for other nodes.
    Address,
    /// Who uses the folder.
    FolderUser,
    /// What is in the folder.
    Folder,
    /// How many run with copies of the folder.
    Copy,
    /// The folder itself: the node left its group.
    Group,
    /// The disk.
    Disk,
    /// Nothing that we know of.
    Unknown,
}

impl StartError {
    /// Where its remedy lies.
    pub const fn to_change(&self) -> ToChange {
        match self {
            Self::NeedsCluster | Self::OtherShape { .. } => ToChange::Setting,
            Self::Missing(_) => ToChange::Fences,
            Self::NoLibfabric => ToChange::Program,
            Self::Links(_) => ToChange::Address,
            Self::InUse
            | Self::Ledger(LedgerError::InUse)
            | Self::Store(OpenError::Log(LogError::InUse)) => ToChange::FolderUser,
            Self::Keys(KeyError::Damaged)
            | Self::NotItsStore(_)
            | Self::Ledger(LedgerError::Damaged | LedgerError::OtherLog)
            | Self::Store(
                OpenError::NoCheckpoint
                | OpenError::Record
                | OpenError::FewerShards
                | OpenError::Log(
                    LogError::Corrupt { .. }
                    | LogError::CorruptCheckpoint
                    | LogError::Missing
                    | LogError::Refused { .. },
                ),
            )
            | Self::Failed(Failure::Unreadable) => ToChange::Folder,
            Self::Failed(Failure::Twin) => ToChange::Copy,
            Self::LeftItsGroup => ToChange::Group,
            Self::Keys(KeyError::Files { .. })
            | Self::Ledger(LedgerError::Files { .. })
            | Self::Store(
                OpenError::Log(LogError::Disk { .. })
                | OpenError::Checkpoint(_)
                | OpenError::RecordFile { .. },
            )
            | Self::Failed(Failure::Disk { .. } | Failure::Backlog) => ToChange::Disk,
            _ => ToChange::Unknown,
        }
    }
}
