//! Evidence: what stands behind a node's keys, and how anyone checks it.
//!
//! A node says which keys belong together: the one that TLS shows, the one that requests are
//! sealed to, the one that signs its ledger. It signs that, and where it has hardware, the hardware
//! vouches for the very same. A client that verifies the one or the other comes to a *level*. No
//! level is ever written down in evidence; it follows from which verifier found what to be true,
//! and from what the client had pinned before.
//!
//! Everything here is pure: time comes in as an argument, certificates come with the evidence, and
//! nobody is asked.
//!
//! Reading order: `limits`; `bytes`, `hex`, `der`, `signature` and `certificate` are tools;
//! [`platform`] is what clients pin and `vendors` whose word counts; [`snp`], [`tdx`] and [`tpm`]
//! each read one vendor's form; `statement` and `envelope` are ours; [`verify`] is the judge.
#![forbid(unsafe_code)]

pub mod limits;

mod bytes;
mod der;
mod hex;

mod certificate;
mod signature;

pub mod platform;
mod vendors;

pub mod snp;
pub mod tdx;
pub mod tpm;

mod envelope;
mod statement;
mod verify;

pub use certificate::{BadChain, key_digest};
pub use envelope::{Hardware, compose};
pub use statement::{Binding, Kind};
pub use vendors::{AmdProduct, Vendors};
pub use verify::{Expected, Pins, Refused, Verdict, verify};
