//! What a run costs beyond its own work: loading, starting, ending. The first, best, median and
//! 99th of a hundred, in microseconds.
//!
//! `cargo run --release -p notrace-runtime-sandbox --example startup`

#![forbid(unsafe_code)]
#![expect(clippy::disallowed_methods, reason = "a measurement reads the clock")]

use std::error::Error;
use std::fs::File;
use std::io::{Write, stdout};
use std::os::fd::{AsFd, OwnedFd};
use std::time::{Duration, Instant};

use notrace_policy_promise::private::Private;
use notrace_runtime_sandbox::{AuthenticCode, End, Grant, Limits, Sandbox};

const ROUNDS: usize = 2000;
const FIXTURES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/hostile/fixtures");

fn main() -> Result<(), Box<dyn Error>> {
    let start = Instant::now();
    let sandbox = Sandbox::new()?;
    writeln!(stdout(), "{:<28}{:>9.1}", "Sandbox::new", micros(start.elapsed()))?;
    let files = std::env::args().skip(1);
    let fixtures = ["task_echo", "task_object", "echo", "empty_start"];
    let fixtures = fixtures.map(|name| format!("{FIXTURES}/{name}.wat"));
    for path in fixtures.into_iter().chain(files) {
        let module = wat::parse_file(&path)?;
        let start = Instant::now();
        let compiled = sandbox.compile(&module)?;
        let name = path.rsplit('/').next().unwrap_or_default();
        let (world, took) = (compiled.task.world, start.elapsed());
        writeln!(
            stdout(),
            "{name} ({world}): module {} B, code {} B, compiled in {:.1} ms",
            module.len(),
            compiled.code.len(),
            micros(took) / 1000.0
        )?;
        measure(&sandbox, &compiled.code)?;
    }
    Ok(())
}

fn measure(sandbox: &Sandbox, code: &[u8]) -> Result<(), Box<dyn Error>> {
    let file: OwnedFd = rustix::fs::memfd_create("code", rustix::fs::MemfdFlags::CLOEXEC)?;
    File::from(file.try_clone()?).write_all(code)?;
    let (mut loads, mut runs, mut wholes) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        let grant = grant();
        let start = Instant::now();
        let loaded = sandbox.load(AuthenticCode::mapped(file.as_fd(), code.len() as u64)?)?;
        let load = start.elapsed();
        let ended = sandbox.run(loaded, grant, limits());
        let whole = start.elapsed();
        if ended.end != End::Answered {
            return Err(format!("{:?}", ended.end).into());
        }
        loads.push(load);
        runs.push(whole - load);
        wholes.push(whole);
    }
    for (name, mut times) in [("load", loads), ("run", runs), ("load and run", wholes)] {
        let first = times.first().map_or(0.0, |it| micros(*it));
        times.sort();
        let at = |part: usize| times.get(times.len() * part / 1000).map_or(0.0, |it| micros(*it));
        let (best, median, late) = (at(0), at(500), at(990));
        writeln!(stdout(), "  {name:<26}{first:>9.1}{best:>9.1}{median:>9.1}{late:>9.1}")?;
    }
    Ok(())
}

fn grant() -> Grant {
    Grant {
        args: Vec::new(),
        input: Private::new(vec![7; 1024]),
        objects: Vec::new(),
        time_unix_micros: 0,
        seed: [0; 32],
    }
}

fn limits() -> Limits {
    Limits {
        fuel: 1_000_000_000,
        memory_bytes: 64 << 20,
        table_elements: 10_000,
        output_bytes: 1 << 20,
    }
}

fn micros(time: Duration) -> f64 {
    time.as_secs_f64() * 1e6
}
