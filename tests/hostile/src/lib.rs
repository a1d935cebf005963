//! Bad input against a real node: every refusal has its code, and the node is alive after it.
//!
//! The tests are in `tests/`; the modules they send are in `fixtures/`. What is here feeds a node
//! with modules by the thousand: `random` is where chance comes from, `make` what is fed, `feed`
//! how, and what must be the case after it, `standing` what a node is made of while it stands,
//! `neighbour` an honest client at the same node, and how it fares.
#![forbid(unsafe_code)]

pub mod feed;
pub mod make;
pub mod neighbour;
pub mod random;
pub mod standing;
