//! The object store as a value: pools of versioned objects, changed by commands in one total order.
//!
//! [`Objects`] is a [`Machine`](notrace_store_protocol::machine::Machine). It holds ciphertext and
//! wrapped keys, never a plaintext nor a key that opens one. It reads no clock and draws no chance,
//! so all replicas come to the same state and the same replies.
//!
//! Forgetting is the idea to look at first: a [`Command::Shred`] gives a pool a new key and wraps
//! the surviving data keys anew under it. Whoever ordered it then destroys the old pool key, and
//! with it every copy of what did not survive, in the log, in snapshots and in backups alike.
//!
//! Reading order: [`limits`] bounds everything; `pool`, `sealed`, `command` and `found` are the
//! words; `object` is one object's versions, `pools` a pool's inside, `changes` what watchers read
//! and `sessions` what was answered; `objects` carries out, `reads` reads, `check` says what always
//! holds, and `codec` makes bytes of it.
#![forbid(unsafe_code)]

pub mod limits;

mod command;
mod found;
mod pool;
mod sealed;

mod changes;
mod object;
mod pools;
mod sessions;

mod check;
mod codec;
mod objects;
mod question;
mod reads;

#[cfg(test)]
mod spec;

pub use command::{Command, Condition, ObjectsConfig, Op, Reply, Session, ShredScope};
pub use found::{
    At, Change, ChangeKind, Found, HistoryEntry, HistoryTrimmed, ListEntry, Listed, Missing,
};
pub use notrace_policy_promise::release::Release;
pub use notrace_store_protocol::machine::Durability;
pub use objects::Objects;
pub use pool::{Consistency, Kept, PoolInfo, PoolSpec, Retain, Transport};
pub use question::{Answer, Question};
pub use sealed::{Sealed, WrappedKey};
