//! The machine-checked proofs below `store/proofs`.
//!
//! Coq checks the order's arithmetic and makes a program of it, which `tests/oracle` compares with
//! the shipped functions. Ivy checks the models of the agreements. What was proved once is not
//! proved again before its file or the tool changes: a copy of both lies in the cache. `--all` does
//! everything again, and shows besides that weakened proofs fail and that the models can run.

mod install;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Instant;

use anyhow::{Context, Result, ensure};

use crate::say;
use crate::step::{self, Outcome, Steps};

/// In the order in which they need each other.
const THEORIES: [&str; 4] = ["Order.v", "Nulls.v", "Majority.v", "Extract.v"];
const MODELS: [&str; 5] = ["ragged.ivy", "views.ivy", "acceptor.ivy", "epoch.ivy", "durable.ivy"];
/// What Coq says of a theorem that rests on nothing but its proof.
const CLOSED: &str = "Closed under the global context";
/// How many cases are compared in the gate, and by `--all`.
const CASES: (u32, u32) = (100_000, 2_000_000);

/// Where things are.
struct Bench {
    /// `store/proofs`.
    sources: PathBuf,
    /// What the tools leave behind, and what was proved already.
    cache: PathBuf,
}

/// Which of the two ways to go.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Extent {
    /// What changed.
    Short,
    /// Everything, mutants and stories too.
    All,
}

/// Whether `words` are something this command knows.
pub(crate) fn knows(words: &[&str]) -> bool {
    matches!(words, [] | ["--all"])
}

/// Proves, each part a step. A tool that is missing and cannot be had is a failure here.
pub(crate) fn run(words: &[&str]) -> Result<bool> {
    let bench = bench()?;
    let extent = if words.contains(&"--all") { Extent::All } else { Extent::Short };
    let mut steps = Steps::default();
    steps.step("tools", || {
        Ok(install::missing(&bench, true)?.map_or(Outcome::Passed, Outcome::Failed))
    });
    steps.step("coq", || coq(&bench));
    steps.step("oracle", || oracle(&bench, extent));
    steps.step("ivy", || ivy(&bench, extent));
    if extent == Extent::All {
        steps.step("coq mutants", || script("coq/mutants.py", &bench, "coqc"));
        let ivy_check = install::ivy_check(&bench).to_string_lossy().into_owned();
        steps.step("ivy mutants", || script("ivy/mutants.py", &bench, &ivy_check));
        steps.step("ivy stories", || script("ivy/stories.py", &bench, &ivy_check));
    }
    Ok(steps.summary())
}

/// The short version as one step of the gate.
pub(crate) fn check(may_fetch: bool) -> Result<Outcome> {
    let bench = bench()?;
    if let Some(why) = install::missing(&bench, may_fetch)? {
        return Ok(if may_fetch { Outcome::Failed(why) } else { Outcome::Skipped(why) });
    }
    for part in [coq(&bench)?, oracle(&bench, Extent::Short)?, ivy(&bench, Extent::Short)?] {
        if part != Outcome::Passed {
            return Ok(part);
        }
    }
    Ok(Outcome::Passed)
}

fn bench() -> Result<Bench> {
    let cache = crate::tools::cache()?.join("proofs");
    fs::create_dir_all(cache.join("proved")).context("cannot make a folder for the proofs")?;
    Ok(Bench { sources: step::root()?.join("store/proofs"), cache })
}

/// Checks the theories in a copy, since Coq writes beside its sources, and builds the program.
fn coq(bench: &Bench) -> Result<Outcome> {
    let folder = bench.cache.join("coq");
    fs::create_dir_all(&folder).context("cannot make a folder for Coq")?;
    for name in THEORIES.iter().chain(&["driver.ml"]) {
        let source = bench.sources.join("coq").join(name);
        fs::copy(&source, folder.join(name)).with_context(|| format!("cannot copy {name}"))?;
    }
    for name in THEORIES {
        let begin = Instant::now();
        let told = quietly(command("coqc", &["-q", "-Q", ".", "Notrace", name], &folder))?;
        let text = fs::read_to_string(folder.join(name))?;
        let asked = text.lines().filter(|line| line.starts_with("Print Assumptions")).count();
        let closed = told.matches(CLOSED).count();
        ensure!(
            closed == asked,
            "{name}: a theorem rests on something that was not proved:\n{told}"
        );
        let took = say::duration(begin.elapsed());
        say::line(&format!(
            "{name}: checked, {closed} theorems asked for axioms and free of them, {took}"
        ));
    }
    let build = ["ocamlopt", "-linkpkg", "proved.mli", "proved.ml", "driver.ml", "-o", "oracle"];
    quietly(command("ocamlfind", &build, &folder))?;
    Ok(Outcome::Passed)
}

fn oracle(bench: &Bench, extent: Extent) -> Result<Outcome> {
    let cases = if extent == Extent::All { CASES.1 } else { CASES.0 };
    let package = ["test", "--quiet", "--package", "notrace-tests-oracle", "--test", "agreement"];
    let mut cargo = step::cargo(&[&package[..], &["--", "--nocapture"]].concat())?;
    cargo.env("NOTRACE_ORACLE", bench.cache.join("coq/oracle"));
    cargo.env("NOTRACE_ORACLE_CASES", cases.to_string());
    step::run(cargo)
}

/// Checks the models that changed, or all.
fn ivy(bench: &Bench, extent: Extent) -> Result<Outcome> {
    for name in MODELS {
        let text = fs::read_to_string(bench.sources.join("ivy").join(name))
            .with_context(|| format!("cannot read {name}"))?;
        let proved = bench.cache.join("proved").join(name);
        let stamp = format!("# {}\n{text}", install::IVY.join(" "));
        if extent == Extent::Short && fs::read_to_string(&proved).is_ok_and(|it| it == stamp) {
            say::line(&format!("{name}: proved before, unchanged"));
            continue;
        }
        let begin = Instant::now();
        let check = install::ivy_check(bench);
        let told = quietly(command(&check.to_string_lossy(), &[name], &bench.sources.join("ivy")))?;
        ensure!(told.trim_end().ends_with("OK") && !told.contains("FAIL"), "{name}:\n{told}");
        fs::write(&proved, stamp).context("cannot remember a proof")?;
        let goals = told.matches("... PASS").count();
        let took = say::duration(begin.elapsed());
        say::line(&format!("{name}: proved, {goals} goals, {took}"));
    }
    Ok(Outcome::Passed)
}

/// Runs one of the scripts that show that the proofs are worth something.
fn script(path: &str, bench: &Bench, tool: &str) -> Result<Outcome> {
    let script = bench.sources.join(path).to_string_lossy().into_owned();
    step::run(step::command("python3", &[&script, tool, &bench.cache.to_string_lossy()])?)
}

fn command(program: &str, arguments: &[&str], folder: &Path) -> Command {
    let mut command = Command::new(program);
    command.args(arguments).current_dir(folder);
    command
}

/// What a command printed; an error with all of it if it failed.
fn quietly(mut command: Command) -> Result<String> {
    let program = command.get_program().to_string_lossy().into_owned();
    let output = command.output().with_context(|| format!("cannot start {program}"))?;
    let told = String::from_utf8_lossy(&output.stdout).into_owned();
    let errors = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "{program} failed:\n{told}\n{errors}");
    Ok(told)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_all_is_known() {
        assert!(knows(&[]));
        assert!(knows(&["--all"]));
        assert!(!knows(&["--some"]));
    }

    #[test]
    fn no_theory_and_no_model_is_forgotten() {
        let sources = bench().unwrap().sources;
        let there = |folder: &str, ending: &str| {
            let files = fs::read_dir(sources.join(folder)).unwrap();
            let names = files.map(|file| file.unwrap().file_name().into_string().unwrap());
            let mut names: Vec<String> = names.filter(|name| name.ends_with(ending)).collect();
            names.sort();
            names
        };
        let sorted = |names: &[&str]| {
            let mut names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
            names.sort();
            names
        };
        assert_eq!(there("coq", ".v"), sorted(&THEORIES));
        assert_eq!(there("ivy", ".ivy"), sorted(&MODELS));
    }

    #[test]
    fn nothing_is_taken_for_granted() {
        let sources = bench().unwrap().sources;
        for name in THEORIES {
            let text = fs::read_to_string(sources.join("coq").join(name)).unwrap();
            for word in ["Admitted", "admit.", "Axiom", "Parameter", "Hypothesis"] {
                assert!(!text.contains(word), "{name}: {word}");
            }
        }
    }

    #[test]
    fn a_command_that_fails_is_an_error() {
        assert!(quietly(command("false", &[], Path::new("."))).is_err());
        assert_eq!(quietly(command("echo", &["yes"], Path::new("."))).unwrap(), "yes\n");
    }
}
