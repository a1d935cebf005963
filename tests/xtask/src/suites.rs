//! Suites that take long, or that need a quiet machine. Each is a crate of its own below `tests/`.

use anyhow::Result;

use crate::libfabric;
use crate::step::{self, Outcome, Steps};
use crate::tools;

/// The benchmarks; what they print is a table.
///
/// Of `--cluster`, `--engine` measures what orders updates by itself, over each fabric that can be
/// built here.
pub(crate) fn bench(arguments: &[&str]) -> Result<bool> {
    if arguments == ["price"] {
        return price();
    }
    let ["--cluster", rest @ ..] = arguments else {
        return suite("bench", "notrace-tests-bench", arguments);
    };
    let rest: Vec<&str> = rest.iter().copied().filter(|word| *word != "--engine").collect();
    let mut passed = true;
    if rest.len() + 1 < arguments.len() {
        passed = engine()?;
        if rest.is_empty() {
            return Ok(passed);
        }
    }
    Ok(suite("bench", "notrace-tests-bench", &[&["--cluster"], &rest[..]].concat())? && passed)
}

/// What each protection costs; a build of its own, because no release can leave one out.
fn price() -> Result<bool> {
    let mut steps = Steps::default();
    steps.step("price", || {
        let what = ["--package", "notrace-runtime-worker", "--example", "price"];
        let how = ["run", "--profile", "priced", "--quiet", "--features", "weaken"];
        step::run(step::cargo(&[&how[..], &what].concat())?)
    });
    Ok(steps.summary())
}

fn engine() -> Result<bool> {
    let mut steps = Steps::default();
    steps.step("engine", || {
        let features: &[&str] = match libfabric::is_there()? {
            true => &["--features", "libfabric"],
            false => &[],
        };
        let package = ["--package", "notrace-store-replica", "--example", "engine"];
        let run = ["run", "--release", "--quiet"];
        step::run(step::cargo(&[&run, &package[..], features].concat())?)
    });
    Ok(steps.summary())
}

/// The hunt for what a run leaves behind.
pub(crate) fn residue(arguments: &[&str]) -> Result<bool> {
    suite("residue", "notrace-tests-residue", arguments)
}

/// Nodes with leaks, and the hunt that must find them.
pub(crate) fn planted(numbers: &[&str]) -> Result<bool> {
    let mut steps = Steps::default();
    steps.step("planted leaks", || planted_leaks(numbers));
    Ok(steps.summary())
}

/// Builds the program that has leaks, which no release build can, and hunts in it.
pub(crate) fn planted_leaks(numbers: &[&str]) -> Result<Outcome> {
    // All of the workspace is named, so that what others need is built as for the tests.
    let what = ["build", "--workspace", "--quiet", "--features"];
    let with = ["notrace-platform-cli/planted-leaks", "--bin", "notrace-planted"];
    let hunt = ["--bin", "notrace-tests-residue"];
    let built = step::run(step::cargo(&[&what[..], &with, &hunt].concat())?)?;
    if built != Outcome::Passed {
        return Ok(built);
    }
    let hunt = tools::target()?.join("debug/notrace-tests-residue");
    step::run(step::command(&hunt.to_string_lossy(), &[&["--planted"], numbers].concat())?)
}

/// Hostile modules by the thousand.
pub(crate) fn hostile(arguments: &[&str]) -> Result<bool> {
    suite("hostile", "notrace-tests-hostile", arguments)
}

/// What an observer can tell of a secret.
pub(crate) fn observer(arguments: &[&str]) -> Result<bool> {
    suite("observer", "notrace-tests-observer", arguments)
}

/// Every way out against every choice of walls. In debug, because no other build can open a wall.
pub(crate) fn egress() -> Result<bool> {
    let mut steps = Steps::default();
    steps.step("egress", ways_out);
    Ok(steps.summary())
}

/// Builds the suite with the walls that it can open, and runs it.
pub(crate) fn ways_out() -> Result<Outcome> {
    // As for the planted leaks.
    let what = ["build", "--workspace", "--quiet", "--bin", "notrace-tests-egress"];
    let with = ["--features", "notrace-tests-egress/weaken"];
    let built = step::run(step::cargo(&[&what[..], &with].concat())?)?;
    if built != Outcome::Passed {
        return Ok(built);
    }
    let suite = tools::target()?.join("debug/notrace-tests-egress");
    step::run(step::command(&suite.to_string_lossy(), &[])?)
}

/// Faults and load on real processes; as many runs as a night holds, if nothing else is said.
pub(crate) fn chaos(arguments: &[&str]) -> Result<bool> {
    let usual = ["--runs", "1000", "--seconds", "20"];
    suite("chaos", "notrace-tests-cluster", if arguments.is_empty() { &usual } else { arguments })
}

/// Many seeds of the simulator; as many as a night holds, if nothing else is said.
pub(crate) fn simulate(arguments: &[&str]) -> Result<bool> {
    let mut steps = Steps::default();
    steps.step("simulate", || {
        let run = ["run", "--release", "--quiet", "--package", "notrace-tests-simulator", "--"];
        let usual = if arguments.is_empty() { &["--seeds", "100000"][..] } else { &[] };
        step::run(step::cargo(&[&run, usual, arguments].concat())?)
    });
    Ok(steps.summary())
}

/// Builds the product and runs a suite against it, both in release: timings and memory of a debug
/// build say little.
fn suite(name: &'static str, package: &str, arguments: &[&str]) -> Result<bool> {
    let mut steps = Steps::default();
    steps.step("build", || {
        step::run(step::cargo(&[
            "build",
            "--release",
            "--quiet",
            "--package",
            "notrace-platform-cli",
        ])?)
    });
    steps.step(name, || {
        let run = ["run", "--release", "--quiet", "--package", package, "--"];
        step::run(step::cargo(&[&run, arguments].concat())?)
    });
    Ok(steps.summary())
}
