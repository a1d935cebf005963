//! The store's shell: one thread that puts updates in order, makes them safe, and applies them.
//!
//! This crate owns the thread and the clock; everything below it is a value. A group has one member
//! for now, and is an ordinary group all the same: it has views, versions and durabilities, so what
//! is above does not change when more members come.
//!
//! Reading order: [`limits`]; [`Clock`] is time; [`Replica`] opens what the log holds and installs
//! the next view; [`Replicated`] is the handle that sends and reads; `queue` is what waits;
//! `worker` is the thread; `watchers` wait for the order to advance; [`SendError`] and its like say
//! what did not happen.
#![forbid(unsafe_code)]

pub mod limits;

mod clock;
mod replica;
mod replicated;

mod queue;
mod watchers;
mod worker;

mod error;

pub use clock::{Clock, ManualClock, SystemClock};
pub use error::{CheckpointError, OpenError, SendError};
pub use replica::{Replica, ReplicaConfig};
pub use replicated::{Delivered, Replicated};
