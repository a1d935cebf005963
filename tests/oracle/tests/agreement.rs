//! Whether the shipped functions and the proved ones give the same answers.
#![forbid(unsafe_code)]
#![expect(
    clippy::disallowed_methods,
    reason = "the proved program is built by another command, and named by a variable"
)]

use std::env;
use std::io::Write;
use std::num::ParseIntError;
use std::path::PathBuf;

use notrace_tests_oracle::{cases::Cases, program::first_difference};

/// Names the program that was extracted from the proofs.
const PROGRAM: &str = "NOTRACE_ORACLE";
/// How many cases to compare, if not the usual number.
const COUNT: &str = "NOTRACE_ORACLE_CASES";
/// Where the cases begin, if not at the usual seed.
const SEED: &str = "NOTRACE_ORACLE_SEED";

fn say(line: &str) {
    let _ = writeln!(std::io::stdout(), "{line}");
}

fn number(name: &str, usual: u64) -> Result<u64, ParseIntError> {
    env::var(name).map_or(Ok(usual), |it| it.parse())
}

#[test]
fn the_shipped_functions_answer_as_the_proved_ones_do() {
    let Some(program) = env::var_os(PROGRAM).map(PathBuf::from) else {
        say("not compared: NOTRACE_ORACLE names no proved program; cargo xtask proofs makes one");
        return;
    };
    let (count, seed) = (number(COUNT, 100_000).unwrap(), number(SEED, 2026).unwrap());
    assert!(count >= 1, "nothing to compare");
    let cases = Cases::of(seed).take(count as usize).collect();
    assert_eq!(first_difference(&program, cases).unwrap(), None, "seed {seed}");
    say(&format!("{count} cases from seed {seed}: the same answers"));
}
