//! The words of the ordered store: where an update stands, when it happened, how safe it is, and
//! what a machine that consumes the order looks like.
//!
//! No dependency, no I/O, no clock, no randomness. The replicated group will live here; a group of
//! one is an ordinary group, so what is above this crate does not change when it arrives.
#![forbid(unsafe_code)]

pub mod ids;
pub mod time;

pub mod order;
pub mod rising;

pub mod machine;
pub mod rpc;
pub mod sessions;
