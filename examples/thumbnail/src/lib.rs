//! A small picture of a large one.
//!
//! Takes a JPEG or PNG, turns it the way the camera was held, and gives back the same kind at the
//! width asked for. [`picture`] is the work and knows nothing of tasks; [`guest`] is the task and
//! exists only where there is a host to call.

pub mod picture;

#[cfg(target_family = "wasm")]
mod guest;
