//! Guests in Rust, compiled by Debian's compiler for WebAssembly, library and all.
//!
//! The packages are unpacked into the cache and not installed. The first build compiles the
//! standard library from its sources, which takes about a minute on two cores.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result};

use super::{Missing, Tools, build};
use crate::step::{self, Outcome};

const COMPILER: &str = "rustc 1.96.0";
const PACKAGES: [&str; 5] =
    ["rustc-web", "rust-web-src", "libstd-rust-web-1.96", "libstd-rust-web-dev", "libllvm22"];
const TARGET: &str = "wasm32-unknown-unknown";

/// What is missing to compile Rust.
pub(super) fn missing(tools: &Tools, may_fetch: bool) -> Result<Missing> {
    let there = || unpacked(tools).join("bin/rustc").is_file();
    if !there() && may_fetch {
        fetch(tools)?;
    }
    if !there() {
        let how = "needs rustc-web and its sources from Debian; cargo xtask guests fetches them";
        return Ok(Some(how.to_owned()));
    }
    let mut version = Command::new(unpacked(tools).join("bin/rustc"));
    version.arg("--version").env("LD_LIBRARY_PATH", libraries(tools));
    let found = step::first_line(version).unwrap_or_default();
    let how = format!("needs Debian's {COMPILER}, not `{found}`");
    Ok((!found.starts_with(COMPILER)).then_some(how))
}

fn fetch(tools: &Tools) -> Result<()> {
    let folder = tools.cache.join("debian");
    fs::create_dir_all(&folder).context("cannot make a folder for Debian's packages")?;
    let download = || -> Result<Outcome> {
        let mut apt = Command::new("apt-get");
        apt.args(["-qq", "download"]).args(PACKAGES).current_dir(&folder);
        step::run(apt)
    };
    // Without apt there is nothing to fetch with, and `missing` says what would be needed.
    let Ok(first) = download() else { return Ok(()) };
    if first != Outcome::Passed {
        // The lists of packages are old or were never fetched.
        step::run(step::command("apt-get", &["-qq", "update"])?)?;
        download()?;
    }
    for entry in fs::read_dir(&folder).context("cannot list Debian's packages")? {
        let package = entry?.path();
        if package.extension().is_some_and(|ending| ending == "deb") {
            let mut unpack = Command::new("dpkg-deb");
            unpack.arg("--extract").arg(&package).arg(folder.join("tree"));
            build(unpack)?;
            fs::remove_file(package)?;
        }
    }
    Ok(())
}

fn unpacked(tools: &Tools) -> PathBuf {
    tools.cache.join("debian/tree/usr")
}

fn libraries(tools: &Tools) -> PathBuf {
    unpacked(tools).join("lib/x86_64-linux-gnu")
}

/// A component in the task's own world.
pub(super) fn thumbnail(tools: &Tools, out: &Path) -> Result<()> {
    let target = tools.cache.join("target");
    let linker = tools.linkers.join("wasm-component-ld");
    let flags = [
        // No text of panics and no paths: smaller, and nothing of this machine is inside.
        "-Zunstable-options".to_owned(),
        "-Zlocation-detail=none".to_owned(),
        "-Cpanic=immediate-abort".to_owned(),
        format!("--remap-path-prefix={}=/notrace", tools.root.display()),
        format!("--remap-path-prefix={}=/cache", tools.cache.display()),
        "-Clink-arg=--wasm-ld-path".to_owned(),
        format!("-Clink-arg={}", tools.linkers.join("gcc-ld/wasm-ld").display()),
    ];
    let mut cargo = step::cargo(&["build", "--release", "--locked", "--quiet"])?;
    cargo.args(["-Zpanic-immediate-abort", "-Zbuild-std=std", "--target", TARGET]);
    cargo.current_dir(tools.root.join("examples/thumbnail"));
    cargo.env("RUSTC", unpacked(tools).join("bin/rustc"));
    cargo.env("LD_LIBRARY_PATH", libraries(tools));
    cargo.env("RUSTC_BOOTSTRAP", "1");
    cargo.env("CARGO_INCREMENTAL", "0");
    cargo.env("CARGO_TARGET_DIR", &target);
    cargo.env("CARGO_TARGET_WASM32_UNKNOWN_UNKNOWN_LINKER", linker);
    cargo.env("CARGO_ENCODED_RUSTFLAGS", flags.join("\x1f"));
    build(cargo)?;
    let built = target.join(TARGET).join("release/thumbnail.wasm");
    fs::copy(built, out).map(|_| ()).context("the build left no module")
}
