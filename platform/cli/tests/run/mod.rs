//! Types commands as a person would, in a folder of their own.

use std::io::Write as _;
use std::path::Path;
use std::process::{Command, Output, Stdio};

/// What a command came to.
pub(crate) struct Ran {
    pub(crate) exit: i32,
    pub(crate) out: String,
    pub(crate) err: String,
}

/// Types `line` after the program's name, in `dir`: with credentials named in the environment if
/// there are any, and with `input` on standard input.
pub(crate) fn notrace(dir: &Path, config: Option<&str>, line: &str, input: &[u8]) -> Ran {
    let mut command = Command::new(env!("CARGO_BIN_EXE_notrace"));
    command.args(line.split_whitespace()).current_dir(dir).env_clear();
    if let Some(config) = config {
        command.env("NOTRACE_CONFIG", config);
    }
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    // A command that does not read its input may be gone before all of it is written.
    let _ = child.stdin.take().unwrap().write_all(input);
    told(child.wait_with_output().unwrap())
}

fn told(output: Output) -> Ran {
    Ran {
        exit: output.status.code().unwrap_or(-1),
        out: String::from_utf8_lossy(&output.stdout).into_owned(),
        err: String::from_utf8_lossy(&output.stderr).into_owned(),
    }
}

impl Ran {
    /// Fails the test, with all there is to know, unless the command ended like this.
    #[track_caller]
    pub(crate) fn ended(self, exit: i32) -> Self {
        assert_eq!(self.exit, exit, "\nstdout: {}\nstderr: {}", self.out, self.err);
        self
    }
}
