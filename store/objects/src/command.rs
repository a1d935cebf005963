//! What can be ordered, and what its sender is told.

use notrace_policy_promise::name::{ObjectKey, PoolName};
use notrace_store_protocol::ids::Version;
use notrace_store_protocol::machine::Place;
use notrace_store_protocol::time::Hlc;

use crate::limits::{BYTES_MAX_DEFAULT, POOLS_MAX_DEFAULT};
use crate::pool::PoolSpec;
use crate::sealed::{Sealed, WrappedKey};

/// What must hold for an operation to be carried out. A tombstone and a shredded object are absent.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Condition {
    /// Nothing.
    Always,
    /// The object has no current value.
    Absent,
    /// The object's current value is of this version.
    VersionIs(Version),
}

/// A client's own name for a request, so that it is applied once however often it is sent.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Session {
    /// A digest of the principal and the name.
    pub id: [u8; 32],
    /// A digest of what is asked, to tell a repeat from another request of the same name.
    pub request: [u8; 32],
}

/// One operation of a transaction.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Op {
    /// Stores a value.
    Put {
        /// The object's key.
        key: ObjectKey,
        /// What must hold.
        condition: Condition,
        /// The value.
        value: Sealed,
    },
    /// Puts a tombstone, unless there is no value anyway.
    Delete {
        /// The object's key.
        key: ObjectKey,
        /// What must hold.
        condition: Condition,
    },
    /// Changes nothing.
    Check {
        /// The object's key.
        key: ObjectKey,
        /// What must hold.
        condition: Condition,
    },
}

impl Op {
    /// The object it is about.
    pub fn key(&self) -> &ObjectKey {
        match self {
            Op::Put { key, .. } | Op::Delete { key, .. } | Op::Check { key, .. } => key,
        }
    }

    /// What must hold.
    pub fn condition(&self) -> Condition {
        match self {
            Op::Put { condition, .. }
            | Op::Delete { condition, .. }
            | Op::Check { condition, .. } => *condition,
        }
    }
}

/// What a shred destroys.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum ShredScope {
    /// All versions of an object.
    Object(ObjectKey),
    /// The pool with everything in it.
    Pool,
    /// Every version written before this time, of all objects of the pool, current ones too.
    OlderThan(Hlc),
}

/// Bounds of one machine.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct ObjectsConfig {
    /// Bytes it may hold: ciphertext, keys, and [`crate::limits::VERSION_COST`] and
    /// [`crate::limits::OBJECT_COST`] for what goes with them.
    pub bytes_max: u64,
    /// Pools it may hold.
    pub pools_max: u32,
}

impl Default for ObjectsConfig {
    fn default() -> Self {
        Self { bytes_max: BYTES_MAX_DEFAULT, pools_max: POOLS_MAX_DEFAULT }
    }
}

/// What can be ordered.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Command {
    /// Makes a pool.
    CreatePool {
        /// Its name.
        pool: PoolName,
        /// Its properties.
        spec: PoolSpec,
        /// Its first key.
        key_epoch: u32,
    },
    /// Stores a value.
    Put {
        /// The pool.
        pool: PoolName,
        /// The object's key.
        key: ObjectKey,
        /// What must hold.
        condition: Condition,
        /// The value, its data key wrapped by the pool's current key.
        value: Sealed,
        /// The request it is part of.
        session: Option<Session>,
    },
    /// Puts a tombstone.
    Delete {
        /// The pool.
        pool: PoolName,
        /// The object's key.
        key: ObjectKey,
        /// What must hold.
        condition: Condition,
        /// The request it is part of.
        session: Option<Session>,
    },
    /// Carries out all operations as one version, or none. All conditions are about the state
    /// before it, and a key is written at most once.
    Transact {
        /// The pool.
        pool: PoolName,
        /// The operations.
        ops: Vec<Op>,
        /// The request it is part of.
        session: Option<Session>,
    },
    /// Destroys versions by giving the pool a new key that they are not wrapped under. Whoever
    /// sends it destroys the old key once it is delivered.
    Shred {
        /// The pool.
        pool: PoolName,
        /// What is destroyed.
        scope: ShredScope,
        /// The pool's key until now.
        from_epoch: u32,
        /// The pool's key from now on; larger.
        to_epoch: u32,
        /// The surviving data keys under the new key, in the order of
        /// [`crate::Objects::survivors`]. Empty if the pool goes.
        rewrapped: Vec<([u8; 16], WrappedKey)>,
    },
    /// Changes the bounds. They are part of the state, because the replies depend on them and a
    /// replayed command must get the reply it got.
    Configure(ObjectsConfig),
}

/// What the sender of a command is told. All but the first six mean that nothing has changed.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Reply {
    /// The pool is there.
    PoolCreated {
        /// Where it stands.
        place: Place,
    },
    /// The value is stored.
    Stored {
        /// Its version and time.
        place: Place,
        /// Whether there was no value before.
        created: bool,
    },
    /// The tombstone is there.
    Deleted {
        /// Its version and time.
        place: Place,
    },
    /// All operations are carried out.
    Transacted {
        /// Their version and time.
        place: Place,
    },
    /// What was to be destroyed is wrapped under a key that is no longer the pool's.
    Shredded {
        /// Where the shred stands.
        place: Place,
        /// How many values it destroyed.
        versions: u64,
    },
    /// The bounds are set.
    Configured,
    /// The data key was wrapped by a key that is not the pool's; wrap it again.
    StaleKey {
        /// The pool's key.
        current: u32,
    },
    /// The pool changed since the survivors were read; read and wrap them again.
    Moved,
    /// No such pool.
    PoolUnknown,
    /// There is a pool of this name.
    PoolExists,
    /// There are as many pools as there may be.
    PoolsFull,
    /// The object has no value that could be deleted, or no version that could be shredded.
    ObjectUnknown,
    /// A condition does not hold.
    Mismatch {
        /// The version of the current value, if there is one.
        current: Option<Version>,
        /// Which operation of a transaction it was, counted from 0.
        index: Option<u32>,
    },
    /// A transaction writes a key that an earlier operation of it writes too.
    WrittenTwice {
        /// Which operation it was, counted from 0.
        index: u32,
    },
    /// The session's name came with another request before.
    SessionMismatch,
    /// There is no room for it.
    OutOfSpace,
    /// A transaction has more operations than it may.
    TooManyOps,
}
