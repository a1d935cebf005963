//! One channel, two sides, used once: the supervisor in the node, and the worker it hands a job to.
//!
//! The plaintext of a task exists in its worker alone. What passes between the two is ciphertext,
//! under a key that passes in a page of secret memory. What a client sealed passes as it is, and is
//! opened in the worker, which also seals the answer to it. A worker's answer is read only once the
//! worker is dead: nobody can change it while it is read, and no answer exists whose worker does.
//!
//! Reading order: `limits`; `job` is what goes in and comes out; `code` and `cache` are
//! what is run; `channel` and `letter` are what passes; `worker` is the one side, `guest`
//! its call of the sandbox; `cores` and `topology` are which core it is on; `supervisor` is the
//! other side, `residue` what is left of a run, `sweep` what the kernel keeps of the dead;
//! `compile` makes code.
#![forbid(unsafe_code)]

#[cfg(feature = "planted-leaks")]
pub mod leak;
pub use notrace_runtime_jail::planted;

pub mod limits;

mod job;

mod cache;
mod code;

mod channel;
mod letter;

mod guest;
mod worker;

mod compile;

mod cores;
mod topology;

mod residue;
mod supervisor;
mod sweep;

pub use cache::{CacheError, CodeCache};
pub use code::Code;
pub use compile::{CompileError, Compiled, main as compile_main};
pub use cores::Tenant;
pub use job::{End, Given, GrantedObject, Job, KillReason, Limits, Outcome, RunError};
pub use notrace_runtime_jail::{Fence, State, Why, harden_process};
pub use notrace_runtime_sandbox::{Refused, Resource, Task, TrapKind, World};
pub use residue::{Residue, Scrubbed, scrub};
pub use supervisor::process::Exit;
pub use supervisor::template::StartError;
pub use supervisor::{Supervisor, SupervisorConfig};
pub use sweep::main as sweep_main;
pub use worker::main as worker_main;

/// For tests that leave fences out.
#[cfg(feature = "weaken")]
pub mod weakened {
    pub use crate::compile::main_attempting as attempt_main;
    pub use crate::compile::main_weakened as compile_main;
    pub use crate::worker::main_weakened as worker_main;
    pub use notrace_runtime_jail::weakened::{Plan, raw, rules};
    pub use notrace_runtime_sandbox::weakened::{INTERFACE, open};
}

/// Memory for keys that not even root can read, where the kernel has it.
pub mod secret {
    pub use notrace_runtime_jail::secret::{Secret, SecretBytes};
}
