//! `cargo xtask observer`: what an observer can tell of a secret; a table.
#![forbid(unsafe_code)]

use std::io::Write as _;
use std::process::ExitCode;

use anyhow::{Context as _, Result, bail};
use notrace_tests_observer::stage::{OPEN, QUANTUM, Stage};
use notrace_tests_observer::timing::{T_MAX, measure};
use notrace_tests_observer::{kept, pairs, table};

const USUAL_RUNS: usize = 500;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match run(&words) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            say(&format!("{error:#}"));
            ExitCode::FAILURE
        }
    }
}

fn run(words: &[&str]) -> Result<bool> {
    let runs = match words {
        [] => USUAL_RUNS,
        ["--runs", number] => number.parse().context("--runs NUMBER")?,
        _ => bail!("usage: observer [--runs NUMBER]"),
    };
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    runtime.block_on(async {
        let stage = Stage::set().await?;
        let told = pairs::all(&stage).await?;
        say(&table::of(&told));
        let mut faults = table::faults(&told);
        let killed = pairs::killed(&stage).await?;
        say(&format!("{}: told by {:?} at the deadline", killed.pair, killed.by.concat()));
        if killed.by.iter().any(|by| !by.is_empty()) {
            faults.push(format!("{}: shows", killed.pair));
        }
        let (one, other) =
            (kept::added(&stage, QUANTUM, 0).await?, kept::added(&stage, QUANTUM, 1).await?);
        say(&format!(
            "kept of either: {} leaves, {} bytes of receipts, {} bytes in the store, {} printed",
            one.leaves, one.receipts, one.store, one.printed
        ));
        if one != other {
            faults.push(format!("what stays differs: {one:?}, {other:?}"));
        }
        for (policy, hides) in [(OPEN, false), (QUANTUM, true)] {
            let timing = measure(&stage, policy, runs).await?;
            say(&format!(
                "time under `{}`: means {:?}, t = {:.2} over {} runs of each",
                policy.pool, timing.means, timing.t, timing.runs
            ));
            if (timing.t.abs() < T_MAX) != hides {
                faults.push(format!("time under `{}` is not as it must be", policy.pool));
            }
        }
        faults.iter().for_each(|fault| say(fault));
        Ok(faults.is_empty())
    })
}

fn say(line: &str) {
    let _ = writeln!(std::io::stdout().lock(), "{line}");
}
