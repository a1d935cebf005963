//! What has to pass before a change lands.
//!
//! The workspace's tests come last, so that their closing line is the last thing a reader of the
//! output sees before the summary.

use std::env;
use std::path::PathBuf;
use std::process::Command;

use anyhow::{Context, Result};

use crate::step::{self, Outcome, Steps};
use crate::tools::{self, AUDIT, DENY, NEXTEST};
use crate::{guests, libfabric, proofs, say, suites};

/// Names the folder or the archive of the advisory database; there is no other way to hand it over.
const ADVISORIES: &str = "NOTRACE_ADVISORY_DB";

/// Runs all steps; whether none failed.
pub(crate) fn run(may_fetch: bool) -> Result<bool> {
    let mut steps = Steps::default();
    steps.step("format", || component("fmt", &["fmt", "--all", "--check"]));
    steps.step("lints", || lints(&[]));
    // What only test builds have, which the tests above and below would not look at.
    let test_builds = "notrace-platform-cli/planted-leaks,notrace-tests-egress/weaken";
    steps.step("lints of test builds", || lints(&["--features", test_builds]));
    steps.step("docs", docs);
    steps.step("licences", || licences(may_fetch));
    steps.step("advisories", || advisories(may_fetch));
    steps.step("guests", || guests::check_all(may_fetch));
    steps.step("examples", examples);
    steps.step("proofs", || proofs::check(may_fetch));
    steps.step("libfabric", || libfabric::check(may_fetch));
    steps.step("planted leaks", || suites::planted_leaks(&[]));
    steps.step("egress", suites::ways_out);
    steps.step("tests", || tests(may_fetch));
    steps.step("fences", || fences(may_fetch));
    Ok(steps.summary())
}

fn lints(features: &[&str]) -> Result<Outcome> {
    let what = ["clippy", "--workspace", "--all-targets", "--quiet"];
    component("clippy", &[&what[..], features, &["--", "--deny", "warnings"]].concat())
}

fn component(name: &str, arguments: &[&str]) -> Result<Outcome> {
    if tools::has_component(name)? {
        step::run(step::cargo(arguments)?)
    } else {
        Ok(Outcome::Skipped(format!("this Rust has no cargo {name}; rustup can add it")))
    }
}

fn docs() -> Result<Outcome> {
    let mut cargo = step::cargo(&["doc", "--workspace", "--no-deps", "--quiet"])?;
    cargo.env("RUSTDOCFLAGS", "--deny warnings");
    step::run(cargo)
}

fn licences(may_fetch: bool) -> Result<Outcome> {
    let Some(deny) = tools::find(DENY, may_fetch) else { return Ok(missing("cargo-deny")) };
    if may_fetch {
        // It judges what other systems would build, too, and that a build here does not fetch.
        step::run(step::cargo(&["fetch", "--quiet"])?)?;
    }
    let arguments = ["--offline", "check", "--hide-inclusion-graph", "licenses", "bans", "sources"];
    step::run(step::command(&deny.to_string_lossy(), &arguments)?)
}

fn advisories(may_fetch: bool) -> Result<Outcome> {
    let Some(database) = env::var_os(ADVISORIES).map(PathBuf::from) else {
        return Ok(Outcome::Skipped(format!("{ADVISORIES} names no advisory database")));
    };
    let Some(audit) = tools::find(AUDIT, may_fetch) else { return Ok(missing("cargo-audit")) };
    let folder = unpacked(&database)?;
    let arguments =
        ["audit", "--no-fetch", "--stale", "--quiet", "--db", &folder.to_string_lossy()];
    step::run(step::command(&audit.to_string_lossy(), &arguments)?)
}

/// The database as a folder, unpacked into the cache where it is an archive.
fn unpacked(database: &std::path::Path) -> Result<PathBuf> {
    if database.is_dir() {
        return Ok(database.to_path_buf());
    }
    let folder = tools::cache()?.join("advisories");
    std::fs::create_dir_all(&folder).context("cannot make a folder for the advisories")?;
    let mut tar = Command::new("tar");
    tar.arg("-xzf").arg(database).arg("-C").arg(&folder);
    match step::run(tar)? {
        Outcome::Passed => Ok(folder),
        _ => anyhow::bail!("cannot unpack the advisory database"),
    }
}

/// The example written in Rust is a workspace of its own, with tests of its own.
fn examples() -> Result<Outcome> {
    let manifest = step::root()?.join("examples/thumbnail/Cargo.toml");
    let target = tools::cache()?.join("guests/native");
    let manifest = manifest.to_string_lossy();
    let arguments = ["test", "--quiet", "--lib", "--locked", "--manifest-path", &manifest];
    let mut cargo = step::cargo(&arguments)?;
    cargo.env("CARGO_TARGET_DIR", target);
    step::run(cargo)
}

fn tests(may_fetch: bool) -> Result<Outcome> {
    let Some(nextest) = tools::find(NEXTEST, may_fetch) else {
        say::line("cargo-nextest is not installed; cargo test does the same, only slower");
        return step::run(step::cargo(&["test", "--workspace", "--no-fail-fast"])?);
    };
    let arguments = ["nextest", "run", "--workspace", "--no-fail-fast"];
    step::run(step::command(&nextest.to_string_lossy(), &arguments)?)
}

/// Each fence of the jail left out in its turn, by a build that no other program uses.
fn fences(may_fetch: bool) -> Result<Outcome> {
    let features =
        ["--package", "notrace-runtime-worker", "--package", "notrace-runtime-jail", "--features"];
    let features = features.into_iter().chain(["notrace-runtime-worker/weaken"]);
    let Some(nextest) = tools::find(NEXTEST, may_fetch) else {
        let arguments: Vec<_> = ["test"].into_iter().chain(features).collect();
        return step::run(step::cargo(&arguments)?);
    };
    let run = ["nextest", "run", "--no-fail-fast", "--status-level", "fail"];
    let arguments: Vec<_> = run.into_iter().chain(features).collect();
    step::run(step::command(&nextest.to_string_lossy(), &arguments)?)
}

fn missing(tool: &str) -> Outcome {
    Outcome::Skipped(format!("{tool} is not installed; cargo xtask test --full fetches it"))
}
