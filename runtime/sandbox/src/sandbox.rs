//! The engine with all that can be prepared before any task is known.

use core::ops::Range;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use wasmtime::component::Linker;
use wasmtime::{CustomCodeMemory, Engine};

use crate::check;
use crate::compile;
use crate::engine;
use crate::execute::{self, Ready};
use crate::host::{self, State};
use crate::load::{AuthenticCode, Executable, Inert};
use crate::refused::Refused;
use crate::run::{Ended, Grant, Limits};
use crate::task::{Inspection, Task, World};

/// The engine with everything that can be prepared before any task is known. Made once per process,
/// best before it forks: what is prepared here is inherited.
pub struct Sandbox {
    engine: Engine,
    linker: Linker<State>,
    interrupts: Arc<AtomicU64>,
}

/// Ends a run from outside. Cheap to clone; may be used from another thread or a signal handler.
#[derive(Clone)]
pub struct Interrupter {
    engine: Engine,
    interrupts: Arc<AtomicU64>,
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
    ready: Ready,
    place: Option<Range<*const u8>>,
    interrupts_before: u64,
}

/// Why the sandbox could not do its duty. Never the fault of a module.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum SandboxError {
    /// The engine does not work on this machine.
    #[error("the engine cannot be set up on this machine")]
    Engine,
    /// The compiled code could not be mapped.
    #[error("the compiled code could not be mapped: {0}")]
    Mapping(std::io::ErrorKind),
    /// The code was compiled by another version, for another machine, or is no code.
    #[error("the compiled code is not of this engine; compile it again")]
    Foreign,
    /// The code has no entry or needs what is not offered, so it was not compiled here.
    #[error("the compiled code does not fit the host")]
    Unfit,
}

impl Sandbox {
    /// The engine and the host's functions, for a process that runs tasks.
    ///
    /// # Errors  [`SandboxError::Engine`] if this machine cannot run it.
    pub fn new() -> Result<Self, SandboxError> {
        let sandbox = Self::with(Arc::new(Executable))?;
        // The signal stack of this thread is made now, so that a fork inherits it.
        Engine::tls_eager_initialize();
        Ok(sandbox)
    }

    /// The same for a process that only compiles: it never asks for executable memory, so it needs
    /// no right to it. What it loads, it cannot run.
    ///
    /// # Errors  [`SandboxError::Engine`] if this machine cannot run it.
    pub fn for_compiling() -> Result<Self, SandboxError> {
        Self::with(Arc::new(Inert))
    }

    fn with(memory: Arc<dyn CustomCodeMemory>) -> Result<Self, SandboxError> {
        let engine = engine::engine(memory).map_err(|_| SandboxError::Engine)?;
        let linker = host::linker(&engine).map_err(|_| SandboxError::Engine)?;
        Ok(Self { engine, linker, interrupts: Arc::default() })
    }

    /// Says all there is to say about `module`, refused or not. Compiles nothing.
    ///
    /// # Errors  If it is not a valid module at all.
    pub fn inspect(&self, module: &[u8]) -> Result<Inspection, Refused> {
        check::inspect(module)
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
        let task = self.check(module)?;
        let code = compile::compile(&self.engine, &self.linker, &task, module)?;
        Ok(Compiled { task, code })
    }

    /// Makes compiled code ready to run.
    ///
    /// # Errors  If it is not code of this engine.
    pub fn load(&self, code: AuthenticCode) -> Result<Loaded, SandboxError> {
        let interrupts_before = self.interrupts.load(Ordering::SeqCst);
        let place = code.place();
        let component = code.into_component(&self.engine)?;
        let task = component.get_export_index(None, check::TASK_ENTRY);
        let (world, entry) = match task {
            Some(entry) => (World::Task, entry),
            None => {
                let run = component.get_export_index(None, check::COMMAND_ENTRY);
                let run = run.ok_or(SandboxError::Unfit)?;
                let entry = component.get_export_index(Some(&run), "run");
                (World::WasiCommand, entry.ok_or(SandboxError::Unfit)?)
            }
        };
        let pre = self.linker.instantiate_pre(&component).map_err(|_| SandboxError::Unfit)?;
        Ok(Loaded { ready: Ready { pre, entry, world }, place, interrupts_before })
    }

    /// Runs `loaded` once on what it is granted. Everything the run had is dropped, and what held
    /// data wiped, before this returns.
    pub fn run(&self, loaded: Loaded, grant: Grant, limits: Limits) -> Ended {
        let before = loaded.interrupts_before;
        let interrupted = || self.interrupts.load(Ordering::SeqCst) != before;
        execute::execute(&self.engine, &loaded.ready, grant, &limits, interrupted)
    }

    /// What ends runs of this sandbox: the one that goes on, and those of code loaded already.
    pub fn interrupter(&self) -> Interrupter {
        Interrupter { engine: self.engine.clone(), interrupts: self.interrupts.clone() }
    }
}

impl Loaded {
    /// Where the code lies, if it is mapped from its file: pages that hold nothing else, and that
    /// nobody has reason to unmap or change from here on.
    pub fn place(&self) -> Option<Range<*const u8>> {
        self.place.clone()
    }
}

impl Interrupter {
    /// Ends the current run, which then is [`Exhausted`](crate::End::Exhausted) of time. Adds to
    /// two atomics and does nothing else, so a signal handler may call it.
    pub fn interrupt(&self) {
        // First the count, then the epoch: a run sets its deadline before it looks at the count, so
        // it sees at least one of the two.
        self.interrupts.fetch_add(1, Ordering::SeqCst);
        self.engine.increment_epoch();
    }
}
