//! Deliberate faults in the protocol, and whether the simulator finds them. A simulator that does
//! not is no evidence of anything.
//!
//! The list is `tests/simulator/mutants.txt`: a name, a file, a sentence, and one piece of the file
//! with what to put in its place. The faults are planted in a copy below the cache, never here.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Instant;

use anyhow::{Context, Result, bail};

use crate::step::{self, Outcome, Steps};
use crate::{say, tools};

/// Seeds that a fault may live through before it counts as not found.
const SEEDS: &str = "2000";

/// How the names of faults begin that no seed is known to find yet: they fail nothing.
const OPEN: &str = "open: ";

const LIST: &str = "tests/simulator/mutants.txt";

/// A fault.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Mutant {
    name: String,
    file: PathBuf,
    why: String,
    old: String,
    new: String,
}

/// Plants each fault, or those whose names contain a word, and runs the simulator.
pub(crate) fn run(words: &[&str]) -> Result<bool> {
    let root = step::root()?;
    let mutants = parse(&fs::read_to_string(root.join(LIST)).context("the list of mutants")?)?;
    let copy = tools::cache()?.join("mutants/checkout");
    let mut steps = Steps::default();
    let mut table = vec!["| fault | found | seeds |".to_owned(), "|---|---|---|".to_owned()];
    steps.step("mutants", || {
        copy_tracked(&root, &copy)?;
        let mut alive = Vec::new();
        let chosen = |mutant: &&Mutant| {
            words.is_empty() || words.iter().any(|word| mutant.name.contains(word))
        };
        for mutant in mutants.iter().filter(chosen) {
            let began = Instant::now();
            let found = hunt(&root, &copy, mutant)?;
            let took = say::duration(began.elapsed());
            let (said, seeds) = match &found {
                Some(seeds) => ("yes", seeds.clone()),
                None => ("NO", format!("more than {SEEDS}")),
            };
            say::line(&format!("{}: found: {said}, seeds: {seeds}, {took}", mutant.name));
            table.push(format!("| {} | {said} | {seeds} |", mutant.why));
            if found.is_none() && !mutant.name.starts_with(OPEN) {
                alive.push(mutant.name.clone());
            }
        }
        if alive.is_empty() { Ok(Outcome::Passed) } else { Ok(Outcome::Failed(alive.join(", "))) }
    });
    say::line(&table.join("\n"));
    Ok(steps.summary())
}

/// Copies what git tracks, so that nothing else gets in.
fn copy_tracked(root: &Path, copy: &Path) -> Result<()> {
    fs::create_dir_all(copy)?;
    let listed = step::command("git", &["ls-files", "-z", "store", "tests", "Cargo.toml"])?
        .stdout(Stdio::piped())
        .output()
        .context("cannot ask git for the files")?;
    let listed = String::from_utf8(listed.stdout)?;
    for file in listed.split('\0').filter(|file| !file.is_empty()) {
        let (source, target) = (root.join(file), copy.join(file));
        if let (true, Some(folder)) = (source.is_file(), target.parent()) {
            fs::create_dir_all(folder)?;
            let bytes = fs::read(&source)?;
            if fs::read(&target).ok().as_ref() != Some(&bytes) {
                fs::write(&target, bytes)?;
            }
        }
    }
    let manifest = fs::read_to_string(root.join("Cargo.toml"))?;
    fs::write(copy.join("Cargo.toml"), alone(&manifest)?)?;
    fs::copy(root.join("Cargo.lock"), copy.join("Cargo.lock"))?;
    Ok(())
}

/// The workspace with nothing in it but the protocol and its simulator.
fn alone(manifest: &str) -> Result<String> {
    let begin = manifest.find("[workspace]").context("no workspace")?;
    let rest = manifest.find("[workspace.package]").context("no workspace.package")?;
    let members = "[workspace]\nresolver = \"3\"\nmembers = [\"store/protocol\", \
                   \"tests/simulator\"]\n\n";
    let kept = manifest.get(rest..).unwrap_or_default();
    Ok(format!("{}{members}{kept}", manifest.get(..begin).unwrap_or_default()))
}

/// Plants a fault, builds, and runs; the output's last word on seeds if it was found.
fn hunt(root: &Path, copy: &Path, mutant: &Mutant) -> Result<Option<String>> {
    let (source, target) = (root.join(&mutant.file), copy.join(&mutant.file));
    let text = fs::read_to_string(&source).with_context(|| mutant.name.clone())?;
    fs::write(&target, plant(&text, mutant)?)?;
    let outcome = simulate(copy);
    fs::write(&target, text)?;
    outcome.with_context(|| mutant.name.clone())
}

fn simulate(copy: &Path) -> Result<Option<String>> {
    let cargo = |arguments: &[&str]| {
        let mut cargo = Command::new(std::env::var("CARGO").unwrap_or_else(|_| "cargo".to_owned()));
        cargo.args(arguments).current_dir(copy).stdin(Stdio::null());
        cargo.env("CARGO_TARGET_DIR", copy.with_file_name("target"));
        cargo
    };
    let build = ["build", "--release", "--quiet", "--package", "notrace-tests-simulator"];
    let built = cargo(&build).stderr(Stdio::piped()).output()?;
    if !built.status.success() {
        bail!("does not compile: {}", String::from_utf8_lossy(&built.stderr));
    }
    let program = copy.with_file_name("target").join("release/notrace-tests-simulator");
    let mut hunted = Command::new(program);
    hunted.args(["--seeds", SEEDS, "--fail-fast"]).stdin(Stdio::null());
    let output = hunted.output().context("cannot run the simulator")?;
    if output.status.success() {
        return Ok(None);
    }
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    let seeds = said.lines().rev().find_map(|line| line.strip_prefix("seeds run: "));
    Ok(Some(seeds.unwrap_or("some").trim().to_owned()))
}

/// The text with the fault in it.
fn plant(text: &str, mutant: &Mutant) -> Result<String> {
    let places = text.matches(&mutant.old).count();
    if places != 1 {
        bail!("{}: its piece stands {places} times in {}", mutant.name, mutant.file.display());
    }
    Ok(text.replacen(&mutant.old, &mutant.new, 1))
}

/// Reads the list.
fn parse(text: &str) -> Result<Vec<Mutant>> {
    let mut mutants = Vec::new();
    for entry in text.split("\n## ").skip(1) {
        let mut lines = entry.lines().filter(|line| !line.trim().is_empty());
        let name = lines.next().context("a mutant without a name")?.trim().to_owned();
        let file = PathBuf::from(lines.next().with_context(|| format!("{name}: no file"))?.trim());
        let why = lines.next().with_context(|| format!("{name}: no sentence"))?.trim().to_owned();
        let (mut old, mut new) = (Vec::new(), Vec::new());
        for line in lines {
            match (line.strip_prefix("- "), line.strip_prefix("+ ")) {
                (Some(line), _) => old.push(line),
                (_, Some(line)) => new.push(line),
                _ => bail!("{name}: a line is neither taken out nor put in"),
            }
        }
        let (old, new) = (old.join("\n"), new.join("\n"));
        if old.is_empty() || old == new {
            bail!("{name}: nothing is taken out");
        }
        mutants.push(Mutant { name, file, why, old, new });
    }
    Ok(mutants)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_fault_can_still_be_planted() {
        let root = step::root().unwrap();
        let mutants = parse(&fs::read_to_string(root.join(LIST)).unwrap()).unwrap();
        assert!(mutants.len() >= 30);
        for mutant in mutants {
            let text = fs::read_to_string(root.join(&mutant.file)).unwrap();
            assert_ne!(plant(&text, &mutant).unwrap(), text);
        }
    }

    #[test]
    fn a_piece_that_is_not_there_or_twice_there_is_refused() {
        let list = "intro\n## name\nfile.rs\nA sentence.\n- old\n+ new\n";
        let mutant = parse(list).unwrap().remove(0);
        assert_eq!(plant("an old one", &mutant).unwrap(), "an new one");
        assert!(plant("one", &mutant).is_err());
        assert!(plant("old old", &mutant).is_err());
    }
}
