//! Looking at a module without compiling it.

mod command;
mod component;
mod known;
mod near;
mod structure;

use notrace_policy_promise::limits::MODULE_BYTES_MAX;

use crate::name::Starts;
use crate::refused::{Refused, Section};
use crate::task::Inspection;
use structure::Kind;

/// What a component for the task world exports.
pub(crate) const TASK_ENTRY: &str = "run";
/// What a command exports; any 0.2 version of it is found by this one.
pub(crate) const COMMAND_ENTRY: &str = "wasi:cli/run@0.2.0";

const MAGIC: &[u8] = b"\0asm";

/// Says all there is to say about `module`. Costs a few passes over its bytes.
pub(crate) fn inspect(module: &[u8]) -> Result<Inspection, Refused> {
    if module.is_empty() {
        return Err(Refused::Empty);
    }
    if module.len() > MODULE_BYTES_MAX {
        let (bytes, bytes_max) = (module.len() as u64, MODULE_BYTES_MAX as u64);
        return Err(Refused::TooLarge { bytes, bytes_max });
    }
    if !module.starts_with(module.get(..4).map_or(module, |_| MAGIC)) || !is_magic(module) {
        return Err(Refused::NotWasm { starts: Starts::of(module) });
    }
    if module.len() < 8 {
        return Err(Refused::Truncated { section: Section::Header, offset: module.len() as u64 });
    }
    let kind = structure::walk(module)?;
    let types = structure::validate(module)?;
    match kind {
        Kind::Component => component::inspect(module, &types),
        Kind::Module => command::inspect(module),
    }
}

/// Whether it starts as WebAssembly does, as far as it goes.
fn is_magic(module: &[u8]) -> bool {
    MAGIC.iter().zip(module).all(|(expected, found)| expected == found)
}
