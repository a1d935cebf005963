//! Every interleaving of a small cluster.
//!
//! [`world`] is a cluster as one value: the very code that ships, its disks, and what is on its way
//! between the nodes. [`model`] lists what may happen next in a world, within the bounds of a
//! [`model::Scenario`], and what must hold whatever happens; stateright walks all of it.
//! [`scenarios`] are those that are walked.

#![forbid(unsafe_code)]
#![expect(
    clippy::indexing_slicing,
    reason = "nodes and links are numbered by those who ask; a number out of range is a fault here"
)]

pub mod model;
pub mod scenarios;
pub mod world;
