//! A guest in C, compiled for this machine.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, ensure};
use tempfile::TempDir;

use crate::file;

const STRICT: [&str; 7] = ["-std=c11", "-g", "-O1", "-Wall", "-Wextra", "-Wpedantic", "-Werror"];
const CHECKED: &str = "-fsanitize=address,undefined";

/// A program and the folder it lives in.
#[derive(Debug)]
pub struct Native {
    program: PathBuf,
    _folder: TempDir,
}

impl Native {
    /// Compiles `sources` with all warnings as errors, and with sanitizers where the compiler has
    /// them.
    ///
    /// # Errors
    /// When there is no C compiler or the sources do not compile.
    pub fn build(sources: &[&str]) -> Result<Self> {
        let folder = tempfile::tempdir().context("no temporary folder")?;
        let program = folder.path().join("program");
        if !compile(sources, &program, &[CHECKED])? {
            ensure!(compile(sources, &program, &[])?, "the sources do not compile");
        }
        Ok(Self { program, _folder: folder })
    }

    /// Runs the program on `input` and returns what it writes.
    ///
    /// # Errors
    /// When it fails.
    pub fn run(&self, input: &[u8]) -> Result<Vec<u8>> {
        let mut child = Command::new(&self.program)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .context("the program does not start")?;
        let mut stdin = child.stdin.take().context("no standard input")?;
        let input = input.to_vec();
        // Written by a thread of its own: both pipes may be full at once.
        let writer = std::thread::spawn(move || stdin.write_all(&input));
        let output = child.wait_with_output()?;
        ensure!(output.status.success(), "the program ended with {}", output.status);
        ensure!(writer.join().is_ok_and(|done| done.is_ok()), "the program did not read all");
        Ok(output.stdout)
    }
}

fn compile(sources: &[&str], program: &Path, more: &[&str]) -> Result<bool> {
    let mut compiler = Command::new("cc");
    compiler.args(STRICT).args(more).arg("-D_POSIX_C_SOURCE=200809L");
    compiler.arg("-I").arg(file("examples/redact"));
    compiler.args(sources.iter().map(|source| file(source))).arg("-o").arg(program);
    Ok(compiler.stderr(Stdio::inherit()).status().context("there is no C compiler")?.success())
}
