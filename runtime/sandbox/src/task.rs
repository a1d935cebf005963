//! What a module is, once it has been looked at.

use core::fmt;

use serde::{Deserialize, Serialize};

use crate::name::Name;
use crate::refused::{Refused, RefusedImport};

/// The kinds of program that run here.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
pub enum World {
    /// A component that exports `run` of `notrace:task`.
    Task,
    /// A component that exports `wasi:cli/run`.
    WasiCommand,
    /// A core module for WASI preview 1 that exports `_start`.
    WasiPreview1,
}

/// A module that may run.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Task {
    /// What it was taken for.
    pub world: World,
    /// Everything it imports, in the order in which the module names it.
    pub imports: Vec<Name>,
    /// What it imports that its world does not have by itself: empty for most.
    pub beyond_world: Vec<Name>,
    /// Everything it exports.
    pub exports: Vec<Name>,
}

/// All that can be said about a module without compiling it, refused or not.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Inspection {
    /// What it would be taken for; none if it has no entry.
    pub world: Option<World>,
    /// Every import with its verdict.
    pub imports: Vec<Import>,
    /// Everything it exports.
    pub exports: Vec<Name>,
}

/// An import and what becomes of it.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Import {
    /// The import, such as `wasi:io/streams@0.2.0` or `wasi_snapshot_preview1.fd_write`.
    pub name: Name,
    /// What becomes of it.
    pub verdict: Verdict,
}

/// What becomes of an import.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub enum Verdict {
    /// It is part of the module's world.
    World,
    /// It is offered, and not part of the module's world.
    Offered,
    /// It is refused.
    Refused(Box<RefusedImport>),
}

impl Inspection {
    /// The task this module is.
    ///
    /// # Errors  The first import that is refused, or the missing entry.
    pub fn verdict(&self) -> Result<Task, Refused> {
        for import in &self.imports {
            if let Verdict::Refused(refused) = &import.verdict {
                return Err(Refused::Import(refused.clone()));
            }
        }
        let beyond = self.imports.iter().filter(|import| import.verdict == Verdict::Offered);
        Ok(Task {
            world: self.world.ok_or(Refused::NoEntry)?,
            imports: self.imports.iter().map(|import| import.name.clone()).collect(),
            beyond_world: beyond.map(|import| import.name.clone()).collect(),
            exports: self.exports.clone(),
        })
    }
}

impl Task {
    /// What this code can and cannot do, one line each. True of every task; what differs is which
    /// of it the module asks for.
    pub fn abilities(&self) -> Vec<&'static str> {
        let asks = |part: &str| self.imports.iter().any(|name| name.as_str().contains(part));
        let preview1 = self.world == World::WasiPreview1;
        let reads = asks("/objects") || asks("filesystem") || asks("path_open");
        let clock = asks("clocks") || asks("clock_time");
        let random = asks("random");
        let mut lines = vec![match self.world {
            World::Task => "can read its input and answer once",
            _ => "can read its input on stdin and answer on stdout",
        }];
        lines.push(match (reads, self.world) {
            (true, World::Task) => "can read the objects its caller names, and no others",
            (true, _) => "can read the objects its caller names, as files below /objects",
            (false, _) => "does not ask to read objects",
        });
        lines.push(match clock {
            true => "can ask the time: it stands still at the run's cut",
            false => "does not ask the time",
        });
        lines.push(match random {
            true => "can ask for randomness: a stream fixed by the run's seed",
            false => "does not ask for randomness",
        });
        lines.push("cannot reach a network, another process or another run");
        lines.push("cannot keep anything: its memory is gone before the answer leaves");
        if preview1 {
            lines.push("cannot write files: every write answers `read-only`");
        }
        lines
    }
}

impl fmt::Display for World {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            World::Task => "notrace:task/task",
            // One world to whoever uploads: preview 1 is how older toolchains spell it.
            World::WasiCommand | World::WasiPreview1 => "wasi:cli/command",
        })
    }
}
