//! The hunt for what should be gone: a canary, in the forms it may have taken, in the memory of
//! processes and in files.
//!
//! A search that finds nothing proves nothing by itself. Every test that hunts therefore also shows
//! that the same hunt finds the canary where it is known to be.
#![forbid(unsafe_code)]

mod canary;
mod hunt;

pub use canary::{Canary, Form};
pub use hunt::{Find, in_files, in_memory};
