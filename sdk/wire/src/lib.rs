//! What client and node say to each other, as types: bodies, header names, error codes.
//!
//! Nothing here does I/O or knows a format's library: every type is plain serde with a schema, and
//! the two ends bring `serde_json` or `toml`. Requests refuse fields they do not know; replies may
//! grow new ones, so that an older client can talk to a newer node. Names, digests and versions are
//! parsed types already here, spelt on the wire as they are printed.
//!
//! Reading order: [`text`] spells a type as its text; [`version`] and [`time`] say when; [`code`]
//! and [`problem`] say no; [`pool`], [`object`], [`transact`], [`watch`] are the store; [`task`]
//! and [`run`] the work; [`node`] what a node says of itself [`cluster`] of its group and
//! [`rules`] of who may do what;
//! [`header`] and [`path`] where it all goes; [`credentials`] is the file that lets a client in.
#![forbid(unsafe_code)]

pub mod text;

pub mod time;
pub mod version;

pub mod code;
pub mod problem;

pub mod object;
pub mod pool;
pub mod transact;
pub mod watch;

pub mod run;
pub mod task;

pub mod cluster;
pub mod node;
pub mod rules;

pub mod header;
pub mod path;

pub mod credentials;

pub use code::Code;
pub use credentials::Credentials;
pub use problem::Problem;
pub use time::Time;
pub use version::Version;
