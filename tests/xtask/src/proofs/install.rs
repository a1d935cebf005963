//! Coq from Debian's packages, Ivy from Python's.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result};

use super::Bench;
use crate::{step, tools};

/// Coq, what it extracts to, and what that is compiled by.
const COQ: [&str; 4] = ["coq", "ocaml-nox", "ocaml-findlib", "libcoq-core-ocaml"];
/// Ivy, then what it needs. Its wheel says it is for one version of Python and is for all.
pub(super) const IVY: [&str; 7] = [
    "ms-ivy==1.8.26",
    "z3-solver==5.4.1.0",
    "ply==3.11",
    "pyparsing==3.3.3",
    "pydot==4.0.1",
    "tarjan==0.2.4",
    "ordered-set==4.1.0",
];

/// What is missing to check the proofs, after fetching it where that is allowed.
pub(super) fn missing(bench: &Bench, may_fetch: bool) -> Result<Option<String>> {
    if !has_coq() && may_fetch {
        // Where it cannot be installed, what follows says what would be needed.
        tools::apt_install(&COQ);
    }
    if !has_coq() {
        let packages = COQ.join(", ");
        return Ok(Some(format!("needs Debian's {packages}; cargo xtask proofs installs them")));
    }
    if !has_ivy(bench) && may_fetch {
        fetch_ivy(bench)?;
    }
    if !has_ivy(bench) {
        return Ok(Some(format!("needs Python's {}; cargo xtask proofs fetches it", IVY[0])));
    }
    Ok(None)
}

fn has_coq() -> bool {
    let answers = |program: &str, argument: &str| {
        let mut command = Command::new(program);
        command.arg(argument);
        step::first_line(command).is_some()
    };
    answers("coqc", "--version")
        && answers("ocamlfind", "printconf")
        && answers("ocamlopt", "-version")
}

/// The program that checks a model.
pub(super) fn ivy_check(bench: &Bench) -> PathBuf {
    folder(bench).join("ivy_check")
}

/// A folder for each set of versions, so that another set is another tool.
fn folder(bench: &Bench) -> PathBuf {
    bench.cache.join(IVY.join("-").replace("==", "-"))
}

fn has_ivy(bench: &Bench) -> bool {
    ivy_check(bench).is_file()
}

fn fetch_ivy(bench: &Bench) -> Result<()> {
    let folder = folder(bench);
    let (env, site) = (folder.join("env"), folder.join("site"));
    let run = |program: &Path, arguments: &[&str]| {
        let mut command = Command::new(program);
        command.args(arguments).env("PIP_DISABLE_PIP_VERSION_CHECK", "1");
        super::quietly(command)
    };
    run(Path::new("python3"), &["-m", "venv", &env.to_string_lossy()])?;
    let pip = env.join("bin/pip");
    let install = ["install", "--quiet"];
    run(&pip, &[&install[..], &IVY[1..]].concat())?;
    let platform = ["--platform", "manylinux1_x86_64", "--implementation", "cp"];
    let version = ["--python-version", "310", "--abi", "cp310", "--only-binary=:all:", "--no-deps"];
    let target = site.to_string_lossy().into_owned();
    let target = ["--target", &target, IVY[0]];
    run(&pip, &[&install[..], &platform, &version, &target].concat())?;
    let python = env.join("bin/python");
    let script = format!(
        "#!/bin/sh\nPYTHONPATH='{}' exec '{}' -c 'from ivy.ivy_check import main; main()' \"$@\"\n",
        site.display(),
        python.display()
    );
    // Last of all, so that half an installation is none.
    fs::write(ivy_check(bench), script).context("cannot write the program that checks models")?;
    let all_may_run = fs::Permissions::from_mode(0o755);
    fs::set_permissions(ivy_check(bench), all_may_run).context("cannot make it a program")
}
