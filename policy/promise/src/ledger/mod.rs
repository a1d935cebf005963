//! The public log, as values: a Merkle tree, its static files, its signed heads, and proofs.
//!
//! Hashing is RFC 6962; files are C2SP `tlog-tiles`, heads `tlog-checkpoint`, proofs `tlog-proof`.
//! The tree's arithmetic is `tlog_tiles`'; what is here binds it to our files and limits.
//!
//! Reading order: [`tile`] names the files and fills them; [`tree`] grows and proves;
//! [`checkpoint`] is the head that the log signs; [`proof`] is the file that a client keeps.

pub mod checkpoint;
pub mod proof;
pub mod tile;
pub mod tree;

pub use tlog_tiles::Hash;
