//! Whether anything gets out: every technique of the [`zoo`] against every choice of [`walls`].
//!
//! A technique is tried inside a real worker, in the midst of a real run, by an import that only
//! this suite can open; [`outside`] listens. With one wall standing it must be stopped, whichever
//! wall that is; with none it must succeed, because what never works shows nothing. [`imports`] are
//! what a guest itself would ask for. [`beyond`] says what no wall can stop, and what bounds it.
//!
//! `cargo xtask egress`
#![forbid(unsafe_code)]

mod beyond;
mod compilers;
mod hatch;
mod imports;
mod outside;
mod runs;
mod table;
mod walls;
mod zoo;

use std::io::Write as _;
use std::process::ExitCode;
use std::sync::OnceLock;

use anyhow::Result;
use notrace_runtime_worker::sweep_main;
use notrace_runtime_worker::weakened::{attempt_main, compile_main, open, worker_main};

use outside::{Numbers, Outside};
use walls::{Wall, Walls};

#[global_allocator]
static ALLOCATOR: zeroizing_alloc::ZeroAlloc<std::alloc::System> =
    zeroizing_alloc::ZeroAlloc(std::alloc::System);

/// What this process was told of the outside, by the name of its program: a jailed process is given
/// no arguments and no environment.
static TOLD: OnceLock<(Walls, Numbers)> = OnceLock::new();

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    if let (Some((walls, numbers)), [word @ ("worker" | "compile"), rest @ ..]) =
        (told(), words.as_slice())
    {
        let _ = TOLD.set((walls, numbers));
        if let Some(number) = rest.first().and_then(|number| number.parse().ok()) {
            attempt_main(walls.plan(), || attempt(number));
        }
        if !walls.has(Wall::Import) {
            open(attempt);
        }
        match *word {
            "worker" => worker_main(walls.plan()),
            _ => compile_main(walls.plan()),
        }
    }
    if words.first() == Some(&"sweep") {
        return sweep_main();
    }
    match run() {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            say(&format!("{error:#}\n"));
            ExitCode::FAILURE
        }
    }
}

/// What the name of the program says.
fn told() -> Option<(Walls, Numbers)> {
    let exe = std::env::current_exe().ok()?;
    let words: Vec<&str> = exe.file_name()?.to_str()?.strip_prefix("egress-")?.split('-').collect();
    let (walls, numbers) = words.split_first()?;
    Some((Walls::from_bits(walls.parse().ok()?), Numbers::from_words(numbers)?))
}

/// Makes one attempt, in a worker.
fn attempt(number: u32) -> bool {
    if let Some(done) = hatch::attempt(number) {
        return done;
    }
    let technique = zoo::all().get(number as usize).copied();
    let (Some(technique), Some((walls, numbers))) = (technique, TOLD.get()) else { return false };
    (technique.attempt)(*numbers, &numbers.token(*walls, number)).is_ok()
}

fn run() -> Result<bool> {
    let mut runtime = tokio::runtime::Builder::new_multi_thread();
    let runtime = runtime.worker_threads(2).enable_all().build()?;
    let mut outside = Outside::new()?;
    let seen = runtime.block_on(runs::all(&mut outside))?;
    let refused = runtime.block_on(imports::refused(&outside))?;
    let hatch = runtime.block_on(hatch::counted(&outside))?;
    let compilers = compilers::all(&mut outside)?;
    let table = table::Table::of(&seen, &compilers, &refused, &hatch);
    say(&table.text);
    Ok(table.holds)
}

fn say(text: &str) {
    let _ = std::io::stdout().write_all(text.as_bytes());
}
