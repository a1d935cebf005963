//! A whole cluster in one thread, from one seed.
//!
//! [`plan`] is what befalls it, written down; [`world`] is the shell of every node, its network and
//! its disk, moved by one queue; `checks` hold one safety property each and are asked as things
//! happen; [`coverage`] counts the rare paths that were walked; [`swarm`] runs many seeds, and
//! [`shrink`] makes a failing one small.
#![forbid(unsafe_code)]
#![expect(clippy::indexing_slicing, reason = "a simulator that misses its own tables shall stop")]

pub mod random;

pub mod plan;

mod shape;

pub mod world;

mod checks;

pub mod coverage;

pub mod swarm;

pub mod shrink;

pub use checks::Violation;
