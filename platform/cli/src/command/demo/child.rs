//! The demo's own node: this program once more, as a child that does not outlive the story.

use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{self, Command, Stdio};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};

use crate::exit::{Done, Failure, Local};

/// How long a node may take to accept connections, and to drain.
const PATIENCE: Duration = Duration::from_secs(20);

/// A running node. Dropping it kills it.
pub(super) struct Child(Option<process::Child>);

impl Child {
    /// Starts `notrace serve` in `dir` on a port of the system's choice and waits until it accepts.
    pub(super) async fn start(dir: &Path, args: &[&str]) -> Result<Self, Failure> {
        let failed = |cause: &str| Failure::local(Local::NodeNotStarted, cause);
        let exe = std::env::current_exe().map_err(|_| failed("this program has no file"))?;
        let child = Command::new(exe)
            .args(["serve", "--listen", "127.0.0.1:0", "--dir"])
            .arg(dir)
            .args(args)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn();
        let mut child = child.map_err(|_| failed("this program cannot be started once more"))?;
        let stdout = child.stdout.take().ok_or_else(|| failed("the node has no output"))?;
        let this = Self(Some(child));
        let accepts = tokio::task::spawn_blocking(move || {
            let lines = BufReader::new(stdout).lines();
            lines.map_while(Result::ok).any(|line| line.starts_with("  https://"))
        });
        match tokio::time::timeout(PATIENCE, accepts).await {
            Ok(Ok(true)) => Ok(this),
            Ok(_) => Err(failed("the demo's node ended before it accepted connections")),
            Err(_) => Err(failed("the demo's node did not accept connections in time")),
        }
    }

    /// Kills the node, as a loss of power would.
    pub(super) fn kill(&mut self) {
        if let Some(child) = &mut self.0 {
            let _ = child.kill();
            let _ = child.wait();
        }
    }

    /// Tells the node to stop and waits until it has.
    pub(super) async fn end(mut self) -> Done {
        let failed = |cause: &str| Failure::local(Local::DemoFailed, cause);
        let Some(mut child) = self.0.take() else { return Ok(()) };
        let pid = Pid::from_child(&child);
        kill_process(pid, Signal::TERM).map_err(|_| failed("the node is not there any more"))?;
        let ended = tokio::task::spawn_blocking(move || child.wait());
        match tokio::time::timeout(PATIENCE, ended).await {
            Ok(Ok(Ok(status))) if status.success() => Ok(()),
            Ok(_) => Err(failed("the node ended badly")),
            Err(_) => {
                let _ = kill_process(pid, Signal::KILL);
                Err(failed("the node did not end in time and was killed"))
            }
        }
    }
}

impl Drop for Child {
    fn drop(&mut self) {
        self.kill();
    }
}
