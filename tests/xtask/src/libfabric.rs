//! What is built only where libfabric is installed: `store/fabric` with its feature, and what goes
//! over it. The rest of the gate builds without, as most people do.

use std::os::unix::fs::MetadataExt;

use anyhow::Result;

use crate::step::{self, Outcome};
use crate::tools::{self, NEXTEST};

/// Libfabric, and what the build finds it by.
const PACKAGES: [&str; 2] = ["libfabric-dev", "pkg-config"];
/// What `libfabric-sys` was written for.
const WANTED: &str = "libfabric >= 1.17";
/// What has the feature and tests of it.
const CRATES: [&str; 2] = ["notrace-store-fabric", "notrace-store-replica"];
/// Tests whose name has this in it.
const TESTS: &str = "libfabric";

/// Lints and tests with the feature on.
pub(crate) fn check(may_fetch: bool) -> Result<Outcome> {
    if let Some(why) = missing(may_fetch)? {
        return Ok(Outcome::Skipped(why));
    }
    let of: Vec<&str> = CRATES.iter().flat_map(|name| ["--package", name]).collect();
    let feature = ["--features", "libfabric"];
    if tools::has_component("clippy")? {
        let deny = ["--all-targets", "--quiet", "--", "--deny", "warnings"];
        let linted = step::run(step::cargo(&[&["clippy"], &of[..], &feature, &deny].concat())?)?;
        if linted != Outcome::Passed {
            return Ok(linted);
        }
    }
    let Some(nextest) = tools::find(NEXTEST, may_fetch) else {
        let test = ["test", "--quiet"];
        return step::run(step::cargo(&[&test, &of[..], &feature, &[TESTS]].concat())?);
    };
    let run = ["nextest", "run", "--no-fail-fast", "--status-level", "fail"];
    let arguments = [&run, &of[..], &feature, &[TESTS]].concat();
    step::run(step::command(&nextest.to_string_lossy(), &arguments)?)
}

/// Why it cannot be built here, after installing it where that is allowed.
fn missing(may_fetch: bool) -> Result<Option<String>> {
    if is_there()? {
        return Ok(None);
    }
    let packages = PACKAGES.join(" and ");
    if !may_fetch {
        let offer = "cargo xtask test --full installs them";
        return Ok(Some(format!("needs Debian's {packages}; {offer}, as root")));
    }
    if !is_root() {
        return Ok(Some(format!("needs Debian's {packages}, and only root may install them")));
    }
    if !tools::apt_install(&PACKAGES) || !is_there()? {
        return Ok(Some(format!("needs {WANTED}, and apt-get could not install {packages}")));
    }
    Ok(None)
}

/// Whether it is installed.
///
/// # Errors  What is asked cannot be run.
pub(crate) fn is_there() -> Result<bool> {
    let pkg_config = step::command("pkg-config", &["--print-errors", "--modversion", WANTED])?;
    Ok(step::first_line(pkg_config).is_some())
}

fn is_root() -> bool {
    std::fs::metadata("/proc/self").is_ok_and(|process| process.uid() == 0)
}
