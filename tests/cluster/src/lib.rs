//! Chaos against real processes: nodes on hosts of their own, faults from a seed, clients that
//! write down all they see, and checks of what they saw.
//!
//! Reading order: [`chance`] and [`moment`] are where randomness and time come in; [`lab`] gives
//! each node a host and hurts it; [`cluster`] starts the product there, and is the one file that
//! knows its command line; [`plan`] draws faults from a seed and [`storm`] performs them; [`door`]
//! is a connection; [`history`] is what clients remember; [`load`] is the clients; [`contents`] is
//! what members hold afterwards; [`checks`] judges; [`run`] does all of it once.
#![forbid(unsafe_code)]

pub mod limits;

pub mod chance;
pub mod moment;

pub mod lab;

pub mod cluster;

pub mod plan;
pub mod storm;

pub mod door;
pub mod history;
pub mod load;

pub mod contents;

pub mod checks;

pub mod run;
