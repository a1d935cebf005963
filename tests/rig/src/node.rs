//! The node under measure: the release binary, in a folder of its own.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use bytes::Bytes;
use notrace_sdk_wire::Credentials;
use tempfile::TempDir;
use tokio::net::TcpStream;
use tokio_rustls::client::TlsStream;

use crate::link::{Link, connect};
use crate::process::{Process, until};

/// A running node that ends with its value.
pub struct Node {
    /// Its process.
    pub process: Process,
    /// What lets a client in.
    pub credentials: Credentials,
    dir: TempDir,
}

impl Node {
    /// Starts a node and waits until it accepts connections.
    pub async fn start() -> Result<Self> {
        Self::start_in(tempfile::tempdir()?, 0).await
    }

    /// The same in a folder that may have been used before, on a given port.
    pub async fn start_in(dir: TempDir, port: u16) -> Result<Self> {
        Self::start_as(dir, port, |command| {
            command.stdout(Stdio::null()).stderr(Stdio::null());
        })
        .await
    }

    /// The same with something else about how it is started, such as where it prints to.
    ///
    /// # Errors  It does not start.
    pub async fn start_as(
        dir: TempDir,
        port: u16,
        change: impl FnOnce(&mut Command),
    ) -> Result<Self> {
        let mut command = Self::command(dir.path(), port)?;
        change(&mut command);
        let process = Process::start_heard(&mut command)?;
        let credentials = until(Duration::from_secs(20), || ready(dir.path(), port)).await?;
        Ok(Self { process, credentials, dir })
    }

    /// How a node is started.
    pub fn command(dir: &Path, port: u16) -> Result<Command> {
        let exe = binary()?;
        let mut command = Command::new(exe);
        command.arg("serve").arg("--dir").arg(dir);
        command.arg("--listen").arg(format!("127.0.0.1:{port}"));
        Ok(command)
    }

    /// Ends the node and keeps its folder.
    pub fn into_dir(self) -> TempDir {
        self.dir
    }

    /// A new connection.
    pub async fn link(&self) -> Result<Link> {
        link(&self.credentials).await
    }

    /// The node's folder.
    pub fn dir(&self) -> &Path {
        self.dir.path()
    }

    /// The same node again: the process is killed with SIGKILL and started anew in its folder.
    ///
    /// # Errors  It does not come back.
    pub async fn kill_and_restart(self) -> Result<Self> {
        Self::start_in(self.into_dir(), 0).await
    }

    /// A TLS stream to the node on which nothing has been said yet.
    ///
    /// # Errors  It takes no connection.
    pub async fn stream(&self) -> Result<TlsStream<TcpStream>> {
        let authority = self.credentials.url.strip_prefix("https://").context("an address")?;
        connect(authority, &self.credentials.ca_pem).await
    }

    /// A connection with another token, or with none.
    ///
    /// # Errors  It takes no connection.
    pub async fn link_with(&self, token: Option<&str>) -> Result<Link> {
        let authority = self.credentials.url.strip_prefix("https://").context("an address")?;
        Link::tls(authority, &self.credentials.ca_pem, token).await
    }

    /// Uploads a module and returns the answer's JSON.
    ///
    /// # Errors  It is refused.
    pub async fn push(&self, wasm: Vec<u8>) -> Result<serde_json::Value> {
        let headers = [("content-type", "application/wasm")];
        let mut link = self.link().await?;
        let answer = link.ask_ok("PUT", "/v1/tasks", &headers, wasm.into()).await?;
        Ok(serde_json::from_slice(&answer)?)
    }

    /// Uploads the echo task and returns the path to run it.
    ///
    /// # Errors  It is not built, or does not echo.
    pub async fn echo(&self) -> Result<String> {
        let wasm = std::fs::read(workspace().join("examples/echo/echo.wasm"))
            .context("examples/echo/echo.wasm")?;
        let answer = self.push(wasm).await?;
        let mut link = self.link().await?;
        let digest = answer.get("digest").and_then(|digest| digest.as_str());
        let path = format!("/v1/tasks/{}/run", digest.context("an upload without a digest")?);
        let echoed = link.ask_ok("POST", &path, &[], Bytes::from_static(b"once")).await?;
        ensure!(echoed == "once", "the echo task does not echo");
        Ok(path)
    }
}

/// Connects to the node that wrote `credentials`.
pub async fn link(credentials: &Credentials) -> Result<Link> {
    let authority = credentials.url.strip_prefix("https://").context("an address")?;
    Link::tls(authority, &credentials.ca_pem, Some(&credentials.token)).await
}

/// The credentials of a node in `dir`, once it accepts connections at the address they name.
pub fn ready(dir: &Path, port: u16) -> Option<Credentials> {
    let text = std::fs::read_to_string(dir.join("client.toml")).ok()?;
    let credentials: Credentials = toml::from_str(&text).ok()?;
    let authority = credentials.url.strip_prefix("https://")?;
    let fits = port == 0 || authority.ends_with(&format!(":{port}"));
    // The ledger's key is written last, when everything is open.
    let whole = fits && !credentials.ledger_vkey.is_empty();
    (whole && std::net::TcpStream::connect(authority).is_ok()).then_some(credentials)
}

/// The root of the repository.
pub fn workspace() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// The binary that lies beside this program, or beside the folder of test programs it lies in.
///
/// # Errors  There is none: it was not built.
pub fn binary() -> Result<PathBuf> {
    binary_named("notrace")
}

/// The same for another binary.
///
/// # Errors  There is none: it was not built.
pub fn binary_named(name: &str) -> Result<PathBuf> {
    let exe = std::env::current_exe()?;
    let places = exe.ancestors().skip(1).take(2).map(|folder| folder.join(name));
    let mut built = places.into_iter().filter(|binary| binary.is_file());
    built.next().with_context(|| format!("build the binary `{name}` first: `cargo build`"))
}
