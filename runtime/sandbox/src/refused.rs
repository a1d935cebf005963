//! Why a module is not taken.

use core::fmt;

use serde::{Deserialize, Serialize};

use crate::name::{Name, Starts};

/// Why a module is not taken. Nothing of it was compiled or run.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, thiserror::Error)]
pub enum Refused {
    /// There is nothing.
    #[error("the module is empty")]
    Empty,
    /// It is something else, such as a source text.
    #[error("not WebAssembly: it starts \"{starts}\"; build it first and upload the .wasm")]
    NotWasm {
        /// How it starts.
        starts: Starts,
    },
    /// It ends too soon.
    #[error("the module is cut off in its {section} at byte {offset}; upload the whole file")]
    Truncated {
        /// Where it was cut.
        section: Section,
        /// How far it could be read, in bytes.
        offset: u64,
    },
    /// It is no valid module or component.
    #[error("the module is not valid at byte {offset}; build it again with a current toolchain")]
    Malformed {
        /// Where the first fault is, in bytes from the start.
        offset: u64,
    },
    /// It needs a part of WebAssembly that is off here.
    #[error("the module uses {feature}, at byte {offset}; build it without")]
    Feature {
        /// Which part.
        feature: Feature,
        /// Where it is first used, in bytes from the start.
        offset: u64,
    },
    /// It has no entry point that we know.
    #[error("the module has no entry point; export {}", WhatWeRun)]
    NoEntry,
    /// Its entry point takes or answers something else than it should.
    #[error(
        "the entry point has another type: `_start` takes and answers nothing, and `run` is \
             func(input: list<u8>) -> result<list<u8>, string>"
    )]
    EntryType,
    /// It cannot be joined with WASI preview 1.
    #[error("the module cannot be joined with WASI preview 1: export its memory as `memory`")]
    Unwrappable,
    /// It asks for something that no task is given.
    #[error("{0}")]
    Import(Box<RefusedImport>),
    /// It is larger than a module may be.
    #[error("the module has {bytes} bytes, and {bytes_max} are allowed; strip its debug sections")]
    TooLarge {
        /// How large it is.
        bytes: u64,
        /// How large it may be.
        bytes_max: u64,
    },
    /// It is valid, but compiling it would take too much.
    #[error("the module has {limit}; make them smaller or fewer")]
    CompileLimit {
        /// Of what it has too much.
        limit: CompileLimit,
    },
}

/// An import that is refused, and what can be done about it.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct RefusedImport {
    /// The import, such as `wasi:sockets/tcp@0.2.0` or `env.foo`.
    pub name: Name,
    /// Why it is refused.
    pub reason: Reason,
    /// What is offered instead.
    pub offered: Option<Offer>,
    /// The most similar name that is offered, where one is near.
    pub near: Option<Name>,
}

/// Why an import is refused.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
pub enum Reason {
    /// It would reach other machines.
    Network,
    /// It would reach storage outside the run.
    Storage,
    /// It would start threads or share memory.
    Threads,
    /// It belongs to a host of another kind, such as a browser.
    OtherHost,
    /// It is a version of WASI that is not offered.
    Version,
    /// The interface is offered, but has nothing of this name.
    Missing,
    /// A core module cannot import an interface.
    NotAComponent,
    /// It is offered, but with another type.
    Type,
    /// Nothing of this name is known.
    Unknown,
}

/// What a task is offered in place of what it asked for.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
pub enum Offer {
    /// Objects the caller names.
    Objects,
    /// Input and output.
    InputAndOutput,
    /// WASI 0.2 or preview 1.
    Wasi02,
    /// A wasm target that links what it needs into the module.
    WasiTarget,
    /// One thread.
    OneThread,
    /// Making the core module a component.
    Component,
    /// Leaving out what a toolchain links without need.
    Stubs,
}

/// A part of a module.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
pub enum Section {
    /// The first eight bytes.
    Header,
    /// Types.
    Types,
    /// Imports.
    Imports,
    /// Declarations of functions.
    Functions,
    /// Tables.
    Tables,
    /// Memories.
    Memories,
    /// Globals.
    Globals,
    /// Exports.
    Exports,
    /// Elements of tables.
    Elements,
    /// Code.
    Code,
    /// Data.
    Data,
    /// A nested module or component.
    Nested,
    /// Names and other notes.
    Custom,
    /// Another part.
    Other,
}

/// A part of WebAssembly that is off here, because it would differ from run to run, or because
/// guarding it is not worth what it brings.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
pub enum Feature {
    /// Threads and atomics.
    Threads,
    /// 64-bit memories.
    Memory64,
    /// Garbage-collected types.
    Gc,
    /// Exceptions.
    Exceptions,
    /// Switching stacks.
    StackSwitching,
    /// The asynchronous component model.
    ComponentAsync,
    /// Another proposal.
    Other,
}

/// Of what a module has too much to be compiled.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
pub enum CompileLimit {
    /// Functions.
    Functions,
    /// Code in one function.
    FunctionBytes,
    /// Imports.
    Imports,
    /// Memories, tables or instances.
    Parts,
    /// Types declared within types.
    Nesting,
    /// The compiler gave up for a reason of its own.
    Compiler,
}

struct WhatWeRun;

impl Refused {
    /// The stable code of this refusal, as clients see it.
    pub fn code(&self) -> &'static str {
        match self {
            Refused::TooLarge { .. } => "module_too_large",
            Refused::NoEntry | Refused::EntryType => "entry_missing",
            Refused::Import(_) => "import_refused",
            Refused::CompileLimit { .. } | Refused::Feature { .. } | Refused::Unwrappable => {
                "module_uncompilable"
            }
            Refused::Empty
            | Refused::NotWasm { .. }
            | Refused::Truncated { .. }
            | Refused::Malformed { .. } => "module_malformed",
        }
    }
}

macro_rules! says {
    ($($kind:ident { $($variant:ident = $text:literal),+ $(,)? })+) => {$(
        impl fmt::Display for $kind {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(match self { $($kind::$variant => $text),+ })
            }
        }
    )+};
}

says! {
    Reason {
        Network = "a task reaches no network",
        Storage = "a task reaches no storage but the objects its caller names",
        Threads = "a task has one thread and shares no memory",
        OtherHost = "it belongs to a host of another kind",
        Version = "this version of WASI is not offered",
        Missing = "the interface has nothing of this name",
        NotAComponent = "only a component imports interfaces, and this is a core module",
        Type = "it is offered with another type",
        Unknown = "nothing of this name is known",
    }
    Offer {
        Objects = "notrace:task/objects, or read-only files below /objects",
        InputAndOutput = "standard input and output, or `run` of notrace:task",
        Wasi02 = "WASI 0.2 and WASI preview 1",
        WasiTarget = "building for wasm32-wasip1 or wasm32-wasip2, which links it in",
        OneThread = "the same work on one thread",
        Component = "linking it as a component, as wasm-component-ld does",
        Stubs = "leaving out sockets that are linked but unused, as `--stub-wasi` does",
    }
    Section {
        Header = "header", Types = "type section", Imports = "import section",
        Functions = "function section", Tables = "table section", Memories = "memory section",
        Globals = "global section", Exports = "export section", Elements = "element section",
        Code = "code section", Data = "data section", Nested = "nested module",
        Custom = "custom section", Other = "body",
    }
    Feature {
        Threads = "threads or shared memory", Memory64 = "a 64-bit memory",
        Gc = "garbage-collected types", Exceptions = "exceptions",
        StackSwitching = "stack switching", ComponentAsync = "the asynchronous component model",
        Other = "a proposal that is off here",
    }
    CompileLimit {
        Functions = "too many functions", FunctionBytes = "a function that is too large",
        Imports = "too many imports", Parts = "too many memories, tables or instances",
        Nesting = "types nested too deep", Compiler = "code that the compiler gave up on",
    }
}

impl fmt::Display for WhatWeRun {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("`_start` (WASI preview 1), `wasi:cli/run` or `run` of notrace:task")
    }
}

impl fmt::Display for RefusedImport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the import `{}` is refused: {}", self.name, self.reason)?;
        if let Some(near) = &self.near {
            write!(f, "; did you mean `{near}`?")?;
        }
        if let Some(offered) = self.offered {
            write!(f, "; offered instead: {offered}")?;
        }
        Ok(())
    }
}
