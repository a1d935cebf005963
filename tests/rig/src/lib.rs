//! A real node in a folder of its own, and connections to it, for the suites that attack and
//! measure one from outside.
#![forbid(unsafe_code)]

pub mod link;
pub mod node;
pub mod process;
pub mod sealed;

pub use link::Link;
pub use node::Node;
pub use process::Process;
pub use sealed::Sealer;
