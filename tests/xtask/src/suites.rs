//! Suites that take long, or that need a quiet machine. Each is a crate of its own below `tests/`.

use anyhow::Result;

use crate::step::{self, Steps};

/// The benchmarks; what they print is a table.
pub(crate) fn bench(arguments: &[&str]) -> Result<bool> {
    suite("bench", "notrace-tests-bench", arguments)
}

/// The hunt for what a run leaves behind.
pub(crate) fn residue(arguments: &[&str]) -> Result<bool> {
    suite("residue", "notrace-tests-residue", arguments)
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
