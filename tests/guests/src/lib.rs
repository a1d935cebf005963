//! What the example guests promise, checked without a node.
//!
//! [`module`] reads what a committed module imports and exports; [`native`] compiles a guest in C
//! for this machine, where it runs under the checks of a sanitizer.

#![forbid(unsafe_code)]

pub mod module;
pub mod native;

use std::path::PathBuf;

/// A file of the repository.
#[must_use]
pub fn file(path: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../..").join(path)
}
