//! Runs one WebAssembly task on exactly what it is granted.
#![deny(unsafe_code)]

pub mod limits;

pub mod name;

pub mod refused;
pub mod task;

pub mod load;
pub mod run;
pub mod sandbox;

pub use load::AuthenticCode;
pub use refused::Refused;
pub use run::{End, Ended, Failure, Grant, Limits, Resource, TrapKind};
pub use sandbox::{Compiled, Interrupter, Loaded, Sandbox, SandboxError};
pub use task::{Inspection, Task, World};
