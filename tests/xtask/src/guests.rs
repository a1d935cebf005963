//! Builds the committed modules below `examples/`, from package registries alone.
//!
//! rustup brings no target for WebAssembly with it, so C is compiled by Zig's compiler, which is
//! one Python package, and Rust by Debian's compiler together with the library it is built with.
//! Both are linked by the linker that comes with Rust. Pinned versions, no paths and no times in
//! the output: two machines get the same bytes, and `--check` says whether they did.

mod c;
mod rust;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result};

use crate::say;
use crate::step::{self, Outcome, Steps};

/// The linker's version is written into each component it makes.
const LINKER: &str = "wasm-component-ld 0.5.21";

/// One committed module.
struct Guest {
    name: &'static str,
    build: fn(&Tools, &Path) -> Result<()>,
}

const GUESTS: [Guest; 3] = [
    Guest { name: "echo", build: c::echo },
    Guest { name: "redact", build: c::redact },
    Guest { name: "thumbnail", build: rust::thumbnail },
];

/// Where things are.
struct Tools {
    root: PathBuf,
    /// Compilers and what they leave behind.
    cache: PathBuf,
    /// The folder of the linkers that come with Rust.
    linkers: PathBuf,
}

/// What a tool that is missing would need.
type Missing = Option<String>;

/// Whether `words` are names of guests and `--check`.
pub(crate) fn knows(words: &[&str]) -> bool {
    words.iter().all(|word| *word == "--check" || GUESTS.iter().any(|guest| guest.name == *word))
}

/// Builds the guests named, or all, and either writes them beside their sources or compares.
pub(crate) fn run(words: &[&str]) -> Result<bool> {
    let check = words.contains(&"--check");
    let named = |guest: &Guest| words.contains(&guest.name);
    let all = !GUESTS.iter().any(named);
    let mut steps = Steps::default();
    for guest in GUESTS.iter().filter(|guest| all || named(guest)) {
        steps.step(guest.name, || one(guest, check, true));
    }
    Ok(steps.summary())
}

/// Compares all guests with what is committed, as one step.
pub(crate) fn check_all(may_fetch: bool) -> Result<Outcome> {
    let mut skipped = None;
    for guest in &GUESTS {
        match one(guest, true, may_fetch)? {
            Outcome::Passed => say::line(&format!("{}: the same bytes", guest.name)),
            Outcome::Skipped(why) => skipped = Some(format!("{}: {why}", guest.name)),
            failed @ Outcome::Failed(_) => return Ok(failed),
        }
    }
    Ok(skipped.map_or(Outcome::Passed, Outcome::Skipped))
}

fn one(guest: &Guest, check: bool, may_fetch: bool) -> Result<Outcome> {
    let tools = tools()?;
    let missing = match linker(&tools) {
        None if guest.name == "thumbnail" => rust::missing(&tools, may_fetch)?,
        None => c::missing(&tools, may_fetch)?,
        missing => missing,
    };
    if let Some(why) = missing {
        return Ok(Outcome::Skipped(why));
    }
    let built = tools.cache.join(format!("{}.wasm", guest.name));
    (guest.build)(&tools, &built)?;
    let committed = tools.root.join(format!("examples/{0}/{0}.wasm", guest.name));
    let bytes = fs::read(&built).context("the build left no module")?;
    if !check {
        say::line(&format!("{}: {} bytes", guest.name, bytes.len()));
        fs::write(committed, bytes).context("cannot write the module")?;
        return Ok(Outcome::Passed);
    }
    let same = fs::read(committed).is_ok_and(|before| before == bytes);
    let differs = || format!("{}: differs from its sources; cargo xtask guests", guest.name);
    Ok(if same { Outcome::Passed } else { Outcome::Failed(differs()) })
}

fn tools() -> Result<Tools> {
    let sysroot = step::first_line(step::command("rustc", &["--print", "sysroot"])?)
        .context("there is no rustc")?;
    let linkers = Path::new(&sysroot).join("lib/rustlib/x86_64-unknown-linux-gnu/bin");
    let cache = crate::tools::cache()?.join("guests");
    fs::create_dir_all(&cache).context("cannot make a folder for the guests")?;
    Ok(Tools { root: step::root()?, cache, linkers })
}

fn linker(tools: &Tools) -> Missing {
    let mut linker = Command::new(tools.linkers.join("wasm-component-ld"));
    linker.arg("--version");
    match step::first_line(linker) {
        Some(version) if version == LINKER => None,
        Some(version) => Some(format!("needs {LINKER}, which comes with Rust 1.95, not {version}")),
        None => {
            Some("needs the linkers that rustup installs with Rust for x86-64 Linux".to_owned())
        }
    }
}

/// Runs one command of a build, in quiet unless it fails.
fn build(mut command: Command) -> Result<()> {
    let program = command.get_program().to_string_lossy().into_owned();
    let output = command.output().with_context(|| format!("cannot start {program}"))?;
    anyhow::ensure!(
        output.status.success(),
        "{program} failed:\n{}",
        String::from_utf8_lossy(&output.stderr)
    );
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_guests_and_check_are_known() {
        assert!(knows(&[]));
        assert!(knows(&["redact", "--check"]));
        assert!(!knows(&["redacted"]));
    }

    #[test]
    fn each_guest_has_its_module_beside_its_sources() {
        let root = step::root().unwrap();
        for guest in &GUESTS {
            let module = fs::read(root.join(format!("examples/{0}/{0}.wasm", guest.name))).unwrap();
            assert!(module.starts_with(b"\0asm"), "{}", guest.name);
        }
    }

    #[test]
    fn a_build_that_fails_says_so() {
        assert!(build(step::cargo(&["no-such-command"]).unwrap()).is_err());
    }
}
