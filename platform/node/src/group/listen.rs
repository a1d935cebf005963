//! The network that other nodes are met on: which one, and how it is opened.

use notrace_store_fabric::tcp::{Tcp, TcpConfig, TcpIdentity};
use notrace_store_protocol::ids::NodeId;
use notrace_store_replica::{
    Entry, FileStorage, Member, OnCall, Replica, SystemClock, fabric_name,
};

use super::place::Place;
use crate::config::{Carrier, Cluster, Provider};
use crate::identity::Identity;
use crate::start_error::StartError;

/// How this node turns to others.
pub(super) struct Outward<'a> {
    pub(super) cluster: &'a Cluster,
    pub(super) place: &'a Place,
    pub(super) identity: &'a Identity,
    /// What it lends to each link.
    pub(super) region_bytes: u32,
}

impl Outward<'_> {
    /// Listens, and begins as a member; with where others find it.
    /// # Errors  [`StartError`]
    pub(super) fn start(
        &self,
        replica: Replica<FileStorage>,
        entry: Entry,
        on_call: OnCall,
    ) -> Result<(Member, String), StartError> {
        match self.cluster.carrier {
            Carrier::Tcp => self.start_tcp(replica, entry, on_call),
            Carrier::Libfabric(provider) => self.start_libfabric(provider, replica, entry, on_call),
        }
    }

    fn start_tcp(
        &self,
        replica: Replica<FileStorage>,
        entry: Entry,
        on_call: OnCall,
    ) -> Result<(Member, String), StartError> {
        let (listen, region_bytes) = (self.cluster.listen, self.region_bytes);
        let identity = self.identity()?;
        let config = TcpConfig { listen, hello: Vec::new(), region_bytes, identity };
        let fabric = Tcp::open(config).map_err(StartError::Links)?;
        let address = self.address(fabric.local_addr());
        let member = replica.start(fabric, SystemClock, entry, on_call);
        Ok((member.map_err(StartError::Store)?, address))
    }

    #[cfg(feature = "libfabric")]
    fn start_libfabric(
        &self,
        provider: Provider,
        replica: Replica<FileStorage>,
        entry: Entry,
        on_call: OnCall,
    ) -> Result<(Member, String), StartError> {
        use notrace_store_fabric::libfabric::{self, Libfabric, LibfabricConfig, LibfabricError};
        let provider = match provider {
            Provider::Tcp => libfabric::Provider::Tcp,
            Provider::Shm => libfabric::Provider::Shm,
            Provider::Verbs => libfabric::Provider::Verbs,
            Provider::Efa => libfabric::Provider::Efa,
        };
        let (listen, card, reached_at) = (self.cluster.listen, self.cluster.card, None);
        let (hello, region_bytes, identity) = (Vec::new(), self.region_bytes, self.identity()?);
        let config =
            LibfabricConfig { provider, listen, card, reached_at, hello, region_bytes, identity };
        let fabric = Libfabric::open(config).map_err(|error| match error {
            LibfabricError::Control(error) => StartError::Links(error),
            error => StartError::Libfabric(error),
        })?;
        let address = self.address(fabric.local_addr());
        let member = replica.start(fabric, SystemClock, entry, on_call);
        Ok((member.map_err(StartError::Store)?, address))
    }

    #[cfg(not(feature = "libfabric"))]
    #[expect(clippy::unused_self, reason = "built with libfabric, it opens it")]
    fn start_libfabric(
        &self,
        _: Provider,
        _: Replica<FileStorage>,
        _: Entry,
        _: OnCall,
    ) -> Result<(Member, String), StartError> {
        Err(StartError::NoLibfabric)
    }

    fn identity(&self) -> Result<TcpIdentity, StartError> {
        let Place { node, group, .. } = self.place;
        let name = NodeId::new(*node).map(fabric_name).unwrap_or_default();
        let failed = |_| StartError::Step("make its certificate for other nodes");
        self.identity.fabric(&format!("{name}.{group}"), group).map_err(failed)
    }

    fn address(&self, listens_at: std::net::SocketAddr) -> String {
        self.cluster.advertise.clone().unwrap_or_else(|| listens_at.to_string())
    }
}
