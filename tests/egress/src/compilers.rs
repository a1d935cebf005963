//! The same zoo in a compiler, which reads modules of anybody and so may be taken over too.
//!
//! It has no guest that could ask for an import: three walls are left.

use std::os::unix::process::CommandExt;
use std::process::{Command, Stdio};

use anyhow::{Result, bail};
use notrace_runtime_jail::process::EXIT_BY_SIGNAL;

use crate::outside::Outside;
use crate::runs::{Fate, Seen, exe, folder};
use crate::walls::Walls;
use crate::zoo::{self, Proof};

/// All techniques, under each of the walls by itself.
pub(crate) fn all(outside: &mut Outside) -> Result<Seen> {
    let folder = folder()?;
    let mut seen = Seen::new();
    for walls in Walls::of_compilers() {
        let exe = exe(folder.path(), walls, outside.numbers)?;
        let mut fates = Vec::new();
        for (number, technique) in (0..).zip(zoo::all()) {
            let mut command = Command::new(&exe);
            command.args(["compile", &number.to_string()]).env_clear().process_group(0);
            command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
            let ended = command.status()?.code();
            let arrived = outside.has(&outside.numbers.token(walls, number));
            fates.push(match (technique.proof, ended) {
                _ if arrived => Fate::Out,
                (Proof::Done, Some(0)) => Fate::Out,
                (_, Some(status)) if status == EXIT_BY_SIGNAL + libc::SIGSYS => Fate::Killed,
                (_, Some(2)) => bail!("{}: the compiler never came to it", technique.name),
                (_, Some(_) | None) => Fate::Refused,
            });
        }
        seen.insert(walls, fates);
    }
    Ok(seen)
}
