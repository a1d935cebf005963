//! Ten short runs, as a part of every test of the workspace. The nightly ones are many and long.

use std::io::Write as _;
use std::time::Duration;

use anyhow::{Result, ensure};
use notrace_tests_cluster::run::run;

const LENGTH: Duration = Duration::from_secs(6);
/// The first of ten seeds. Between them they have every kind of fault.
const FIRST: u64 = 1;

#[tokio::test]
async fn ten_short_runs_find_nothing() -> Result<()> {
    for seed in FIRST..FIRST + 10 {
        let outcome = run(seed, 3, LENGTH).await?;
        let (plan, figures) = (&outcome.plan, &outcome.figures);
        let mut out = std::io::stderr().lock();
        let _ = writeln!(out, "{}{plan}{figures}", outcome.remarks);
        for violation in outcome.violations.iter().take(10) {
            let _ = writeln!(out, "{}: {}", violation.check, violation.text);
        }
        let seconds = LENGTH.as_secs();
        let again = format!("cargo xtask chaos --replay {seed} --seconds {seconds}");
        ensure!(outcome.violations.is_empty(), "seed {seed} found something; again: {again}");
        ensure!(figures.calls.0 > 50, "hardly a call was answered: {figures}");
    }
    Ok(())
}
