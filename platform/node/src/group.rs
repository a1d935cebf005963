//! The group that keeps the store: which shards there are, and how this node comes to it.

use notrace_store_fabric::loopback::Network;
use notrace_store_objects::{Objects, ObjectsConfig};
use notrace_store_protocol::ids::NodeId;
use notrace_store_protocol::layout::{Mode, Senders, ShardSpec};
use notrace_store_replica::{
    Entry, FileStorage, Member, Replica, ReplicaConfig, Replicated, SystemClock, fabric_name,
};

use crate::config::Config;
use crate::node::StartError;

/// How many copies of a shard there are, where there are as many nodes.
const COPIES: u16 = 3;

/// The first node of a group.
const FOUNDER: NodeId = match NodeId::new(1) {
    Some(node) => node,
    None => panic!("1 is a node"),
};

/// Opens what this node has of the store, and begins as a member of its group.
/// # Errors  [`StartError::Store`]
pub(crate) fn open(config: &Config) -> Result<(Replicated<Objects>, Member), StartError> {
    let mut replica_config = ReplicaConfig::new(FOUNDER);
    replica_config.limits.heartbeat = 100_000;
    let storage = FileStorage::below(config.dir.join("store"));
    let mut replica = Replica::on(storage, replica_config.clone());
    let spec = ShardSpec { min: 1, max: COPIES, senders: Senders::All, mode: Mode::Durable };
    // The same at every node for ever; bounds that a configuration names are ordered.
    let first = || Objects::new(ObjectsConfig::default());
    let objects = replica.shard(spec, first).map_err(StartError::Store)?;
    let region = replica_config.region_bytes;
    let fabric = Network::default().endpoint(&fabric_name(FOUNDER), &[], region);
    let member = replica.start(fabric, SystemClock, Entry::Found, Box::new(|_, _, _| {}));
    Ok((objects, member.map_err(StartError::Store)?))
}
