//! A real node, and a person who types at it.

use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};

use rustix::process::{Pid, Signal, kill_process};

use crate::run::{Ran, notrace};

/// A node in a folder of its own; killed when dropped.
pub(crate) struct Node {
    folder: tempfile::TempDir,
    pub(crate) child: Option<Child>,
    pub(crate) banner: Vec<String>,
}

/// A node on `folder`, and what it says when it serves.
pub(crate) fn serve(folder: &Path) -> (Child, Vec<String>) {
    let mut child = Command::new(env!("CARGO_BIN_EXE_notrace"))
        .args(["serve", "--dir", "./node", "--listen", "127.0.0.1:0"])
        .current_dir(folder)
        .env_clear()
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut banner = Vec::new();
    for line in BufReader::new(child.stdout.take().unwrap()).lines().map_while(Result::ok) {
        let last = line.starts_with("  posture: ");
        banner.push(line);
        if last {
            break;
        }
    }
    (child, banner)
}

impl Node {
    pub(crate) fn start() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let (child, banner) = serve(folder.path());
        Self { folder, child: Some(child), banner }
    }

    pub(crate) fn path(&self) -> &Path {
        self.folder.path()
    }

    #[track_caller]
    pub(crate) fn types(&self, line: &str) -> Ran {
        self.types_with(line, b"")
    }

    pub(crate) fn types_with(&self, line: &str, input: &[u8]) -> Ran {
        notrace(self.path(), Some("./node/client.toml"), line, input)
    }

    pub(crate) fn write(&self, name: &str, bytes: &[u8]) {
        std::fs::write(self.path().join(name), bytes).unwrap();
    }

    /// Asks the node to stop, as an operator does; its exit code.
    pub(crate) fn stop(&mut self) -> Option<i32> {
        let mut child = self.child.take().unwrap();
        kill_process(Pid::from_child(&child), Signal::TERM).unwrap();
        child.wait().unwrap().code()
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        if let Some(mut child) = self.child.take() {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}
