//! For tests alone: what it takes to see that a fence holds, and that without it nothing would.
//!
//! [`raw`] makes any system call, as somebody would who has taken a process over; [`rules`] counts
//! which of the filters' rules are ever used.

pub mod raw;
pub mod rules;

pub use crate::Plan;
