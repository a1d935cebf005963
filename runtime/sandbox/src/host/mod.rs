//! What a guest finds around it: WASI 0.2 and `notrace:task`, all in memory.
//!
//! Everything here is a function of the run's grant. There is no file, socket, clock or source of
//! chance behind any of it, and nothing waits: whatever can be waited for is ready at once.

pub(crate) mod meter;

#[expect(unreachable_pub, reason = "the generated bindings name these types again, as `pub`")]
mod handle;

pub(crate) mod chance;
pub(crate) mod files;
pub(crate) mod pipe;

mod cli;
mod clocks;
mod filesystem;
mod io;
mod random;
mod task;

pub(crate) use meter::Meter;

use std::sync::Arc;

use notrace_policy_promise::private::Private;
use wasmtime::Engine;
use wasmtime::component::{HasSelf, Linker, ResourceTable};

use crate::limits::HANDLES_MAX;
use crate::run::{Grant, Limits};
use crate::task::World;
use chance::Chance;
use files::Files;
use pipe::{Input, Kept, Output};

mod bindings {
    wasmtime::component::bindgen!({
        path: "../../sdk/wit",
        inline: "
            package notrace:host;
            world surroundings {
                import wasi:io/error@0.2.12;
                import wasi:io/poll@0.2.12;
                import wasi:io/streams@0.2.12;
                import wasi:cli/environment@0.2.12;
                import wasi:cli/exit@0.2.12;
                import wasi:cli/stdin@0.2.12;
                import wasi:cli/stdout@0.2.12;
                import wasi:cli/stderr@0.2.12;
                import wasi:cli/terminal-input@0.2.12;
                import wasi:cli/terminal-output@0.2.12;
                import wasi:cli/terminal-stdin@0.2.12;
                import wasi:cli/terminal-stdout@0.2.12;
                import wasi:cli/terminal-stderr@0.2.12;
                import wasi:clocks/monotonic-clock@0.2.12;
                import wasi:clocks/wall-clock@0.2.12;
                import wasi:random/random@0.2.12;
                import wasi:random/insecure@0.2.12;
                import wasi:random/insecure-seed@0.2.12;
                import wasi:filesystem/types@0.2.12;
                import wasi:filesystem/preopens@0.2.12;
            }
        ",
        world: "notrace:host/surroundings",
        imports: { default: trappable },
        with: {
            "wasi:io/error.error": super::handle::Fault,
            "wasi:io/poll.pollable": super::handle::Ready,
            "wasi:io/streams.input-stream": super::handle::Source,
            "wasi:io/streams.output-stream": super::handle::Sink,
            "wasi:filesystem/types.descriptor": super::handle::Descriptor,
            "wasi:filesystem/types.directory-entry-stream": super::handle::Entries,
        },
    });
}

/// Everything one run has on the host's side.
pub(crate) struct State {
    table: ResourceTable,
    pub(crate) meter: Meter,
    args: Vec<Private<String>>,
    input: Input,
    pub(crate) output: Output,
    pub(crate) kept: Kept,
    files: Files,
    time_unix_micros: u64,
    chance: Chance,
    insecure: Chance,
    pub(crate) world: World,
}

/// Why the host ended a run in the middle of a call.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub(crate) enum Stop {
    #[error("the task left")]
    Exit(u8),
    #[error("the answer is larger than it may be")]
    OutputFull,
    #[error("the task asked for too much at once")]
    TooMuch,
    #[error("the task broke a rule of its interface")]
    Convention,
}

impl State {
    pub(crate) fn new(grant: Grant, limits: &Limits, world: World) -> Self {
        let mut table = ResourceTable::new();
        table.set_max_capacity(HANDLES_MAX);
        Self {
            table,
            meter: Meter::new(limits),
            args: grant.args,
            input: Input::new(grant.input),
            output: Output::new(limits.output_bytes),
            kept: Kept::default(),
            files: Files::new(grant.objects),
            time_unix_micros: grant.time_unix_micros,
            chance: Chance::new(chance::Stream::Random, grant.seed),
            insecure: Chance::new(chance::Stream::Insecure, grant.seed),
            world,
        }
    }

    /// The input, for a guest that takes it as an argument.
    pub(crate) fn take_input(&mut self) -> Private<Vec<u8>> {
        self.input.take()
    }

    /// Leaves the granted objects where they are.
    #[cfg(feature = "planted-leaks")]
    pub(crate) fn forget_files(&mut self) {
        crate::leak::forget(core::mem::replace(&mut self.files, Files::new(Vec::new())));
    }

    /// Says the input beside the answer, as a dump of a task that trapped would.
    #[cfg(feature = "planted-leaks")]
    pub(crate) fn keep_input(&mut self) {
        let input = self.input.take();
        input.reveal(|input| self.kept.write(format!("{input:?}").as_bytes()));
    }

    /// Arguments as the guest is told them.
    fn args(&self) -> impl Iterator<Item = String> {
        self.args.iter().map(|arg| arg.reveal(String::clone))
    }

    fn object(&self, name: &str) -> Option<Arc<Vec<u8>>> {
        self.files.value(name)
    }
}

/// All functions a guest can import. Made once, before any task is known.
pub(crate) fn linker(engine: &Engine) -> wasmtime::Result<Linker<State>> {
    let mut linker = Linker::new(engine);
    bindings::Surroundings::add_to_linker::<_, HasSelf<_>>(&mut linker, |state: &mut State| state)?;
    task::add_to_linker(&mut linker)?;
    #[cfg(feature = "weaken")]
    crate::weakened::add_to_linker(&mut linker)?;
    Ok(linker)
}
