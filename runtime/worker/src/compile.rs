//! `notrace compile`: one module in, its code out, in a process of its own.
//!
//! Module and result lie in files in memory, passed as standard input and output. As with runs, the
//! result is read only once the process is dead.

use std::fs::File;
use std::io::{Read, Seek, Write};
use std::os::fd::OwnedFd;
use std::os::unix::fs::FileExt;
use std::os::unix::process::CommandExt;
use std::process::{Command, Stdio};
use std::sync::Arc;

use notrace_policy_promise::digest::Digest;
use notrace_policy_promise::limits::MODULE_BYTES_MAX;
use notrace_policy_promise::private::Private;
#[cfg(feature = "weaken")]
use notrace_runtime_jail::Plan;
use notrace_runtime_jail::process::{EXIT_BY_SIGNAL, exit_now, limit_data};
use notrace_runtime_jail::sealed::{memory_file, sealed_file};
use notrace_runtime_jail::{Cell, NotJailable, Users};
use notrace_runtime_sandbox::{Refused, Sandbox, Task};
use tokio::time::timeout;

use crate::code::Code;
use crate::limits::{
    CODE_BYTES_MAX, COMPILE_BYTES, COMPILE_PROCESSOR_SECONDS, COMPILE_WALL, FACTS_BYTES_MAX,
};
use crate::planted;
use crate::supervisor::process::{Exit, Process};
use crate::supervisor::template::open_child;
use crate::supervisor::{Inner, Supervisor};

/// A module that was taken, and its code.
pub struct Compiled {
    /// What the module is.
    pub task: Task,
    /// Its code.
    pub code: Code,
}

/// Why there is no code.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum CompileError {
    /// The module is not taken, for a reason of its own.
    #[error("{0}")]
    Refused(Refused),
    /// Compiling took more time or memory than it may.
    #[error("compiling the module takes more time or memory than is allowed")]
    Limit,
    /// The compiler ended without a result.
    #[error("the compiler ended without a result")]
    Crashed,
    /// The host is out of something that compiling needs.
    #[error("the host is out of something that compiling needs")]
    Host,
}

/// What stands before the code: two lengths, and then what is known of the module, or why not.
type Facts = Result<Task, Refused>;

/// The whole of `notrace compile`. To be called before the process starts a thread or opens a file.
pub fn main() -> ! {
    run(Cell::begin())
}

/// The same with fences left out.
#[cfg(feature = "weaken")]
pub fn main_weakened(plan: Plan) -> ! {
    run(Cell::begin_weakened(plan))
}

/// The same, but instead of compiling it makes an attempt: what somebody would who has taken a
/// compiler over. Ends with 0 if that went well, with 1 if not, and with 2 if it never came to it.
#[cfg(feature = "weaken")]
pub fn main_attempting(plan: Plan, attempt: impl FnOnce() -> bool) -> ! {
    let settled = Cell::begin_weakened(plan).ok().and_then(|(cell, ..)| settle(cell));
    exit_now(match settled {
        Some(_) => i32::from(!attempt()),
        None => 2,
    })
}

fn run(begun: Result<(Cell, OwnedFd, OwnedFd), NotJailable>) -> ! {
    exit_now(match begun.ok().and_then(compile) {
        Some(()) => 0,
        None => 1,
    })
}

/// Shuts this process in, with all that it takes to compile.
fn settle(mut cell: Cell) -> Option<Sandbox> {
    let most = (CODE_BYTES_MAX + FACTS_BYTES_MAX + 8) as u64;
    cell.separate(Users::One, most, Some(COMPILE_PROCESSOR_SECONDS));
    // The PID namespace is only entered by a child.
    cell.descend().ok()?;
    limit_data(COMPILE_BYTES).ok()?;
    let sandbox = Sandbox::for_compiling().ok()?;
    cell.settle_as_compiler();
    Some(sandbox)
}

fn compile((cell, module, result): (Cell, OwnedFd, OwnedFd)) -> Option<()> {
    let sandbox = settle(cell)?;
    let mut bytes = Vec::new();
    let mut module = File::from(module);
    // Whoever wrote it left it at its end.
    module.rewind().ok()?;
    module.take(MODULE_BYTES_MAX as u64 + 1).read_to_end(&mut bytes).ok()?;
    let (facts, code): (Facts, Vec<u8>) = match sandbox.compile(&bytes) {
        Ok(compiled) => (Ok(compiled.task), compiled.code),
        Err(refused) => (Err(refused), Vec::new()),
    };
    let facts = postcard::to_stdvec(&facts).ok()?;
    let mut result = File::from(result);
    for length in [facts.len(), code.len()] {
        result.write_all(&u32::try_from(length).ok()?.to_le_bytes()).ok()?;
    }
    result.write_all(&facts).ok()?;
    result.write_all(&code).ok()
}

impl Supervisor {
    /// Compiles the module with this digest, in a process of its own with limits on memory and
    /// time. Takes up to [`COMPILE_WALL`]; a few at once, the others wait.
    ///
    /// # Errors  [`CompileError`]
    ///
    /// # Cancel  The compiler is killed.
    pub async fn compile(
        &self,
        digest: Digest,
        module: &Private<Vec<u8>>,
    ) -> Result<Compiled, CompileError> {
        let host = |_| CompileError::Host;
        let _permit = self.0.compiling.acquire().await.map_err(|_| CompileError::Host)?;
        let module = module.reveal(|module| sealed_file(module)).map_err(host)?;
        planted!(15, crate::leak::hold(std::os::fd::AsFd::as_fd(&module)));
        let result = File::from(memory_file().map_err(host)?);
        let theirs = result.try_clone().map_err(|_| CompileError::Host)?;
        let process = launch(self, module, theirs.into())?;
        let mut compiler = Compiler { process, inner: self.0.clone(), succeeded: false };
        if timeout(COMPILE_WALL, compiler.process.ended()).await.is_err() {
            return Err(CompileError::Limit);
        }
        match compiler.process.reap() {
            Some(Exit::Status(0)) => compiler.succeeded = true,
            Some(Exit::Status(status)) if is_limit(status - EXIT_BY_SIGNAL) => {
                return Err(CompileError::Limit);
            }
            // It says itself that this host does not let it work.
            Some(Exit::Status(1)) => return Err(CompileError::Host),
            _ => return Err(CompileError::Crashed),
        }
        let read = tokio::task::spawn_blocking(move || read(digest, &result));
        read.await.unwrap_or(Err(CompileError::Host))
    }
}

/// Ended by its processor time, by the size of what it wrote, or by running out of memory, which in
/// Rust is an abort.
fn is_limit(signal: i32) -> bool {
    use rustix::process::Signal;
    [Signal::XCPU, Signal::XFSZ, Signal::KILL, Signal::ABORT, Signal::SEGV]
        .iter()
        .any(|known| known.as_raw() == signal)
}

/// A compiler at work. Killed when it is no longer waited for.
struct Compiler {
    process: Arc<Process>,
    inner: Arc<Inner>,
    succeeded: bool,
}

impl Drop for Compiler {
    fn drop(&mut self) {
        if self.succeeded {
            return;
        }
        self.process.kill();
        let (process, inner) = (self.process.clone(), self.inner.clone());
        tokio::spawn(async move {
            process.ended().await;
            process.reap();
            inner.sweeper.somebody_died();
        });
    }
}

fn launch(
    supervisor: &Supervisor,
    module: OwnedFd,
    result: OwnedFd,
) -> Result<Arc<Process>, CompileError> {
    let child = Command::new(&supervisor.0.config.exe)
        .arg0("notrace")
        .arg("compile")
        .env_clear()
        .current_dir("/")
        .stdin(Stdio::from(module))
        .stdout(Stdio::from(result))
        .stderr(Stdio::null())
        .process_group(0)
        .spawn()
        .map_err(|_| CompileError::Host)?;
    let (process, _) = open_child(&child).ok_or(CompileError::Host)?;
    Ok(Arc::new(process))
}

/// Reads what a compiler that is dead left. It is our own code that wrote it, fed with a module
/// that may have had the better of it: every length is checked before anything is believed.
fn read(digest: Digest, result: &File) -> Result<Compiled, CompileError> {
    let crashed = |_| CompileError::Crashed;
    let mut lengths = [0; 8];
    result.read_exact_at(&mut lengths, 0).map_err(crashed)?;
    let [a, b, c, d, e, f, g, h] = lengths;
    let facts_bytes = u32::from_le_bytes([a, b, c, d]) as usize;
    let code_bytes = u32::from_le_bytes([e, f, g, h]) as usize;
    let whole = result.metadata().map_err(crashed)?.len();
    let fits = facts_bytes <= FACTS_BYTES_MAX && code_bytes <= CODE_BYTES_MAX;
    if !fits || whole != (8 + facts_bytes + code_bytes) as u64 {
        return Err(CompileError::Crashed);
    }
    let mut facts = vec![0; facts_bytes];
    result.read_exact_at(&mut facts, 8).map_err(crashed)?;
    let task = read_facts(&facts)?;
    let mut code = vec![0; code_bytes];
    result.read_exact_at(&mut code, 8 + facts_bytes as u64).map_err(crashed)?;
    let code = Code::from_authentic(digest, &code).map_err(|_| CompileError::Host)?;
    Ok(Compiled { task, code })
}

fn read_facts(facts: &[u8]) -> Result<Task, CompileError> {
    match postcard::take_from_bytes::<Facts>(facts) {
        Ok((Ok(task), [])) => Ok(task),
        Ok((Err(refused), [])) => Err(CompileError::Refused(refused)),
        _ => Err(CompileError::Crashed),
    }
}
