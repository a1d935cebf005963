//! A member that is alone.

use notrace_store_fabric::loopback::Network;
use notrace_store_protocol::layout::Mode;
use notrace_store_replica::{
    Clock, Entry, Member, OpenError, Replica, ReplicaConfig, Replicated, Storage, fabric_name,
};

use crate::common::{Lines, node, spec};

/// One member with one durable shard of [`Lines`], on a network of its own.
pub(crate) fn open_with<S: Storage>(
    storage: S,
    config: ReplicaConfig,
    clock: impl Clock,
) -> Result<(Replicated<Lines>, Member), OpenError> {
    let mut replica = Replica::on(storage, config);
    let lines = replica.shard(spec(Mode::Durable), Lines::default)?;
    let fabric = Network::default().endpoint(&fabric_name(node(1)), &[], 1 << 16);
    let member = replica.start(fabric, clock, Entry::Found, Box::new(|_, _, _| {}))?;
    Ok((lines, member))
}
