//! Processes that a benchmark starts, and what they use.

use std::fs;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};

/// A process that ends with its value.
pub struct Process(Child);

impl Process {
    /// Starts it, silent and without input.
    ///
    /// # Errors  It cannot be started.
    pub fn start(command: &mut Command) -> Result<Self> {
        Self::start_heard(command.stdout(Stdio::null()).stderr(Stdio::null()))
    }

    /// Starts it without input; what it prints goes where `command` says.
    ///
    /// # Errors  It cannot be started.
    pub fn start_heard(command: &mut Command) -> Result<Self> {
        Ok(Self(command.stdin(Stdio::null()).spawn().context("starting a process")?))
    }

    /// Its number.
    pub fn id(&self) -> u32 {
        self.0.id()
    }

    /// This process and all that descend from it.
    pub fn tree(&self) -> Vec<u32> {
        let mut tree = vec![self.id()];
        let mut next = 0;
        while let Some(id) = tree.get(next).copied() {
            let path = format!("/proc/{id}/task");
            for thread in fs::read_dir(path).into_iter().flatten().flatten() {
                let children = fs::read_to_string(thread.path().join("children"));
                let ids = children.unwrap_or_default();
                tree.extend(ids.split_whitespace().filter_map(|id| id.parse::<u32>().ok()));
            }
            next += 1;
        }
        tree
    }
}

impl Process {
    /// Whether it still runs.
    pub fn is_alive(&mut self) -> bool {
        matches!(self.0.try_wait(), Ok(None))
    }

    /// Waits until it ends by itself, at most `most`.
    ///
    /// # Errors  It has not ended by then.
    pub async fn ended(&mut self, most: Duration) -> Result<ExitStatus> {
        until(most, || self.0.try_wait().ok().flatten()).await.context("a process does not end")
    }

    /// Ends it as `kill -9` does, and waits until it is gone.
    pub fn end(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // Its own children end with it: a worker's template sees its supervisor go.
        self.end();
    }
}

/// Resident memory that is a process's own, and all it has resident, in MB.
pub fn memory_mb(id: u32) -> (f64, f64) {
    let rollup = fs::read_to_string(format!("/proc/{id}/smaps_rollup")).unwrap_or_default();
    let kib = |name: &str| -> f64 {
        let line = rollup.lines().find_map(|line| line.strip_prefix(name));
        line.and_then(|rest| rest.split_whitespace().next()?.parse::<f64>().ok()).unwrap_or(0.0)
    };
    (kib("Pss:") / 1024.0, kib("Rss:") / 1024.0)
}

/// Processor time a process has used so far.
pub fn processor_time(id: u32) -> Duration {
    let stat = fs::read_to_string(format!("/proc/{id}/stat")).unwrap_or_default();
    let after_name = stat.rsplit(") ").next().unwrap_or_default();
    let ticks: u64 = after_name
        .split_whitespace()
        .skip(11)
        .take(2)
        .filter_map(|field| field.parse::<u64>().ok())
        .sum();
    // The kernel's tick for user space is a hundredth of a second on every machine we run on.
    Duration::from_millis(ticks * 10)
}

/// Waits until `done` answers something, looking again and again, at most `most`.
#[expect(clippy::disallowed_methods, reason = "a benchmark measures time")]
pub async fn until<T>(most: Duration, mut done: impl FnMut() -> Option<T>) -> Result<T> {
    let began = Instant::now();
    let mut tick = tokio::time::interval(Duration::from_millis(1));
    while began.elapsed() < most {
        if let Some(value) = done() {
            return Ok(value);
        }
        tick.tick().await;
    }
    bail!("waited {most:?} in vain")
}
