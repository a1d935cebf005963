//! The store's shell: one thread that owns clock, links and protocol, and a lane for each log.
//!
//! Everything below this crate is a value. A [`Replica`] is told of its shards, recovers what their
//! logs hold, and starts as a [`Member`] of a group: alone, among others, or catching up. A group
//! of one is an ordinary group. What is above sees a [`Replicated`] machine for each shard:
//! [`Replicated::ordered_send`] puts an update into its total order, [`Replicated::latest`] waits
//! until a read sees everything that anybody was told of.
//!
//! Reading order: [`limits`]; [`Clock`] is time and [`Storage`] folders; `replica` begins; `worker`
//! is the thread, `life` how it leaves the group and comes back, `perform` what it does, `traffic`
//! what comes and goes over `links` as `letters`, as far as an [`Admission`] allows, and `inside`
//! what does within the process; `rings` is what is under way; `reads` is one dialogue of its own,
//! `transfer` and `learn` are the two sides of another, with states from `snapshots` and `lends`;
//! `shard` and `host` are a shard without and with its machine's type; `lane` and `records` are the
//! disk's threads, `checkpoints` when a log is trimmed, `encode` how a state is told, `past` and
//! `line` what logs hold; `asks` and `seats` are who waits; [`Replicated`] and [`Member`] are the
//! handles.
#![forbid(unsafe_code)]

pub mod limits;

mod clock;
mod storage;

mod replica;

mod life;
mod worker;

mod perform;
mod traffic;

mod inside;

mod admission;

mod letters;
mod links;
mod rings;

mod learn;
mod lends;
mod reads;
mod snapshots;
mod transfer;

mod host;
mod shard;

mod checkpoints;
mod encode;
mod lane;
mod line;
mod past;
mod records;
mod reports;

mod asks;
mod background;
mod bell;
mod seats;
mod watchers;

mod member;
mod replicated;

mod error;

pub use admission::{Admission, Verdict};
pub use clock::{Clock, ManualClock, SystemClock};
pub use error::{CallError, CheckpointError, Failure, Fault, OpenError, ReadError, SendError};
pub use links::fabric_name;
pub use member::{Answerer, BootId, CutOff, Member, OnCall, ShardStatus, Status};
pub use notrace_store_log::OpenError as LogError;
pub use replica::{Entry, Replica, ReplicaConfig};
pub use replicated::{Delivered, Generation, Replicated};
pub use storage::{FileStorage, Storage};
