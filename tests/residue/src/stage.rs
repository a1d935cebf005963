//! A node in folders of its own, and what belongs to it.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use bytes::Bytes;
use notrace_sdk_wire::Credentials;
use notrace_tests_rig::node::{binary_named, ready};
use notrace_tests_rig::process::until;
use notrace_tests_rig::{Link, Process};
use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;

/// How a node is started.
pub struct Setting {
    /// The binary's name.
    pub binary: &'static str,
    /// The leak that it is to have, if its build has any.
    pub leak: Option<u32>,
    /// Its folder, if not one of the stage's own.
    pub home: Option<PathBuf>,
}

/// How a client reaches a node, wherever that runs.
#[derive(Clone)]
pub struct Door {
    /// What lets a client in.
    pub credentials: Credentials,
}

impl Door {
    /// Where the node listens.
    ///
    /// # Errors  Its credentials do not say.
    pub fn authority(&self) -> Result<&str> {
        self.credentials.url.strip_prefix("https://").context("an address")
    }

    /// A new connection of the node's owner.
    ///
    /// # Errors  There is none.
    pub async fn link(&self) -> Result<Link> {
        notrace_tests_rig::node::link(&self.credentials).await
    }

    /// A new connection of somebody without a credential.
    ///
    /// # Errors  There is none.
    pub async fn stranger(&self) -> Result<Link> {
        Link::tls(self.authority()?, &self.credentials.ca_pem, None).await
    }

    /// Lets the node have its turn: by the end of an exchange on a fresh connection, what it had
    /// to do before is done.
    ///
    /// # Errors  It answers nobody.
    pub async fn let_it_settle(&self) -> Result<()> {
        // Also one that can serve nobody just now, because its disk is full, answers this.
        self.stranger().await?.ask("GET", "/v1/health", &[], Bytes::new()).await.map(drop)
    }

    /// Whether the node says of itself that it serves.
    pub async fn is_open(&self) -> bool {
        let Ok(mut link) = self.stranger().await else { return false };
        link.ask_ok("GET", "/v1/health", &[], Bytes::new()).await.is_ok()
    }
}

/// A node that runs.
pub struct Stage {
    node: Process,
    /// How it is reached.
    pub door: Door,
    home: PathBuf,
    work: TempDir,
}

/// How long a node may take to start in a debug build on a busy machine.
const START_MAX: Duration = Duration::from_secs(60);
/// How long it may take to end.
const END_MAX: Duration = Duration::from_secs(30);

impl Stage {
    /// Starts a node and waits until it accepts connections.
    ///
    /// # Errors  It does not start.
    pub async fn start(setting: Setting) -> Result<Self> {
        let work = tempfile::tempdir()?;
        for folder in ["home", "temporary", "current"] {
            fs::create_dir(work.path().join(folder))?;
        }
        let home = setting.home.unwrap_or_else(|| work.path().join("home"));
        let config = work.path().join("config");
        fs::write(&config, "[telemetry]\nevents = true\n")?;
        let mut command = Command::new(binary_named(setting.binary)?);
        command.args(["serve", "--listen", "127.0.0.1:0", "--dir"]).arg(&home);
        // As verbose as it can be, and as any library that looks at these would be.
        command.arg("--config").arg(config);
        command.env_clear().env("RUST_LOG", "trace").env("RUST_BACKTRACE", "full");
        command.env("TMPDIR", work.path().join("temporary"));
        command.current_dir(work.path().join("current"));
        if let Some(leak) = setting.leak {
            command.env("NOTRACE_PLANTED", leak.to_string());
        }
        command.stdout(File::create(work.path().join("stdout"))?);
        command.stderr(File::create(work.path().join("stderr"))?);
        let node = Process::start_heard(&mut command)?;
        let credentials = until(START_MAX, || ready(&home, 0)).await;
        let said = || fs::read_to_string(work.path().join("stderr")).unwrap_or_default();
        let credentials = credentials.with_context(|| format!("no node: {}", said()))?;
        Ok(Self { node, door: Door { credentials }, home, work })
    }

    /// The node's processes, each with what it is.
    pub fn processes(&self) -> Vec<(u32, &'static str)> {
        let node = self.node.id();
        self.node.tree().into_iter().map(|id| (id, role(node, id))).collect()
    }

    /// The node's own process.
    pub fn id(&self) -> u32 {
        self.node.id()
    }

    /// Its folder.
    pub fn home(&self) -> &Path {
        &self.home
    }

    /// The folder it is in, where a crash would be written.
    pub fn current(&self) -> PathBuf {
        self.work.path().join("current")
    }

    /// The folder for temporary files.
    pub fn temporary(&self) -> PathBuf {
        self.work.path().join("temporary")
    }

    /// All folders that it may write to.
    pub fn folders(&self) -> [PathBuf; 3] {
        [self.home.clone(), self.temporary(), self.current()]
    }

    /// The files with what it prints.
    pub fn output(&self) -> [PathBuf; 2] {
        ["stdout", "stderr"].map(|name| self.work.path().join(name))
    }

    /// Waits for a process of the node's to be gone.
    ///
    /// # Errors  It stays.
    pub async fn wait_for_end_of(&self, id: u32) -> Result<()> {
        let gone = || (!self.node.tree().contains(&id)).then_some(());
        until(END_MAX, gone).await.context("a process does not end")
    }

    /// Ends the node as an operator does, and checks that it ended well.
    ///
    /// # Errors  It ended with another status than 0, or not at all.
    pub async fn end(mut self) -> Result<()> {
        let pid = Pid::from_raw(self.node.id().cast_signed()).context("a process")?;
        kill_process(pid, Signal::TERM)?;
        let status = self.node.ended(END_MAX).await?;
        let said = || fs::read_to_string(self.work.path().join("stderr")).unwrap_or_default();
        ensure!(status.success(), "the node ended with {status}: {}", said());
        Ok(())
    }

    /// Whether the node's own process runs.
    pub fn is_alive(&mut self) -> bool {
        self.node.is_alive()
    }

    /// Waits until the node has ended by itself.
    ///
    /// # Errors  It goes on.
    pub async fn ended(&mut self) -> Result<()> {
        self.node.ended(END_MAX).await.map(drop)
    }
}

/// What a process of a node is, by its number in the namespace that workers are in.
fn role(node: u32, id: u32) -> &'static str {
    if id == node {
        return "node";
    }
    let status = fs::read_to_string(format!("/proc/{id}/status")).unwrap_or_default();
    let numbers = status.lines().find_map(|line| line.strip_prefix("NSpid:")).unwrap_or_default();
    let numbers: Vec<&str> = numbers.split_whitespace().collect();
    match numbers.as_slice() {
        [_, .., "1"] => "init",
        [_, .., "2"] => "template",
        [_, _, ..] => "worker",
        _ => "helper",
    }
}
