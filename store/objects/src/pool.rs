//! Pools: what all objects in one have in common.

use notrace_policy_promise::label::Label;
use notrace_policy_promise::name::PoolName;
use notrace_policy_promise::release::{Failures, Release};
use notrace_store_protocol::machine::{Durability, Place};

/// How long a version may stay.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Retain {
    /// Until it is shredded.
    Forever,
    /// This many microseconds from when it was written, whether it is current or not.
    Micros(u64),
}

/// What readers of a pool may rely on. Data flows from stronger to weaker pools only.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Consistency {
    /// A read sees every write that was answered before it began.
    Linearizable,
    /// A read sees what its reader has seen or written before.
    Causal,
    /// Nothing; the values can be made again.
    Scratch,
}

/// How values of a pool may come and go.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Transport {
    /// In any way.
    Any,
    /// Sealed by the client only; the node never sees them.
    Sealed,
    /// Plainly, inside TLS; the node sees them in passing.
    Tls,
}

/// Where versions of a pool are kept.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Kept {
    /// In memory, and on the disks of those who hold them.
    OnDisk,
    /// In memory alone; nothing of them ever is in a file. What all holders lose at once is gone.
    InMemory,
}

impl Consistency {
    /// The name used in configuration and on the wire.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Linearizable => "linearizable",
            Self::Causal => "causal",
            Self::Scratch => "scratch",
        }
    }
}

impl Transport {
    /// The name used in configuration and on the wire.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Any => "any",
            Self::Sealed => "sealed",
            Self::Tls => "tls",
        }
    }
}

/// What a pool is created with. It never changes.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct PoolSpec {
    /// How long a version may stay.
    pub retain: Retain,
    /// How safe a write is when its sender hears of it.
    pub durability: Durability,
    /// Where versions are kept.
    pub kept: Kept,
    /// What readers may rely on.
    pub consistency: Consistency,
    /// How values may come and go.
    pub transport: Transport,
    /// How confidential the values are.
    pub label: Option<Label>,
    /// What shows outside of runs that read them.
    pub release: Release,
}

impl PoolSpec {
    /// Whether runs that read the pool must come sealed. Failures can look like answers only where
    /// both are.
    pub fn sealed_only(&self) -> bool {
        self.transport == Transport::Sealed || self.release.failures == Failures::Alike
    }
}

/// A pool as it is now.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct PoolInfo {
    /// Its name.
    pub name: PoolName,
    /// What it was created with.
    pub spec: PoolSpec,
    /// Which of the pool's successive keys wraps its data keys.
    pub key_epoch: u32,
    /// Where its creation stands in the order.
    pub created: Place,
    /// Objects that have a current value.
    pub objects: u64,
    /// Ciphertext bytes of all kept versions.
    pub bytes: u64,
}
