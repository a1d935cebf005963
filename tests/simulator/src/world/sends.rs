//! Updates that were sent, and what each of them means to the machine on top.

use notrace_store_protocol::ids::{Life, ShardId, Version};
use notrace_store_protocol::machine::Durability;
use notrace_store_protocol::rpc::Gather;

/// What an update does to the machine.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Op {
    /// Nothing: it is only there to be ordered.
    Note,
    /// Sets a register, or reads it, once for each number of a client's session.
    Register { client: usize, number: u32, register: u32, write: Option<u64> },
}

/// What became of a send.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum State {
    Open,
    Refused,
    Answered,
    NotApplied,
    Unknown,
}

/// One send; its number in the list is what travels as its bytes.
#[derive(Clone, Debug)]
pub(crate) struct Sent {
    pub(crate) shard: ShardId,
    pub(crate) node: usize,
    pub(crate) life: Life,
    /// Which of this life's sends in the shard.
    pub(crate) number: u32,
    pub(crate) request: u64,
    pub(crate) level: Durability,
    pub(crate) gather: Gather,
    pub(crate) op: Op,
    pub(crate) state: State,
    pub(crate) version: Option<Version>,
    /// What the machine replied where it was sent.
    pub(crate) reply: Option<u64>,
}
