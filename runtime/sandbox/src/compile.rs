//! From a module that was taken to machine code.

use wasmtime::Engine;
use wasmtime::component::{Component, Linker};

use crate::host::State;
use crate::limits::{INSTANCES_MAX, MEMORIES_MAX, TABLES_MAX};
use crate::name::Name;
use crate::preview1;
use crate::refused::{CompileLimit, Reason, Refused, RefusedImport};
use crate::task::{Task, World};

/// The code of `module`, which was taken as `task`.
pub(crate) fn compile(
    engine: &Engine,
    linker: &Linker<State>,
    task: &Task,
    module: &[u8],
) -> Result<Vec<u8>, Refused> {
    let wrapped;
    let component = match task.world {
        World::WasiPreview1 => {
            wrapped = preview1::wrap(module).ok_or(Refused::Unwrappable)?;
            wrapped.as_slice()
        }
        World::Task | World::WasiCommand => module,
    };
    let gave_up = Refused::CompileLimit { limit: CompileLimit::Compiler };
    let component = Component::from_binary(engine, component).map_err(|_| gave_up.clone())?;
    within_limits(&component)?;
    // The names were checked already, so what does not link is of another type.
    linker.instantiate_pre(&component).map_err(|error| mistyped(task, &error))?;
    component.serialize().map_err(|_| gave_up)
}

/// Refuses at upload what the limits of a run would refuse at every start.
fn within_limits(component: &Component) -> Result<(), Refused> {
    let parts = Refused::CompileLimit { limit: CompileLimit::Parts };
    // A component that takes other modules as arguments cannot be counted, and is not run here.
    let needs = component.resources_required().ok_or(parts.clone())?;
    let fits = needs.num_memories as usize <= MEMORIES_MAX
        && needs.num_tables as usize <= TABLES_MAX
        && (needs.num_memories + needs.num_tables) as usize <= INSTANCES_MAX;
    if fits { Ok(()) } else { Err(parts) }
}

/// The import that the engine says does not fit, by the name in its words.
fn mistyped(task: &Task, error: &wasmtime::Error) -> Refused {
    let words = format!("{error:#}");
    let named = task.imports.iter().find(|name| words.contains(name.as_str()));
    let name = named.or(task.imports.first()).cloned().unwrap_or_else(|| Name::of("run"));
    let (reason, offered, near) = (Reason::Type, None, None);
    Refused::Import(Box::new(RefusedImport { name, reason, offered, near }))
}
