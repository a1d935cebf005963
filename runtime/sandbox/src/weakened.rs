//! For tests alone: an import that must not be, so that a guest can try what code could that had
//! got out of its sandbox.
//!
//! As long as nobody [opens](open) it, it is refused as every unknown import is.

use std::sync::OnceLock;

use wasmtime::component::Linker;

use crate::host::State;

/// What the import does with its number; whether that went well.
pub type Attempt = fn(u32) -> bool;

static ATTEMPT: OnceLock<Attempt> = OnceLock::new();

/// The interface.
pub const INTERFACE: &str = "zoo:egress/attempt";
pub(crate) const VERSION: &str = "0.1.0";
pub(crate) const FUNCTION: &str = "attempt";

/// Offers the import to all guests of this process. To be called before its first
/// [`Sandbox`](crate::Sandbox) is made.
pub fn open(attempt: Attempt) {
    let _ = ATTEMPT.set(attempt);
}

pub(crate) fn is_open() -> bool {
    ATTEMPT.get().is_some()
}

pub(crate) fn add_to_linker(linker: &mut Linker<State>) -> wasmtime::Result<()> {
    let Some(attempt) = ATTEMPT.get() else { return Ok(()) };
    let mut instance = linker.instance(&format!("{INTERFACE}@{VERSION}"))?;
    instance.func_wrap(FUNCTION, |_, (number,): (u32,)| Ok((u32::from(!attempt(number)),)))
}
