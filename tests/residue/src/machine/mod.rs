//! The whole machine: a guest under QEMU, in software, runs the node; all of its memory and its
//! disk are searched from outside, where nothing in the guest could hide anything.
//!
//! 1. `recipe`: Debian's kernel, a busybox and the product, made into a disk that boots.
//! 2. `guest`: the machine as it runs: switched on and off, stopped, and told what to do.
//! 3. `scenes`: what clients do, what then happens to the machine, and the hunt.
//!
//! A power cut is the one end after which memory is not searched: it is gone then, and what the
//! file that stands for it still has is not what anybody finds in a machine.

mod guest;
mod recipe;
pub mod scenes;

pub use recipe::Recipe;
