//! Runs from seeds, or one of them again.
//!
//! ```text
//! [--runs N] [--seed FIRST] [--seconds S] [--hosts H] [--fail-fast]    runs, one after another
//! --replay SEED [--seconds S] [--hosts H]                              one run, with its plan
//! ```

#![forbid(unsafe_code)]

use std::io::Write as _;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use notrace_tests_cluster::moment::Clock;
use notrace_tests_cluster::run::{Outcome, run};

/// Lines that are told of one violation.
const LINES_MAX: usize = 80;

/// What was asked for.
struct Wish {
    first: u64,
    runs: u64,
    length: Duration,
    hosts: usize,
    fail_fast: bool,
}

fn main() -> ExitCode {
    let words: Vec<String> = std::env::args().skip(1).collect();
    match wish(&words).and_then(|wish| all(&wish)) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            say(&format!("{error:#}"));
            ExitCode::FAILURE
        }
    }
}

fn wish(words: &[String]) -> Result<Wish> {
    let mut wish =
        Wish { first: 1, runs: 10, length: Duration::from_secs(20), hosts: 3, fail_fast: false };
    let mut words = words.iter();
    while let Some(word) = words.next() {
        if word == "--fail-fast" {
            wish.fail_fast = true;
            continue;
        }
        let value = words.next().with_context(|| format!("{word} wants a value"))?;
        let number: u64 = value.parse().with_context(|| format!("{word} wants a number"))?;
        match word.as_str() {
            "--runs" => wish.runs = number,
            "--seed" => wish.first = number,
            "--seconds" => wish.length = Duration::from_secs(number),
            "--hosts" => wish.hosts = number as usize,
            "--replay" => (wish.first, wish.runs) = (number, 1),
            _ => bail!("there is no {word}"),
        }
    }
    Ok(wish)
}

/// Does all runs; whether none found anything.
fn all(wish: &Wish) -> Result<bool> {
    // One thread: a node ends with the thread that started it, so that must be one that lasts.
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let (mut failed, mut remarks, began) = (Vec::new(), String::new(), Clock::start());
    for seed in wish.first..wish.first + wish.runs {
        let outcome = runtime.block_on(run(seed, wish.hosts, wish.length));
        let outcome = outcome.with_context(|| format!("seed {seed} could not be run"))?;
        if outcome.remarks != remarks {
            say(outcome.remarks.trim_end());
            remarks.clone_from(&outcome.remarks);
        }
        tell(wish, &outcome);
        if !outcome.violations.is_empty() {
            failed.push(seed);
            if wish.fail_fast {
                break;
            }
        }
    }
    let took = began.elapsed().as_secs_f64();
    say(&format!("{} runs in {took:.0} s, failed: {failed:?}", wish.runs));
    Ok(failed.is_empty())
}

fn tell(wish: &Wish, outcome: &Outcome) {
    let Outcome { plan, violations, figures, .. } = outcome;
    say(&format!("seed {}: {figures}", plan.seed));
    if violations.is_empty() && wish.runs > 1 {
        return;
    }
    say(&plan.to_string());
    for violation in violations.iter().take(10) {
        let lines: Vec<&str> = violation.text.lines().take(LINES_MAX).collect();
        say(&format!("  {}: {}", violation.check, lines.join("\n")));
    }
    if let Some(more) = violations.len().checked_sub(11) {
        say(&format!("  and {} more", more + 1));
    }
    let Wish { length, hosts, .. } = wish;
    let (seed, seconds) = (plan.seed, length.as_secs());
    say(&format!("again: cargo xtask chaos --replay {seed} --seconds {seconds} --hosts {hosts}"));
}

fn say(text: &str) {
    // Nobody may be reading any more; the exit code still tells.
    let _ = writeln!(std::io::stdout().lock(), "{text}");
}
