//! A node, with a pool for each policy, and a task.

use std::fs::{self, File};
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};
use bytes::Bytes;
use notrace_policy_promise::digest::Digest;
use notrace_policy_promise::name::ObjectName;
use notrace_policy_promise::release::{Failures, Release, Sizes, Times};
use notrace_tests_rig::{Link, Node, Sealer};
use tempfile::TempDir;

use crate::secrets::GUEST;

/// A policy and the pool that has it.
#[derive(Clone, Copy)]
pub struct Policy {
    /// The pool's name.
    pub pool: &'static str,
    /// What it lets show.
    pub release: Release,
}

const fn policy(pool: &'static str, sizes: Sizes, times: Times, failures: Failures) -> Policy {
    Policy { pool, release: Release { sizes, times, failures } }
}

/// Everything shows.
pub const OPEN: Policy = policy("open", Sizes::Exact, Times::AtOnce, Failures::Told);
/// Each of the three alone, which does not suffice, and all of them, which must.
pub const POLICIES: [Policy; 5] = [
    OPEN,
    policy("sizes", Sizes::Fixed4K, Times::AtOnce, Failures::Told),
    policy("times", Sizes::Exact, Times::Second, Failures::Told),
    policy("failures", Sizes::Exact, Times::AtOnce, Failures::Alike),
    STRICT,
];
/// Nothing shows.
pub const STRICT: Policy = policy("all", Sizes::Fixed4K, Times::Second, Failures::Alike);
/// Nothing shows, whenever it was done.
pub const DEADLINE: Policy = policy("deadline", Sizes::Fixed4K, Times::Deadline, Failures::Alike);
/// For asking what shows within a quantum.
pub const QUANTUM: Policy = policy("quantum", Sizes::Fixed4K, Times::Second, Failures::Alike);

/// The node's bounds, which a run must be able to use up within a second; and epochs that do not
/// keep us waiting for receipts.
const CONFIG: &str = "[task]\nfuel = 300_000_000\n[ledger]\nepoch_ms = 50\n";

/// All of it.
pub struct Stage {
    /// The node.
    pub node: Node,
    /// What seals to it.
    pub sealer: Sealer,
    /// The task.
    pub task: Digest,
    /// What the node prints.
    said: [PathBuf; 2],
    _dir: TempDir,
}

impl Stage {
    /// Sets it up.
    ///
    /// # Errors  The node does not start, or refuses something.
    pub async fn set() -> Result<Self> {
        let dir = tempfile::tempdir()?;
        let config = dir.path().join("node.toml");
        fs::write(&config, CONFIG)?;
        let said = ["out", "err"].map(|name| dir.path().join(name));
        let [out, err] = [File::create(&said[0])?, File::create(&said[1])?];
        let node = Node::start_as(tempfile::tempdir()?, 0, |command| {
            command.arg("--config").arg(&config).stdout(out).stderr(err);
        });
        let node = node.await?;
        let mut link = node.link().await?;
        for Policy { pool, release } in POLICIES.iter().chain(&[DEADLINE, QUANTUM]) {
            let Release { sizes, times, failures } = release;
            let spec = serde_json::json!({
                "retain": "1d",
                "release": {
                    "sizes": sizes.as_str(),
                    "times": times.as_str(),
                    "failures": failures.as_str(),
                },
            });
            let json = [("content-type", "application/json")];
            let spec = Bytes::from(spec.to_string());
            link.ask_ok("PUT", &format!("/v1/pools/{pool}"), &json, spec).await?;
            let path = format!("/v1/objects/{pool}/it");
            link.ask_ok("PUT", &path, &[], Bytes::from_static(b"an object")).await?;
        }
        let pushed = node.push(wat::parse_str(GUEST)?).await?;
        let task = pushed.get("digest").and_then(|digest| digest.as_str());
        let task = task.context("a digest")?.parse()?;
        let sealer = Sealer::of(&node).await?;
        Ok(Self { node, sealer, task, said, _dir: dir })
    }

    /// Where the node listens.
    ///
    /// # Errors  It is nowhere.
    pub fn authority(&self) -> Result<&str> {
        self.node.credentials.url.strip_prefix("https://").context("an address")
    }

    /// A connection through somebody who records.
    ///
    /// # Errors  There is none.
    pub async fn link_by(&self, authority: &str) -> Result<Link> {
        let credentials = &self.node.credentials;
        Link::tls(authority, &credentials.ca_pem, Some(&credentials.token)).await
    }

    /// How much the node has printed.
    pub fn said_bytes(&self) -> u64 {
        self.said.iter().filter_map(|path| Some(fs::metadata(path).ok()?.len())).sum()
    }

    /// The node's folder.
    pub fn dir(&self) -> &Path {
        self.node.dir()
    }
}

/// The object whose pool has the policy.
///
/// # Errors  It is no name.
pub fn object(policy: Policy) -> Result<ObjectName> {
    Ok(format!("{}/it", policy.pool).parse()?)
}
