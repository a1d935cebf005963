//! One thing that is done, and how it went.

use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result};

use crate::say;

/// How a step ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// Done, and well.
    Passed,
    /// Not done, and what it would have needed.
    Skipped(String),
    /// Done, and not well.
    Failed(String),
}

/// The steps of a command, as far as they got.
#[derive(Debug, Default)]
pub(crate) struct Steps {
    ended: Vec<(&'static str, Outcome, Duration)>,
}

impl Steps {
    /// Does one thing. What fails is remembered and does not keep the others from being done.
    pub(crate) fn step(&mut self, name: &'static str, work: impl FnOnce() -> Result<Outcome>) {
        say::line(&format!("── {name}"));
        let begin = Instant::now();
        let outcome = work().unwrap_or_else(|error| Outcome::Failed(format!("{error:#}")));
        let took = begin.elapsed();
        say::line(&format!("── {}", describe(name, &outcome, took)));
        self.ended.push((name, outcome, took));
    }

    /// Prints how all steps went; whether none failed.
    pub(crate) fn summary(&self) -> bool {
        say::line("\nsummary");
        for (name, outcome, took) in &self.ended {
            say::line(&format!("  {}", describe(name, outcome, *took)));
        }
        let failed = self.ended.iter().any(|(_, outcome, _)| matches!(outcome, Outcome::Failed(_)));
        let total = self.ended.iter().map(|(_, _, took)| *took).sum();
        let verdict = if failed { "something failed" } else { "nothing failed" };
        say::line(&format!("  {verdict}, {} in all", say::duration(total)));
        !failed
    }
}

fn describe(name: &str, outcome: &Outcome, took: Duration) -> String {
    let took = say::duration(took);
    match outcome {
        Outcome::Passed => format!("{name}: passed in {took}"),
        Outcome::Skipped(why) => format!("{name}: skipped, {why}"),
        Outcome::Failed(why) => format!("{name}: failed after {took}, {why}"),
    }
}

/// The root of the repository.
pub(crate) fn root() -> Result<PathBuf> {
    let here = std::path::Path::new(env!("CARGO_MANIFEST_DIR"));
    here.ancestors().nth(2).map(PathBuf::from).context("this crate is not two folders deep")
}

/// A command in the repository's root.
pub(crate) fn command(program: &str, arguments: &[&str]) -> Result<Command> {
    let mut command = Command::new(program);
    command.args(arguments).current_dir(root()?).stdin(Stdio::null());
    Ok(command)
}

/// Cargo, the one that runs this program where that is known.
pub(crate) fn cargo(arguments: &[&str]) -> Result<Command> {
    command(&std::env::var("CARGO").unwrap_or_else(|_| "cargo".to_owned()), arguments)
}

/// Runs a command to its end; what it prints is seen.
pub(crate) fn run(mut command: Command) -> Result<Outcome> {
    let program = command.get_program().to_string_lossy().into_owned();
    let status = command.status().with_context(|| format!("cannot start {program}"))?;
    Ok(if status.success() { Outcome::Passed } else { Outcome::Failed(status.to_string()) })
}

/// The first line a command prints, or nothing where it cannot be run or fails.
pub(crate) fn first_line(mut command: Command) -> Option<String> {
    let output = command.stderr(Stdio::null()).output().ok()?;
    let text = String::from_utf8_lossy(&output.stdout);
    output.status.success().then(|| text.lines().next().unwrap_or_default().to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failed_step_does_not_stop_the_next_and_fails_the_whole() {
        let mut steps = Steps::default();
        let mut done = false;
        steps.step("first", || anyhow::bail!("no"));
        steps.step("second", || {
            done = true;
            Ok(Outcome::Passed)
        });
        assert!(done);
        assert!(!steps.summary());
    }

    #[test]
    fn a_skipped_step_fails_nothing() {
        let mut steps = Steps::default();
        steps.step("only", || Ok(Outcome::Skipped("there is no such tool".to_owned())));
        assert!(steps.summary());
    }

    #[test]
    fn a_program_that_fails_is_a_failed_step() {
        let outcome = run(cargo(&["no-such-command"]).unwrap()).unwrap();
        assert!(matches!(outcome, Outcome::Failed(_)));
        assert!(first_line(cargo(&["no-such-command"]).unwrap()).is_none());
        assert!(first_line(cargo(&["--version"]).unwrap()).unwrap().starts_with("cargo "));
    }
}
