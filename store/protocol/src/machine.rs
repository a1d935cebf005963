//! What consumes the order: a deterministic machine, and the place that each command gets in it.

use std::sync::Arc;

use crate::ids::Version;
use crate::time::Hlc;

/// Where and when a command was delivered. The same on every replica.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Place {
    /// The command's place in the shard's total order.
    pub version: Version,
    /// Its time, clamped so that it rises with the version.
    pub time: Hlc,
}

impl Place {
    /// Before every update.
    pub const ZERO: Place = Place { version: Version::ZERO, time: Hlc::ZERO };
}

/// How safe an update is when its sender hears of it. Ordered from weakest to strongest.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Durability {
    /// Ordered and applied by every member; it may be lost if all of them stop at once.
    Delivered,
    /// On the disks of a majority of the members.
    MajorityDurable,
    /// On the disks of all members.
    AllDurable,
}

impl Durability {
    /// The name used in configuration and on the wire.
    pub const fn name(self) -> &'static str {
        match self {
            Durability::Delivered => "delivered",
            Durability::MajorityDurable => "majority_durable",
            Durability::AllDurable => "all_durable",
        }
    }

    /// The durability of this name.
    pub fn named(name: &str) -> Option<Self> {
        [Self::Delivered, Self::MajorityDurable, Self::AllDurable]
            .into_iter()
            .find(|durability| durability.name() == name)
    }
}

/// A deterministic state machine fed by a total order. Given the same commands at the same places,
/// every replica reaches the same state and gives the same replies.
///
/// `apply` must not fail: a command that cannot be carried out is answered with a reply that says
/// so.
///
/// Source: Schneider, "Implementing Fault-Tolerant Services Using the State Machine Approach",
/// ACM Computing Surveys (1990).
pub trait Machine: Sized + Send + Sync + 'static {
    /// What is ordered.
    type Command: Send + 'static;
    /// What the sender of a command is told.
    type Reply: Send + 'static;

    /// A command as bytes, for the log and the network.
    fn encode(command: &Self::Command) -> Vec<u8>;

    /// The command of these bytes.
    /// # Errors  [`Malformed`] if they were not made by [`Machine::encode`] of this version.
    fn decode(bytes: &[u8]) -> Result<Self::Command, Malformed>;

    /// Applies the next command in the order. `place.version` and `place.time` exceed all before.
    fn apply(&mut self, place: Place, command: Self::Command) -> Self::Reply;

    /// The whole state as bytes, from which [`Machine::restore`] makes an equal machine.
    fn snapshot(&self) -> Vec<u8>;

    /// The same bytes as [`Machine::snapshot`], in parts. A machine that shares its large values
    /// hands them out here instead of copying them, so that a snapshot costs little memory and can
    /// be written while the machine goes on.
    fn snapshot_chunks(&self) -> Vec<Chunk> {
        vec![Chunk::Owned(self.snapshot())]
    }

    /// The last place that was applied, where the machine keeps it: so that a state which claims to
    /// be of an earlier one is not taken for it.
    fn applied(&self) -> Option<Place> {
        None
    }

    /// The machine of this snapshot.
    /// # Errors  [`Malformed`] if the bytes are not a snapshot of this version.
    fn restore(bytes: &[u8]) -> Result<Self, Malformed>;
}

/// A part of a snapshot.
pub enum Chunk {
    /// Bytes made for the snapshot.
    Owned(Vec<u8>),
    /// Bytes that the machine holds too.
    Shared(Arc<[u8]>),
}

impl AsRef<[u8]> for Chunk {
    fn as_ref(&self) -> &[u8] {
        match self {
            Chunk::Owned(bytes) => bytes,
            Chunk::Shared(bytes) => bytes,
        }
    }
}

/// Bytes that are not what they should be.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Malformed;

impl core::fmt::Display for Malformed {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str("the bytes are malformed")
    }
}

impl core::error::Error for Malformed {}
