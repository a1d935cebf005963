//! A node that is killed in the midst of puts keeps all it acknowledged, whole, and nothing plain.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use bytes::Bytes;
use notrace_tests_rig::Node;

/// How many times the node is killed; the long run sets it to 100.
const KILLS: usize = 3;
const MARK: &[u8] = b"plaintext-canary-";

#[expect(clippy::disallowed_methods, reason = "the long run is asked for by a variable")]
fn kills() -> usize {
    std::env::var("NOTRACE_KILLS").ok().and_then(|kills| kills.parse().ok()).unwrap_or(KILLS)
}

/// A value that can be told from every other, and is long enough to be torn.
fn value(number: u64) -> Bytes {
    let mut value = MARK.to_vec();
    value.extend_from_slice(&number.to_be_bytes());
    value.resize(1 + (number as usize * 7919) % 40_000 + value.len(), number as u8);
    value.into()
}

/// Puts until the node is gone; what was acknowledged, with its version.
async fn put_until_killed(node: &Node, from: u64) -> BTreeMap<u64, String> {
    let mut acknowledged = BTreeMap::new();
    let Ok(mut link) = node.link().await else { return acknowledged };
    for number in from.. {
        let path = format!("/v1/objects/p/key-{number}");
        let Ok(answer) = link.ask("PUT", &path, &[], value(number)).await else { break };
        let Some(etag) = answer.headers().get("etag") else { break };
        acknowledged.insert(number, etag.to_str().unwrap_or_default().to_owned());
    }
    acknowledged
}

#[tokio::test]
async fn after_kill_9_every_acknowledged_put_is_there_whole() -> Result<()> {
    let mut node = Node::start().await?;
    let spec = Bytes::from_static(b"{\"retain\":\"forever\",\"durability\":\"all_durable\"}");
    node.link().await?.ask_ok("PUT", "/v1/pools/p", &[], spec).await?;
    let mut all = BTreeMap::new();
    for kill in 0..kills() as u64 {
        // The moment differs from kill to kill; a multiplicative step spreads it over 100 ms.
        let moment = Duration::from_micros(2_000 + kill.wrapping_mul(61_803) % 100_000);
        let id = node.process.id();
        let killer = tokio::spawn(async move {
            tokio::time::timeout(moment, std::future::pending::<()>()).await.err();
            // The node's own process, by its number; the rest of its tree ends with it.
            let _ = std::process::Command::new("kill").args(["-9", &id.to_string()]).status();
        });
        let acknowledged = put_until_killed(&node, kill * 100_000).await;
        killer.await?;
        all.extend(acknowledged);
        node = node.kill_and_restart().await?;
        verify(&node, &all).await.with_context(|| format!("after kill {kill}"))?;
    }
    ensure!(!all.is_empty(), "nothing was acknowledged, so nothing was tested");
    ensure!(plaintext_in(node.dir())?.is_none(), "a file holds plaintext");
    // The search can find: the same bytes in a file beside the node's are seen.
    std::fs::write(node.dir().join("control"), value(1))?;
    ensure!(plaintext_in(node.dir())?.is_some(), "the search finds nothing at all");
    Ok(())
}

async fn verify(node: &Node, all: &BTreeMap<u64, String>) -> Result<()> {
    let mut link = node.link().await?;
    for (number, etag) in all {
        let path = format!("/v1/objects/p/key-{number}");
        let answer = link.ask("GET", &path, &[], Bytes::new()).await?;
        ensure!(answer.status() == 200, "key {number} is gone: {}", answer.status());
        let found = answer.headers().get("etag").and_then(|found| found.to_str().ok());
        ensure!(found == Some(etag), "key {number} has another version");
        ensure!(answer.body() == &value(*number), "key {number} has another value");
    }
    Ok(())
}

/// The first file below `dir` that holds the plaintext mark.
fn plaintext_in(dir: &Path) -> Result<Option<std::path::PathBuf>> {
    for entry in std::fs::read_dir(dir)? {
        let path = entry?.path();
        let found = if path.is_dir() {
            plaintext_in(&path)?
        } else {
            let bytes = std::fs::read(&path).unwrap_or_default();
            bytes.windows(MARK.len()).any(|window| window == MARK).then_some(path)
        };
        if found.is_some() {
            return Ok(found);
        }
    }
    Ok(None)
}
