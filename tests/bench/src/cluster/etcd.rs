//! Three members of etcd on loopback, as Debian ships it, with its own defaults.

use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use notrace_tests_rig::Process;
use tempfile::TempDir;

use crate::cluster::system::{Client, Door, System, free_ports};
use crate::cluster::{now, tls};

/// What to do where there is no etcd.
pub(crate) const MISSING: &str = "etcd was not measured: there is no `etcd` in the path; on Debian \
    `apt-get install -y etcd-server` brings it";

/// How long a cluster may take until each member answers a linearizable read.
const START_MAX: Duration = Duration::from_secs(60);
/// Over its default of 2 GiB, so that no load is refused for want of space.
const QUOTA_BYTES: u64 = 8 << 30;
/// What etcd calls the processor, where it wants to be told that it may run on it.
const PROCESSOR: &str =
    if cfg!(target_arch = "aarch64") { "arm64" } else { std::env::consts::ARCH };

/// How etcd's members and clients talk.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Wire {
    /// In the clear, as etcd is usually measured.
    Plain,
    /// TLS from clients to members, and mutual TLS between members.
    Tls,
}

/// The version of the etcd in the path, if there is one.
pub(crate) fn version() -> Option<String> {
    let output = Command::new("etcd").arg("--version").output().ok()?;
    let text = String::from_utf8(output.stdout).ok()?;
    Some(text.lines().next()?.strip_prefix("etcd Version: ")?.to_owned())
}

/// Starts three members in `dir` and waits until each of them answers.
///
/// # Errors  They cannot be started, or do not become healthy.
pub(crate) async fn start(dir: TempDir, wire: Wire) -> Result<System> {
    let authority = match wire {
        Wire::Plain => None,
        Wire::Tls => Some(Arc::from(tls::write_certificates(dir.path())?)),
    };
    let scheme = if authority.is_some() { "https" } else { "http" };
    let ports = free_ports(6)?;
    let (clients, peers) = ports.split_at_checked(3).context("six ports")?;
    let names = ["one", "two", "three"];
    let urls: Vec<String> = names
        .iter()
        .zip(peers)
        .map(|(name, port)| format!("{name}={scheme}://127.0.0.1:{port}"))
        .collect();
    let (mut nodes, mut doors) = (Vec::new(), Vec::new());
    for ((name, client), peer) in names.iter().zip(clients).zip(peers) {
        let client = format!("127.0.0.1:{client}");
        let mut command = Command::new("etcd");
        command.env("ETCD_UNSUPPORTED_ARCH", PROCESSOR);
        command.args(["--name", name, "--initial-cluster-state", "new", "--log-level", "error"]);
        command.arg("--data-dir").arg(dir.path().join(name));
        command.args(["--initial-cluster", &urls.join(",")]);
        command.args(["--quota-backend-bytes", &QUOTA_BYTES.to_string()]);
        for option in ["--listen-client-urls", "--advertise-client-urls"] {
            command.args([option, &format!("{scheme}://{client}")]);
        }
        for option in ["--listen-peer-urls", "--initial-advertise-peer-urls"] {
            command.args([option, &format!("{scheme}://127.0.0.1:{peer}")]);
        }
        if authority.is_some() {
            secure(&mut command, dir.path());
        }
        nodes.push(Process::start(&mut command).context("starting etcd")?);
        doors.push(Door::Etcd { address: client.into(), authority: authority.clone() });
    }
    for door in &doors {
        healthy(door).await?;
    }
    Ok(System { nodes, doors, dir })
}

fn secure(command: &mut Command, dir: &Path) {
    let files = [
        ("--cert-file", "member.pem"),
        ("--key-file", "member.key"),
        ("--peer-cert-file", "member.pem"),
        ("--peer-key-file", "member.key"),
        ("--peer-trusted-ca-file", "ca.pem"),
    ];
    for (option, file) in files {
        command.arg(option).arg(dir.join(file));
    }
    command.arg("--peer-client-cert-auth");
}

/// Waits until a member answers a linearizable read, which needs a leader and a majority.
async fn healthy(door: &Door) -> Result<()> {
    let began = now();
    loop {
        let asked = async { door.open().await?.get("health").await };
        let asked = tokio::time::timeout(Duration::from_secs(2), asked).await;
        match asked.map_err(anyhow::Error::from).flatten() {
            Ok(_) => return Ok(()),
            Err(error) if began.elapsed() > START_MAX => {
                return Err(error.context("etcd does not become healthy"));
            }
            Err(_) => tokio::time::sleep(Duration::from_millis(50)).await,
        }
    }
}

/// Checks the client against the members: what is put at one is read at each, what is not there is
/// not found, and what etcd refuses is an error.
pub(crate) async fn check(system: &System) -> Result<()> {
    let mut first = system.open(0).await?;
    first.put("check/key", bytes::Bytes::from_static(b"value")).await?;
    for at in 0..system.doors.len() {
        let mut client = system.open(at).await?;
        let found = client.get("check/key").await?;
        ensure!(found.as_deref() == Some(b"value"), "member {at} does not have what was put");
        ensure!(client.get("check/none").await?.is_none(), "member {at} has what was not put");
    }
    let Client::Etcd(channel) = &mut first else { return Ok(()) };
    let refused = channel.put("", b"value").await;
    ensure!(
        refused.is_err_and(|error| error.to_string().contains("grpc-status 3")),
        "a put without a key was not refused as it should be"
    );
    Ok(())
}
