//! The binary `notrace`: the node, its workers, its compiler, and a client, in one file.
//!
//! `notrace worker` and `notrace compile` are not for people: a node starts them. They are told
//! apart before there is a runtime, a thread or a parsed argument, because what they hold must be
//! able to vanish with the process.
//!
//! Reading order: [`exit`] (how a command ends), [`say`] (the two streams), [`args`] (the command
//! line), [`session`] (which node), [`progress`], [`guests`] (what a new task starts from), then
//! [`command`], a module each.
#![forbid(unsafe_code)]

mod exit;
mod say;

mod args;
mod session;

mod guests;
mod progress;

mod command;

use std::ffi::OsStr;
use std::process::ExitCode;

use clap::Parser as _;
use notrace_sdk_client::Patience;

use crate::args::{Cli, Command};
use crate::exit::{Done, Exit, Failure, Local};

/// Everything that was ever on the heap of one of our processes is zero once it is freed.
#[cfg(not(feature = "planted-leaks"))]
#[global_allocator]
static ALLOCATOR: zeroizing_alloc::ZeroAlloc<std::alloc::System> =
    zeroizing_alloc::ZeroAlloc(std::alloc::System);

/// The same, unless it is a leak that is planted.
#[cfg(feature = "planted-leaks")]
#[global_allocator]
static ALLOCATOR: notrace_runtime_worker::leak::Allocator<
    zeroizing_alloc::ZeroAlloc<std::alloc::System>,
> = notrace_runtime_worker::leak::Allocator(zeroizing_alloc::ZeroAlloc(std::alloc::System));

fn main() -> ExitCode {
    // Read once, before there is a thread, so that the allocator knows.
    #[cfg(feature = "planted-leaks")]
    notrace_runtime_worker::leak::chosen();
    match std::env::args_os().nth(1).as_deref().and_then(OsStr::to_str) {
        Some("worker") => notrace_runtime_worker::worker_main(),
        Some("compile") => notrace_runtime_worker::compile_main(),
        Some("sweep") => return notrace_runtime_worker::sweep_main(),
        _ => {}
    }
    // No core file, nobody reads along, and a panic tells its place without its message. The node
    // tells in its posture which of it this host gives.
    let _ = notrace_runtime_worker::harden_process(std::io::stderr());
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => {
            // Help and versions are answers and go to standard output; the rest is usage.
            let _ = error.print();
            let usage = error.use_stderr();
            return if usage { Exit::Usage.into() } else { Exit::Done.into() };
        }
    };
    let as_json = cli.json;
    match run(cli) {
        Ok(()) => Exit::Done.into(),
        Err(failure) => {
            say::failure(&failure, as_json);
            failure.exit.into()
        }
    }
}

fn run(cli: Cli) -> Done {
    let Cli { json, patience, command } = cli;
    match command {
        Command::Explain(explain) => command::explain::explain(&explain, json),
        Command::Completions(completions) => command::completions::print(&completions),
        Command::Task(args::TaskCommand::New(new)) => command::new::write(&new),
        Command::Task(args::TaskCommand::Check(check)) => command::check::check(&check, json),
        Command::Audit(args::AuditCommand::Verify(verify)) => command::audit::verify(&verify, json),
        Command::Rules(args::RulesCommand::Check(check)) => command::rules::check(&check, json),
        Command::Serve(serve) => {
            let mut runtime = tokio::runtime::Builder::new_multi_thread();
            // What a request left on a thread's stack must not wait there for the next one.
            runtime.on_thread_park(notrace_platform_front::wipe_unused_stack);
            block_on(runtime, command::serve::serve(serve))
        }
        command => {
            let runtime = tokio::runtime::Builder::new_current_thread();
            block_on(runtime, command::talk(command, patience.map(Patience), json))
        }
    }
}

fn block_on(mut runtime: tokio::runtime::Builder, done: impl Future<Output = Done>) -> Done {
    let runtime = runtime.enable_all().build().map_err(|error| {
        let cause = format!("the system gives no threads or timers: {}", error.kind());
        Failure::local(Local::NodeNotStarted, cause)
    })?;
    let done = runtime.block_on(done);
    // Who was told twice to end does not wait for the threads of what was cut off.
    if done.as_ref().is_err_and(|failure| failure.code == Local::CutShort.as_str()) {
        runtime.shutdown_background();
    }
    done
}
