//! The product on the hosts of a lab: how nodes are started, joined, killed and asked how they are.

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;

use anyhow::{Context as _, Result, bail, ensure};
use bytes::Bytes;
use notrace_sdk_wire::Credentials;
use notrace_sdk_wire::cluster::ClusterStatus;
use notrace_tests_rig::node::{binary, ready};
use notrace_tests_rig::process::until;
use rustix::process::{Pid, Signal, kill_process};
use tokio::time::timeout;

use crate::chance::Chance;
use crate::door::Door;
use crate::lab::Lab;
use crate::limits::{ATTEMPT_MAX, START_MAX, WHOLE_MAX};
use crate::moment::{Clock, pause};
use crate::plan::Shape;

/// Where each node listens for clients, and for other nodes.
const PORTS: (u16, u16) = (7443, 7543);
/// What every node is told: a chaos run tests the store, so one worker waits and no more.
const CONFIG: &str = "[workers]\nidle = 1\nrunning_max = 1\n";
/// The letters of a token: 32 bytes in base64url without padding.
const LETTERS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

/// How a node ends, and what it says, when it cannot start.
const UNAVAILABLE: i32 = 7;
const DISK_FAILED: &str = "error[disk_failed]";

/// A node that ended though nobody ended it.
pub struct Fallen {
    /// Where.
    pub host: usize,
    /// Whether it said that it cannot use its disk, and ended in order.
    pub refused: bool,
    /// How it ended, and what it said last.
    pub said: String,
}

/// A node's process, as it should be.
struct Node {
    child: Option<Child>,
    /// How it is started, the first time and every other.
    arguments: Vec<String>,
    log: PathBuf,
}

/// Nodes of one group, each on a host of its own; or one node alone.
pub struct Cluster {
    /// The hosts.
    pub lab: Lab,
    shape: Shape,
    nodes: Vec<Node>,
    program: PathBuf,
    authority: Arc<str>,
    token: Arc<str>,
}

impl Cluster {
    /// Founds a group on the first host and lets the others join it. One host has a store of its
    /// own, without a group.
    /// # Errors  A node does not come up, or the group does not come together.
    pub async fn found(lab: Lab, shape: Shape, chance: &mut Chance) -> Result<Self> {
        let program = binary()?;
        let (authority, token_of_all) = ("".into(), "".into());
        let mut cluster =
            Self { lab, shape, nodes: Vec::new(), program, authority, token: token_of_all };
        fs::write(cluster.lab.folder().join("node.toml"), CONFIG)?;
        let count = cluster.lab.hosts.len();
        let tokens: Vec<String> = (0..count).map(|_| token(chance)).collect();
        cluster.lay_out(&tokens)?;
        cluster.start(0)?;
        let folder = cluster.lab.host(0)?.folder.join("node");
        let credentials = until(START_MAX, || ready(&folder, PORTS.0)).await;
        let credentials: Credentials = match credentials {
            Ok(credentials) => credentials,
            Err(error) => return Err(error.context(cluster.said(0))),
        };
        cluster.authority = credentials.ca_pem.as_str().into();
        cluster.token = credentials.token.as_str().into();
        // It knows its invitations before it answers anybody.
        let founder: Vec<Door> = cluster.doors().into_iter().take(1).collect();
        cluster.each_is(&founder, 1).await?;
        for host in 1..count {
            cluster.start(host)?;
        }
        cluster.whole().await?;
        Ok(cluster)
    }

    /// Writes down how each node is started.
    fn lay_out(&mut self, tokens: &[String]) -> Result<()> {
        let count = self.lab.hosts.len();
        let invites = self.lab.folder().join("invites");
        fs::create_dir_all(&invites)?;
        let founder = self.lab.host(0)?.address;
        for (number, (host, token)) in self.lab.hosts.iter().zip(tokens).enumerate() {
            let mut arguments: Vec<String> = vec!["serve".into(), "--dir".into()];
            arguments.push(host.folder.join("node").to_string_lossy().into_owned());
            arguments.extend(["--listen".into(), format!("{}:{}", host.address, PORTS.0)]);
            let config = self.lab.folder().join("node.toml");
            arguments.extend(["--config".into(), config.to_string_lossy().into_owned()]);
            if count > 1 {
                arguments.extend(["--cluster".into(), format!("{}:{}", host.address, PORTS.1)]);
            }
            if number == 0 && count > 1 {
                arguments.extend(["--invites".into(), invites.to_string_lossy().into_owned()]);
                let Shape { shards, copies } = self.shape;
                arguments.extend(["--shards".into(), shards.to_string()]);
                arguments.extend(["--copies".into(), copies.to_string()]);
            }
            if number > 0 {
                fs::write(invites.join(number.to_string()), token)?;
                arguments.extend(["--join".into(), format!("{founder}:{}", PORTS.0)]);
                arguments.extend(["--token".into(), token.clone()]);
            }
            let log = self.lab.folder().join(format!("node-{number}.log"));
            self.nodes.push(Node { child: None, arguments, log });
        }
        Ok(())
    }

    fn node(&mut self, host: usize) -> Result<&mut Node> {
        self.nodes.get_mut(host).context("there is no such node")
    }

    /// Starts a node, if it does not run.
    /// # Errors  It cannot be started.
    pub fn start(&mut self, host: usize) -> Result<()> {
        let mut command: Command = self.lab.host(host)?.command(&self.program);
        let node = self.node(host)?;
        if node.child.is_some() {
            return Ok(());
        }
        let log = File::options().create(true).append(true).open(&node.log)?;
        command.args(&node.arguments).stdin(Stdio::null());
        command.stdout(log.try_clone()?).stderr(log);
        node.child = Some(command.spawn().context("a node cannot be started")?);
        Ok(())
    }

    /// Ends a node with SIGKILL, if it runs.
    /// # Errors  It does not end.
    pub fn kill(&mut self, host: usize) -> Result<()> {
        let Some(mut child) = self.node(host)?.child.take() else { return Ok(()) };
        child.kill()?;
        child.wait()?;
        Ok(())
    }

    /// Sends a node a signal, if it runs.
    /// # Errors  It does not take it.
    pub fn signal(&mut self, host: usize, signal: Signal) -> Result<()> {
        let Some(child) = &self.node(host)?.child else { return Ok(()) };
        let pid = Pid::from_raw(child.id() as i32).context("a process number")?;
        Ok(kill_process(pid, signal)?)
    }

    /// Nodes that ended though nobody ended them; they count as killed then.
    /// # Errors  The system does not tell.
    pub fn fallen(&mut self) -> Result<Vec<Fallen>> {
        let mut fallen = Vec::new();
        for host in 0..self.nodes.len() {
            let Some(child) = &mut self.node(host)?.child else { continue };
            if let Some(status) = child.try_wait()? {
                self.node(host)?.child = None;
                let said = self.said(host);
                let refused = status.code() == Some(UNAVAILABLE) && said.contains(DISK_FAILED);
                let said = format!("node {host} ended by itself, {status}{said}");
                fallen.push(Fallen { host, refused, said });
            }
        }
        Ok(fallen)
    }

    /// Nodes in which something panicked, whether or not it brought the process down, and where.
    #[must_use]
    pub fn panicked(&self) -> Vec<String> {
        let mut found = Vec::new();
        for (host, node) in self.nodes.iter().enumerate() {
            let log = fs::read_to_string(&node.log).unwrap_or_default();
            let places: BTreeSet<&str> =
                log.lines().filter(|line| line.starts_with("panic at ")).collect();
            found.extend(places.iter().map(|place| format!("node {host}: {place}")));
        }
        found
    }

    /// The last lines that a node printed.
    #[must_use]
    pub fn said(&self, host: usize) -> String {
        let log = self.nodes.get(host).map(|node| fs::read_to_string(&node.log));
        let log = log.and_then(Result::ok).unwrap_or_default();
        let lines: Vec<&str> = log.lines().collect();
        let last = lines.get(lines.len().saturating_sub(4)..).unwrap_or_default();
        format!("; it said last:\n    {}", last.join("\n    "))
    }

    /// The way into each node.
    #[must_use]
    pub fn doors(&self) -> Vec<Door> {
        let hosts = self.lab.hosts.iter();
        let address = |host: &crate::lab::Host| SocketAddr::from((host.address, PORTS.0));
        let door = |address| Door {
            address,
            authority: self.authority.clone(),
            token: self.token.clone(),
        };
        hosts.map(|host| door(address(host))).collect()
    }

    /// Waits until every node serves and says that all are members and hold every shard.
    /// # Errors  It does not come to that in time; what the last one missing said.
    pub async fn whole(&mut self) -> Result<()> {
        let doors = self.doors();
        self.each_is(&doors, doors.len()).await
    }

    /// Waits until each node behind these doors serves, in a group of `count` if that is over one.
    async fn each_is(&mut self, doors: &[Door], count: usize) -> Result<()> {
        let (clock, copies) = (Clock::start(), usize::from(self.shape.copies).min(count));
        for (host, door) in doors.iter().enumerate() {
            loop {
                let asked = timeout(ATTEMPT_MAX, is_whole(door, count, copies)).await;
                let state = asked.context("it does not answer").flatten();
                let Err(error) = state else { break };
                if let Some(fallen) = self.fallen()?.into_iter().next() {
                    bail!(fallen.said);
                }
                if clock.elapsed() > WHOLE_MAX {
                    let said = self.said(host);
                    return Err(error.context(format!("node {host} is not whole again{said}")));
                }
                pause(ATTEMPT_MAX / 50).await;
            }
        }
        Ok(())
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        for host in 0..self.nodes.len() {
            // What cannot be ended here is ended by the lab, which looks at the whole host.
            let _ = self.kill(host);
        }
    }
}

/// A token that lets one node in.
fn token(chance: &mut Chance) -> String {
    let mut letter = |step: u64| {
        let at = chance.below(64 / step) * step;
        LETTERS.get(at as usize).copied().map(char::from).unwrap_or('A')
    };
    // 43 letters hold 258 bits: the last two are nought.
    let mut token: String = (0..42).map(|_| letter(1)).collect();
    token.push(letter(4));
    token
}

async fn is_whole(door: &Door, count: usize, copies: usize) -> Result<()> {
    let mut line = door.open().await?;
    line.read("/v1/health").await?;
    if count == 1 {
        return Ok(());
    }
    let answer = line.ask("GET", "/v1/cluster", &[], Bytes::new()).await?;
    ensure!(answer.status == 200, "it does not tell of its group: {}", answer.status);
    let status: ClusterStatus = serde_json::from_slice(&answer.body)?;
    let members = status.members.len();
    ensure!(members == count, "it knows {members} of {count} members");
    ensure!(!status.shards.is_empty(), "it knows of no shard");
    for shard in &status.shards {
        let held = shard.members.len();
        ensure!(held >= copies, "shard {} is on {held} nodes", shard.shard);
        ensure!(shard.fate == "held", "shard {} is {}", shard.shard, shard.fate);
    }
    Ok(())
}

#[cfg(test)]
mod a_token {
    use super::*;

    #[test]
    fn is_43_letters_of_which_the_last_has_no_loose_bits() {
        let mut chance = Chance::of(1);
        for _ in 0..100 {
            let token = token(&mut chance);
            assert_eq!(token.len(), 43);
            assert!(b"AEIMQUYcgkosw048".contains(token.as_bytes().last().unwrap()));
        }
    }
}
