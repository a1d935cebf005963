//! Runs seeds, or one of them again.
//!
//! ```text
//! --seeds N [--from S] [--members M] [--fail-fast]         many runs; a failing one is shrunk
//! --replay S [--members M] [--clients N] [--mended MICROS] [--faults LINE]    one run, traced
//! ```

#![forbid(unsafe_code)]
#![expect(clippy::disallowed_methods, reason = "a command tells how long it took")]

use std::io::Write as _;
use std::process::ExitCode;
use std::time::Instant;

use notrace_tests_simulator::Violation;
use notrace_tests_simulator::plan::Plan;
use notrace_tests_simulator::shrink::shrink;
use notrace_tests_simulator::swarm::{Swarm, judge};
use notrace_tests_simulator::world::World;

/// Runs at a time; each takes one core.
const THREADS: usize = 2;

fn main() -> ExitCode {
    let words: Vec<String> = std::env::args().skip(1).collect();
    match Wish::of(&words) {
        Ok(Wish::Swarm(swarm)) => many(&swarm),
        Ok(Wish::Replay(plan)) => one(plan),
        Err(why) => {
            say(&why);
            ExitCode::FAILURE
        }
    }
}

enum Wish {
    Swarm(Swarm),
    Replay(Plan),
}

impl Wish {
    fn of(words: &[String]) -> Result<Self, String> {
        let (mut from, mut seeds, mut members, mut fail_fast) = (0, 2_000, None, false);
        let (mut replay, mut clients, mut mended, mut faults) = (None, None, None, None);
        let mut words = words.iter();
        while let Some(word) = words.next() {
            if word == "--fail-fast" {
                fail_fast = true;
                continue;
            }
            let value = words.next().ok_or_else(|| format!("{word} wants a value"))?;
            let number = || value.parse::<u64>().map_err(|_| format!("{word} wants a number"));
            match word.as_str() {
                "--seeds" => seeds = number()?,
                "--from" => from = number()?,
                "--members" => members = Some(number()? as usize),
                "--replay" => replay = Some(number()?),
                "--clients" => clients = Some(number()? as usize),
                "--mended" => mended = Some(number()?),
                "--faults" => faults = Some(Plan::faults_of(value).map_err(|e| e.to_string())?),
                _ => return Err(format!("there is no {word}")),
            }
        }
        let swarm = Swarm { seeds: from..from + seeds, members, fail_fast, threads: THREADS };
        let Some(seed) = replay else { return Ok(Wish::Swarm(swarm)) };
        let mut plan = swarm.plan(seed);
        plan.faults = faults.unwrap_or(plan.faults);
        plan.shape.clients = clients.unwrap_or(plan.shape.clients);
        plan.shape.mended = mended.unwrap_or(plan.shape.mended);
        Ok(Wish::Replay(plan))
    }
}

fn many(swarm: &Swarm) -> ExitCode {
    // A violated assertion is told with its seed; the panic's own words would only be noise.
    std::panic::set_hook(Box::new(|_| {}));
    let began = Instant::now();
    let outcome = swarm.run();
    let (took, coverage) = (began.elapsed().as_secs_f64(), &outcome.coverage);
    say(&coverage.table());
    say(&format!(
        "{} steps in {took:.1} s, {:.0} a second on each of {} cores; {} deliveries, {} views, {} \
         runs with too few left to vote",
        coverage.steps,
        coverage.steps as f64 / took / swarm.threads as f64,
        swarm.threads,
        coverage.delivered,
        coverage.views,
        coverage.excused,
    ));
    say(&format!("seeds run: {}", coverage.runs + outcome.failures.len() as u64));
    for (seed, violation) in outcome.failures.iter().take(3) {
        tell(swarm, *seed, violation);
    }
    say(&format!("failed: {}", outcome.failures.len()));
    if outcome.failures.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn tell(swarm: &Swarm, seed: u64, violation: &Violation) {
    say(&format!("seed {seed}: {}: {}", violation.property, violation.text));
    let small = if swarm.fail_fast {
        swarm.plan(seed)
    } else {
        shrink(&swarm.plan(seed), violation.property)
    };
    say(&format!("replay: {}", command(&small)));
}

/// What has to be typed to see a run again.
fn command(plan: &Plan) -> String {
    format!(
        "cargo run --release -p notrace-tests-simulator -- --replay {} --members {} --clients {} \
         --mended {} --faults '{}'",
        plan.seed,
        plan.shape.members,
        plan.shape.clients,
        plan.shape.mended,
        plan.line(),
    )
}

fn one(plan: Plan) -> ExitCode {
    let quiet = judge(plan.clone());
    let traced = World::new(plan).traced().run();
    match quiet.and(traced) {
        Ok(report) => {
            say(&format!("well: {report:?}"));
            ExitCode::SUCCESS
        }
        Err(violation) => {
            say(&format!("{}: {}", violation.property, violation.text));
            ExitCode::FAILURE
        }
    }
}

fn say(text: &str) {
    // Whoever closed the pipe does not want to know.
    drop(writeln!(std::io::stdout(), "{text}"));
}
