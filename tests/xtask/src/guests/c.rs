//! Guests in C, compiled by Zig's compiler, which carries a C library for WASI with it.

use std::path::Path;
use std::process::Command;

use anyhow::Result;

use super::{Missing, Tools, build};
use crate::tools::pip_install;

const PACKAGE: &str = "ziglang==0.17.1";
const FOLDER: &str = "zig-0.17.1";

const WARNINGS: [&str; 4] = ["-Wall", "-Wextra", "-Wpedantic", "-Werror"];

/// What is missing to compile C.
pub(super) fn missing(tools: &Tools, may_fetch: bool) -> Result<Missing> {
    let there = || tools.cache.join(FOLDER).join("ziglang/zig").is_file();
    if !there() && may_fetch {
        pip_install(PACKAGE, &tools.cache.join(FOLDER))?;
    }
    let how = format!("needs {PACKAGE} from pip; cargo xtask guests fetches it");
    Ok((!there()).then_some(how))
}

/// A component in the task's own world, without a C library.
pub(super) fn echo(tools: &Tools, out: &Path) -> Result<()> {
    let sources = ["sdk/guest/notrace.c", "examples/echo/echo.c"];
    let mut link = Command::new(tools.linkers.join("wasm-component-ld"));
    for (number, source) in sources.into_iter().enumerate() {
        let object = tools.cache.join(format!("echo-{number}.o"));
        let mut compile = compiler(tools);
        compile.args(["-target", "wasm32-freestanding", "-Isdk/guest", "-c", source, "-o"]);
        compile.arg(&object);
        build(compile)?;
        link.arg(object);
    }
    link.arg("--wasm-ld-path").arg(tools.linkers.join("gcc-ld/wasm-ld"));
    link.args(["--no-entry", "--strip-all", "--gc-sections", "-z", "stack-size=8192"]);
    link.args(["--wasi-adapter", "none", "--component-type", "sdk/wit/task.wit", "-o"]);
    link.arg(out).current_dir(&tools.root);
    build(link)
}

/// An ordinary program: what it reads and writes, it does through WASI preview 1.
pub(super) fn redact(tools: &Tools, out: &Path) -> Result<()> {
    let mut compile = compiler(tools);
    compile.args(["-target", "wasm32-wasi", "-D_POSIX_C_SOURCE=200809L", "-s"]);
    compile.args(["examples/redact/main.c", "examples/redact/redact.c", "-o"]);
    compile.arg(out);
    build(compile)
}

fn compiler(tools: &Tools) -> Command {
    let mut compiler = Command::new(tools.cache.join(FOLDER).join("ziglang/zig"));
    compiler.args(["cc", "-std=c11", "-Os"]).args(WARNINGS);
    compiler.env("ZIG_GLOBAL_CACHE_DIR", tools.cache.join("zig-cache"));
    compiler.env("ZIG_LOCAL_CACHE_DIR", tools.cache.join("zig-cache"));
    compiler.current_dir(&tools.root);
    compiler
}
