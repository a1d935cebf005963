//! A process that does nothing, for controls: anybody may look into it and dump it.

use std::fs;
use std::path::Path;
use std::process::{Child, Command, Stdio};

use anyhow::{Context as _, Result, ensure};

use crate::canary::Canary;

/// It ends with its value.
pub(crate) struct Sleeper(Child);

impl Sleeper {
    /// Starts one in `folder`, with a canary in its environment.
    ///
    /// # Errors  It does not start.
    pub(crate) fn start(canary: &Canary, folder: &Path) -> Result<Self> {
        let mut command = Command::new("sleep");
        command.arg("600").env("CONTROL", canary.as_text()).current_dir(folder);
        let child = command.stdin(Stdio::null()).spawn().context("starting the control")?;
        let mut sleeper = Self(child);
        let about = |name: &str| fs::read(format!("/proc/{}/{name}", sleeper.0.id()));
        // It has its environment once it is another program than this one.
        while !about("comm").unwrap_or_default().starts_with(b"sleep")
            || about("environ").unwrap_or_default().is_empty()
        {
            std::thread::yield_now();
        }
        ensure!(sleeper.0.try_wait()?.is_none(), "the control ended early");
        Ok(sleeper)
    }

    /// Its number.
    pub(crate) fn id(&self) -> u32 {
        self.0.id()
    }

    /// Waits until it is gone.
    ///
    /// # Errors  It cannot be waited for.
    pub(crate) fn wait(&mut self) -> Result<()> {
        self.0.wait().map(drop).context("waiting for the control")
    }
}

impl Drop for Sleeper {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}
