//! A cluster of our own nodes on loopback, and one node alone.

use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use anyhow::{Context as _, Result, bail, ensure};
use bytes::Bytes;
use hyper::Method;
use notrace_sdk_wire::Credentials;
use notrace_tests_rig::Process;
use notrace_tests_rig::node;
use notrace_tests_rig::process::until;
use serde_json::Value;
use tempfile::TempDir;

use crate::cluster::now;
use crate::cluster::system::{Client, Door, System, free_ports};

/// How long a node may take until it serves.
const START_MAX: Duration = Duration::from_secs(30);
/// How long a group may take until every member knows of every other.
const JOIN_MAX: Duration = Duration::from_secs(60);
/// Members that a shard has at most.
const SHARD_MEMBERS_MAX: usize = 3;

/// Whether this binary can be a member of a cluster.
pub(crate) fn has_cluster(binary: &Path) -> bool {
    let help = Command::new(binary).args(["serve", "--help"]).output();
    help.is_ok_and(|help| String::from_utf8_lossy(&help.stdout).contains("--cluster"))
}

/// Starts one node with an embedded store in `dir`.
///
/// # Errors  It does not come up.
pub(crate) async fn one(binary: &Path, dir: TempDir) -> Result<System> {
    let ports = free_ports(1)?;
    let port = *ports.first().context("a port")?;
    let mut process = serve(binary, dir.path(), port, &[])?;
    let credentials = served(&mut process, || node::ready(dir.path(), port)).await?;
    Ok(System { nodes: vec![process], doors: vec![door(port, &credentials)], dir })
}

/// Members of one group, that others can join, and that can fail and come back.
pub(crate) struct Members {
    binary: PathBuf,
    /// The ports for clients and for other members, of each member there is or will be.
    ports: Vec<(u16, u16)>,
    /// Where the founder is, and what opens every member.
    founder: Option<(String, Credentials)>,
    /// The members that were started.
    pub(crate) system: System,
}

impl Members {
    /// A group for up to `most` members, of which none runs yet.
    pub(crate) fn new(binary: &Path, dir: TempDir, most: usize) -> Result<Self> {
        let ports = free_ports(2 * most)?;
        let (https, fabric) = ports.split_at_checked(most).context("two ports for each")?;
        let ports = https.iter().copied().zip(fabric.iter().copied()).collect();
        let system = System { nodes: Vec::new(), doors: Vec::new(), dir };
        Ok(Self { binary: binary.to_owned(), ports, founder: None, system })
    }

    /// Starts a founder and `count - 1` nodes that join it, and waits until each of them says that
    /// all are members and hold every shard.
    ///
    /// # Errors  One does not come up, or does not become a member.
    pub(crate) async fn start(binary: &Path, dir: TempDir, count: usize) -> Result<System> {
        let mut members = Self::new(binary, dir, count)?;
        for _ in 0..count {
            members.add().await?;
        }
        members.whole().await?;
        Ok(members.system)
    }

    /// Starts the next member, and waits until it listens.
    ///
    /// # Errors  It does not come up.
    pub(crate) async fn add(&mut self) -> Result<()> {
        let at = self.system.nodes.len();
        let &(port, _) = self.ports.get(at).context("a place for another member")?;
        let mut join = Vec::new();
        // Every member takes the founder's token and shows a certificate of its authority.
        if let Some((address, _)) = &self.founder {
            let token = invite(&self.binary, &self.folder(0).join("client.toml"))?;
            join = vec!["--join".to_owned(), address.clone(), "--token".to_owned(), token];
        }
        let mut process = self.run(at, &join)?;
        if self.founder.is_none() {
            let folder = self.folder(at);
            let credentials = served(&mut process, || node::ready(&folder, port)).await?;
            self.founder = Some((format!("127.0.0.1:{port}"), credentials));
        } else {
            let listens = || TcpStream::connect(("127.0.0.1", port)).ok();
            served(&mut process, listens).await?;
        }
        let (_, credentials) = self.founder.as_ref().context("a founder")?;
        self.system.doors.push(door(port, credentials));
        self.system.nodes.push(process);
        Ok(())
    }

    /// Ends a member at once, if it still runs, and starts it again.
    ///
    /// # Errors  It does not come up.
    pub(crate) async fn restart(&mut self, at: usize) -> Result<()> {
        let &(port, _) = self.ports.get(at).context("a member")?;
        self.system.nodes.get_mut(at).context("a member")?.end();
        let mut process = self.run(at, &[])?;
        served(&mut process, || TcpStream::connect(("127.0.0.1", port)).ok()).await?;
        *self.system.nodes.get_mut(at).context("a member")? = process;
        Ok(())
    }

    /// Waits until every member says that all are, and that they hold every shard.
    ///
    /// # Errors  That does not come to be.
    pub(crate) async fn whole(&self) -> Result<()> {
        for door in &self.system.doors {
            joined(door, self.system.doors.len()).await?;
        }
        Ok(())
    }

    fn folder(&self, at: usize) -> PathBuf {
        self.system.dir.path().join(format!("n{}", at + 1))
    }

    fn run(&self, at: usize, join: &[String]) -> Result<Process> {
        let &(port, fabric) = self.ports.get(at).context("a member")?;
        let mut arguments = vec!["--cluster".to_owned(), format!("127.0.0.1:{fabric}")];
        arguments.extend_from_slice(join);
        serve(&self.binary, &self.folder(at), port, &arguments)
    }
}

fn door(port: u16, credentials: &Credentials) -> Door {
    Door::Notrace {
        address: format!("127.0.0.1:{port}").into(),
        authority: credentials.ca_pem.as_str().into(),
        token: credentials.token.as_str().into(),
    }
}

fn serve(binary: &Path, dir: &Path, port: u16, arguments: &[String]) -> Result<Process> {
    let mut command = Command::new(binary);
    command.arg("serve").arg("--dir").arg(dir);
    command.arg("--listen").arg(format!("127.0.0.1:{port}")).args(arguments);
    Process::start(&mut command)
}

/// Waits for `sign`, as long as the node lives.
async fn served<T>(process: &mut Process, mut sign: impl FnMut() -> Option<T>) -> Result<T> {
    let sign = until(START_MAX, || match sign() {
        Some(sign) => Some(Some(sign)),
        None => (!process.is_alive()).then_some(None),
    });
    sign.await.context("a node that does not come up")?.context("a node ended at its start")
}

/// A token that lets one node in.
fn invite(binary: &Path, config: &Path) -> Result<String> {
    let mut command = Command::new(binary);
    command.args(["cluster", "invite"]).env("NOTRACE_CONFIG", config);
    let output = command.stdin(Stdio::null()).output()?;
    ensure!(output.status.success(), "`notrace cluster invite` failed: {}", output.status);
    Ok(String::from_utf8(output.stdout)?.trim().to_owned())
}

/// Waits until the node behind `door` says that the group has `count` members and that each shard
/// is where it belongs.
async fn joined(door: &Door, count: usize) -> Result<()> {
    let began = now();
    loop {
        let asked = async {
            let Client::Notrace(mut client) = door.open().await? else { bail!("another kind") };
            client.ask(Method::GET, "/v1/cluster", Bytes::new()).await
        };
        let state = match asked.await {
            Ok(answer) => whole(&serde_json::from_slice(&answer)?, count),
            Err(error) => Err(error),
        };
        match state {
            Ok(()) => return Ok(()),
            Err(error) if began.elapsed() > JOIN_MAX => {
                return Err(error.context("the cluster does not come together"));
            }
            Err(_) => tokio::time::sleep(Duration::from_millis(50)).await,
        }
    }
}

/// Whether the answer of `GET /v1/cluster` tells of a whole group.
fn whole(state: &Value, count: usize) -> Result<()> {
    let list = |value: &Value, name: &str| {
        value.get(name).and_then(Value::as_array).cloned().unwrap_or_default()
    };
    let members = list(state, "members").len();
    ensure!(members == count, "{members} of {count} members");
    let shards = list(state, "shards");
    ensure!(!shards.is_empty(), "no shard yet");
    for shard in &shards {
        let held = list(shard, "members").len();
        ensure!(held == count.min(SHARD_MEMBERS_MAX), "a shard is on {held} nodes");
    }
    Ok(())
}

/// Checks the client against the nodes: what is put at one is read at each, what is not there is
/// not found, and a wrong token is refused.
pub(crate) async fn check(system: &System) -> Result<()> {
    system.make("check", "all_durable").await?;
    let mut first = system.open(0).await?;
    first.put("check/key", Bytes::from_static(b"value")).await?;
    for (at, door) in system.doors.iter().enumerate() {
        let mut client = door.open().await?;
        let found = client.get("check/key").await?;
        ensure!(found.as_deref() == Some(b"value"), "node {at} does not have what was put");
        ensure!(client.get("check/none").await?.is_none(), "node {at} has what was not put");
        let Door::Notrace { address, authority, .. } = door.clone() else { continue };
        let stranger = Door::Notrace { address, authority, token: "stranger".into() };
        let refused = stranger.open().await?.get("check/key").await;
        ensure!(refused.is_err(), "node {at} lets a stranger in");
    }
    system.remove("check").await
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_group_is_whole_when_all_are_members_and_hold_every_shard() {
        let shard = |members: &[u32]| json!({"shard": 3, "kind": "objects", "members": members});
        let state = |shards: Value| json!({"members": [{}, {}, {}], "shards": shards});
        assert!(whole(&state(json!([shard(&[1, 2, 3])])), 3).is_ok());
        assert!(whole(&state(json!([shard(&[1, 2])])), 3).is_err());
        assert!(whole(&state(json!([])), 3).is_err());
        assert!(whole(&state(json!([shard(&[1, 2, 3])])), 4).is_err());
    }
}
