//! A client of one node: typed calls over pinned TLS, and the checks that make trust unnecessary.
//!
//! [`Client::new`] takes the credentials a node wrote and talks to that node and no other: its
//! certificate must come from the one authority in them. Mutations carry an idempotency key of
//! their own, so that repeating one whose reply was lost is safe; what may be repeated is repeated,
//! a bounded number of times. Refusals come back as the node's [`Problem`](wire::Problem) with its
//! stable code; whatever speaks against trust has an error of its own.
//!
//! Reading order: [`limits`], [`error`], [`credentials`], `trust` (who is on the other end), `call`
//! (one request and its repetitions), [`source`] and [`download`] (bodies), then the calls by
//! subject: [`pool`], [`object`], [`watch`] over `sse`, [`task`], [`run`], [`receipt`],
//! [`node`]; [`verify`] needs no node at all.
#![forbid(unsafe_code)]

pub mod limits;

pub mod error;

pub mod credentials;
mod trust;

mod deed;
mod tries;

mod members;

mod call;
mod client;
pub mod download;
pub mod source;

pub mod object;
pub mod pool;
pub mod watch;

mod sse;

pub mod receipt;
pub mod run;
pub mod task;

pub mod cluster;
pub mod node;

pub mod verify;

pub use client::{Client, Patience};
pub use error::Error;
/// The types of what a node says, for callers that pass them on.
pub use notrace_sdk_wire as wire;
pub use trust::Fingerprint;
