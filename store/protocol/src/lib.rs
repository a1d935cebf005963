//! The words of the ordered store: where an update stands, when it happened, how safe it is, and
//! what a machine that consumes the order looks like.
//!
//! No dependency, no I/O, no clock, no randomness. The replicated group will live here; a group of
//! one is an ordinary group, so what is above this crate does not change when it arrives.
#![forbid(unsafe_code)]

pub mod effect;
pub mod event;
pub mod group;
pub mod ids;
pub mod journal;
pub mod layout;
pub mod limits;
pub mod machine;
pub mod mark;
pub mod message;
pub mod multicast;
pub mod order;
pub mod rising;
pub mod row;
pub mod rpc;
pub mod schedule;
pub mod sessions;
pub mod slots;
pub mod time;
pub mod transfer;
pub mod view;

mod membership;
mod share;
