//! `cargo xtask residue`: many runs with canaries, and the hunt for what they left.
#![forbid(unsafe_code)]

use std::io::Write as _;
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::{Command, ExitCode};

use anyhow::{Context as _, Result, bail};
use notrace_tests_residue::faults;
use notrace_tests_residue::machine::Recipe;
use notrace_tests_residue::machine::scenes::{self, Row};
use notrace_tests_residue::planted::{self, Fared};
use notrace_tests_residue::rounds::{self, Report, Surroundings};
use tokio::runtime::Runtime;

const USUAL_RUNS: usize = 1000;
/// How many finds of one hunt are shown.
const SHOWN: usize = 12;
/// How the program tells itself that the network it is in is its own.
const INSIDE: &str = "--inside";

fn main() -> ExitCode {
    match run(std::env::args().skip(1).collect()) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            say(&format!("{error:#}"));
            ExitCode::FAILURE
        }
    }
}

fn run(mut arguments: Vec<String>) -> Result<bool> {
    if let [first, folder] = arguments.as_slice()
        && first == "--machine"
    {
        return machine(folder.as_ref());
    }
    let inside = arguments.first().is_some_and(|first| first == INSIDE);
    if inside {
        arguments.remove(0);
    } else if enter(&["true"]).status().is_ok_and(|status| status.success()) {
        let exe = std::env::current_exe()?.display().to_string();
        let words: Vec<&str> = [exe.as_str(), INSIDE]
            .into_iter()
            .chain(arguments.iter().map(String::as_str))
            .collect();
        return Err(enter(&words).exec()).context("entering a network of its own");
    }
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let surroundings = Surroundings::here(inside)?;
    match words.as_slice() {
        [] => honest(USUAL_RUNS, &surroundings),
        ["--runs", number] => honest(number.parse().context("--runs NUMBER")?, &surroundings),
        ["--faults", points, only @ ..] => {
            let points = points.parse().context("--faults POINTS [WORD ...]")?;
            violent(points, &only.join(" "), &surroundings)
        }
        ["--planted"] => planted(&[], &surroundings),
        ["--planted", numbers @ ..] => {
            let numbers: Result<Vec<u32>, _> = numbers.iter().map(|text| text.parse()).collect();
            planted(&numbers.context("--planted [NUMBER ...]")?, &surroundings)
        }
        _ => bail!(
            "usage: residue [--runs N | --faults POINTS [WORD ...] | --planted [N ...] | \
             --machine FOLDER]"
        ),
    }
}

fn runtime() -> Result<Runtime> {
    Ok(tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?)
}

/// Many runs of the product; whether nothing was found.
fn honest(runs: usize, surroundings: &Surroundings) -> Result<bool> {
    let report = runtime()?.block_on(rounds::honest(runs, surroundings, progress))?;
    rounds::accounted_for(&report.shown)?;
    tell(&report);
    Ok(report.finds.is_empty())
}

/// Each fault at so many moments; whether nothing was found.
fn violent(points: usize, only: &str, surroundings: &Surroundings) -> Result<bool> {
    say("| fault | points | a run was under way | canaries | found |\n|---|---:|---:|---:|---:|");
    let (mut sum, mut found) = (0, 0);
    let shown =
        runtime()?.block_on(faults::all(points, only, surroundings.capture.as_ref(), |row| {
            let faults::Row { fault, points, under_way, canaries, finds, skipped } = row;
            say(&match skipped {
                Some(why) => format!("| {fault} | skipped: {why} | | | |"),
                None => {
                    format!("| {fault} | {points} | {under_way} | {canaries} | {} |", finds.len())
                }
            });
            finds.iter().take(SHOWN).for_each(|find| say(&format!("  {find}")));
            sum += points;
            found += finds.len();
        }))?;
    rounds::accounted_for(&shown)?;
    say(&format!("{sum} points: {found} found"));
    Ok(found == 0)
}

/// A machine of its own, searched from outside; whether nothing was found in one that zeroes memory
/// as it is freed, and something in one that does not.
fn machine(folder: &Path) -> Result<bool> {
    let recipe = Recipe::below(folder)?;
    let mut tell = |row: &Row| {
        say(&row.to_string());
        let finds = row.memory.iter().flatten().chain(&row.disk);
        finds.take(SHOWN).for_each(|find| say(&format!("  {find}")));
    };
    say("| after | canaries | all memory | disk |\n|---|---:|---|---|");
    let clean = runtime()?.block_on(scenes::zeroed(&recipe, &mut tell))?;
    say("\nthe same where the kernel keeps what is freed, and something must be found");
    let seen = runtime()?.block_on(scenes::kept(&recipe, &mut tell))?;
    say(match (clean, seen) {
        (true, true) => "nothing was found where memory is zeroed, and something where it is not",
        (false, _) => "something was found",
        (true, false) => "nothing was found anywhere, so the search proves nothing",
    });
    Ok(clean && seen)
}

/// A node for each leak, or for those with these numbers; whether all were caught that could be.
fn planted(numbers: &[u32], surroundings: &Surroundings) -> Result<bool> {
    let runtime = runtime()?;
    let chosen = |number: u32| numbers.is_empty() || numbers.contains(&number);
    let (mut caught, mut tried, mut well) = (0, 0, true);
    for (number, what) in planted::NONE.into_iter().filter(|(number, _)| chosen(*number)) {
        let outcome = runtime.block_on(planted::try_none(number, surroundings));
        let said = match &outcome {
            Ok(()) => "nothing found, as should be".to_owned(),
            Err(error) => format!("{error:#}"),
        };
        say(&format!("| {number} | {what} | | {said} |"));
        well &= outcome.is_ok();
    }
    for leak in planted::LEAKS.iter().filter(|leak| chosen(leak.number)) {
        let fared = runtime.block_on(planted::try_leak(leak, surroundings));
        tried += 1;
        let said = match fared {
            Ok(Fared::Caught { find, finds }) => {
                caught += 1;
                format!("caught ({finds} finds), {find}")
            }
            Ok(Fared::Missed(finds)) => {
                finds.iter().for_each(|find| say(&format!("  {find}")));
                format!("MISSED; {} finds elsewhere", finds.len())
            }
            Ok(Fared::Skipped(why)) => {
                tried -= 1;
                format!("skipped: {why}")
            }
            Err(error) => format!("FAILED: {error:#}"),
        };
        say(&format!("| {} | {} | {} | {said} |", leak.number, leak.what, leak.file));
    }
    say(&format!("{caught} of {tried} planted leaks caught"));
    Ok(well && caught == tried)
}

/// A command in a network and a table of mounts of its own, the network up.
fn enter(words: &[&str]) -> Command {
    let mut command = Command::new("unshare");
    command.args(["--net", "--mount", "sh", "-c", "ip link set lo up && exec \"$@\"", "sh"]);
    command.args(words);
    command
}

fn progress(report: &Report) {
    let [acting, hunting] = report.took.map(|took| took.as_secs_f64());
    say(&format!(
        "{} runs, {} canaries, {} found; {acting:.1} s of runs, {hunting:.1} s of hunts",
        report.runs,
        report.canaries,
        report.finds.len()
    ));
    for find in report.finds.iter().rev().take(40) {
        say(&format!("  {find}"));
    }
}

fn tell(report: &Report) {
    for place in rounds::PLACES {
        let skipped = report.shown.skipped.iter().find(|(skipped, _)| *skipped == place);
        let state = match skipped {
            Some((_, why)) => format!("not searched: {why}"),
            None => "searched; its control was found".to_owned(),
        };
        let found = report.finds.iter().filter(|find| find.place == place).count();
        say(&format!("  {place:<14} {found:>3} found  {state}"));
    }
    for find in &report.finds {
        say(&format!("  {find}"));
    }
    for find in &report.while_open {
        say(&format!("  while its own connection was open, no failure: {find}"));
    }
    let (runs, canaries, hunts) = (report.runs, report.canaries, report.hunts);
    say(&format!(
        "{runs} runs with {canaries} canaries, {hunts} hunts: {} found",
        report.finds.len()
    ));
}

fn say(line: &str) {
    let mut out = std::io::stdout().lock();
    // A closed pipe is nobody's mistake.
    let _ = writeln!(out, "{line}").and_then(|()| out.flush());
}
