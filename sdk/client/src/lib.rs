//! A client of a node and its group: typed calls over pinned TLS, and the checks that make trust
//! unnecessary.
//!
//! [`Client::new`] takes the credentials a node wrote and talks to that node and the members of its
//! group: their certificates must come from the one authority in them. Where one member does not do
//! what is asked, another is asked; a change carries an idempotency key of its own, so that it is
//! made once all the same, and what may not be asked twice is not. Refusals come back as the node's
//! [`Problem`](wire::Problem) with its stable code; whatever speaks against trust has an error of
//! its own.
//!
//! Reading order: [`limits`], [`error`], [`credentials`], `trust` (who is on the other end), `deed`
//! (what may be done twice), `tries` (how often, and how long apart), `members` (who there is),
//! `call` (one request), `client` (how it comes to an answer), `sealing` (so that
//! nobody in between can read it), [`source`] and [`download`]
//! (bodies), then the calls by subject: [`pool`], [`object`], [`watch`] over `sse`, [`task`],
//! [`run`], [`receipt`], [`node`], [`rules`]; [`verify`] needs no node at all.
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
mod sealing;
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
pub mod rules;

pub mod verify;

pub use client::{Client, Patience};
pub use error::Error;
/// The types of what a node says, for callers that pass them on.
pub use notrace_sdk_wire as wire;
pub use trust::Fingerprint;
