//! The HTTP edge: TLS in front, strings end here.
//!
//! A request is parsed into the types of the layers below before anything is asked of the node;
//! nothing past this crate takes a text for a name. A refusal is a sentence with a stable code and
//! never carries a byte of what the client sent.
//!
//! Reading order: [`serve`] starts and stops; `accept` takes connections; `routes` is the surface;
//! `parse` and `body` read requests, `problem` and `translate` write answers.
#![forbid(unsafe_code)]

#[cfg(feature = "planted-leaks")]
mod leak;

mod limits;

mod serve;

mod accept;
mod credentials;
mod idle;
mod shown;
mod tls;
mod upkeep;

mod openapi;
mod routes;

mod auth;
mod body;
mod headers;
mod query;
mod unread;

mod problem;
mod translate;

pub use credentials::{CredentialsError, let_owner_in};
pub use notrace_platform_node::wipe_unused_stack;
pub use serve::{Banner, ServeError, ServeOptions, serve};
