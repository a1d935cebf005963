//! Runs one WebAssembly task on exactly what it is granted.
//!
//! The crate links an engine and nothing else: it opens no file and no socket, reads no clock,
//! draws no randomness and starts no thread. A run is a function of its [`Grant`]: the same code on
//! the same grant gives the same answer, so any run can be repeated and audited.
//!
//! Reading order. Before a run: [`refused`] is why a module is not taken and [`task`] what it is
//! when it is taken; `check` looks at bytes without compiling them; `engine` is the one
//! configuration, argued line by line; `preview1` makes components of old programs, `compile` makes
//! machine code, and [`load`] is the only place that trusts it. During a run: [`run`] is what a run
//! is given and how it ends, `execute` leads it from a fresh store to that end, and `host` is all
//! the guest can see. [`sandbox`] ties them.
//!
//! What a run leaves: its linear memories are unmapped, and its input, objects, answer and messages
//! are wiped as they are dropped. Copies in the engine's own tables and on the stack are not; the
//! worker that ran it wipes its heap on free and dies after one run, which ends them all.

// `unsafe` stands in `load` alone, which expects it; everything else is denied.
#![deny(unsafe_code)]

/// Leaks, in a build that has leaks and where the leak of this number is chosen; else nothing.
macro_rules! planted {
    ($number:literal, $leak:expr) => {
        #[cfg(feature = "planted-leaks")]
        if $crate::leak::is($number) {
            $leak
        }
    };
}

#[cfg(feature = "planted-leaks")]
pub mod leak;

pub mod limits;
pub mod name;

pub mod refused;
pub mod task;

mod check;
mod compile;
mod engine;
pub mod load;
mod preview1;

mod execute;
mod host;
pub mod run;

pub mod sandbox;

#[cfg(feature = "weaken")]
pub mod weakened;

#[cfg(all(feature = "weaken", not(debug_assertions)))]
compile_error!(
    "the feature `weaken` opens the sandbox: it is for tests, never for a release build"
);

pub use load::AuthenticCode;
pub use refused::Refused;
pub use run::{End, Ended, Failure, Grant, Limits, Resource, TrapKind};
pub use sandbox::{Compiled, Interrupter, Loaded, Sandbox, SandboxError};
pub use task::{Inspection, Task, World};
