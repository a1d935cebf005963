//! After a run, nothing of what it saw is in the memory of any process of the node, nor in a file.

use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use bytes::Bytes;
use notrace_tests_residue::{Canary, Find, in_files, in_memory};
use notrace_tests_rig::Node;
use ring::rand::{SecureRandom as _, SystemRandom};

fn canary() -> Result<Canary> {
    let mut random = [0; 64];
    SystemRandom::new().fill(&mut random).map_err(|_| anyhow::anyhow!("no randomness"))?;
    Canary::of(random)
}

/// Everything found in the processes of a node and below its folder.
fn hunt(node: &Node, canary: &Canary) -> Result<Vec<Find>> {
    let mut finds = in_files(canary, node.dir())?;
    for id in node.process.tree() {
        match in_memory(canary, id) {
            Ok(found) => finds.extend(
                found
                    .into_iter()
                    .map(|find| Find { place: format!("process {id}: {}", find.place), ..find }),
            ),
            // A worker may end while it is looked at; then there is nothing to look at.
            Err(error) => ensure!(id != node.process.id(), "the node itself: {error}"),
        }
    }
    Ok(finds)
}

/// The file of a task that waits for ever with its input in memory.
fn endless() -> Result<Vec<u8>> {
    Ok(wat::parse_str(
        "(module
          (import \"wasi_snapshot_preview1\" \"fd_read\"
            (func $read (param i32 i32 i32 i32) (result i32)))
          (memory (export \"memory\") 1)
          (func (export \"_start\")
            (i32.store (i32.const 0) (i32.const 1024))
            (i32.store (i32.const 4) (i32.const 4096))
            (drop (call $read (i32.const 0) (i32.const 0) (i32.const 1) (i32.const 8)))
            (loop br 0)))",
    )?)
}

#[test]
fn the_hunt_finds_a_canary_in_this_very_process() -> Result<()> {
    let canary = canary()?;
    let finds = in_memory(&canary, std::process::id())?;
    ensure!(!finds.is_empty(), "the hunt is blind");
    Ok(())
}

#[tokio::test]
async fn the_hunt_finds_a_canary_in_a_worker_that_runs() -> Result<()> {
    let node = Node::start().await?;
    let canary = canary()?;
    let task = node.push(endless()?).await?;
    let path = format!("/v1/tasks/{}/run", task["digest"].as_str().context("a digest")?);
    let mut link = node.link().await?;
    let input = Bytes::from(canary.text().to_owned());
    let running = tokio::spawn(async move {
        let headers = [("notrace-timeout-ms", "15000")];
        link.ask("POST", &path, &headers, input).await
    });
    let in_a_worker = async {
        loop {
            let workers = node.process.tree().into_iter().filter(|id| *id != node.process.id());
            let found = workers.filter_map(|id| in_memory(&canary, id).ok()).flatten().count();
            if found > 0 {
                return;
            }
            tokio::task::yield_now().await;
        }
    };
    let found = tokio::time::timeout(Duration::from_secs(10), in_a_worker).await;
    running.abort();
    ensure!(found.is_ok(), "the canary was in no worker, so finding none later would mean nothing");
    Ok(())
}

#[tokio::test]
async fn after_runs_and_reads_the_canary_is_nowhere() -> Result<()> {
    let node = Node::start().await?;
    let canary = canary()?;
    let text = Bytes::from(canary.text().to_owned());
    let path = node.echo().await?;
    let mut link = node.link().await?;
    let spec = Bytes::from_static(b"{\"retain\":\"forever\"}");
    link.ask_ok("PUT", "/v1/pools/p", &[], spec).await?;
    link.ask_ok("PUT", "/v1/objects/p/k", &[], text.clone()).await?;
    let got = link.ask_ok("GET", "/v1/objects/p/k", &[], Bytes::new()).await?;
    ensure!(got == text, "the object does not come back");
    for _ in 0..20 {
        let headers = [("notrace-object", "p/k"), ("notrace-arg", canary.text())];
        let answer = link.ask_ok("POST", &path, &headers, text.clone()).await?;
        ensure!(answer == text, "the echo does not echo");
    }
    // What TLS had decrypted lies in the connection's buffers until it is closed.
    drop(link);
    gone(&node, &canary).await
}

#[tokio::test]
async fn after_a_trap_and_a_time_out_the_canary_is_nowhere() -> Result<()> {
    let node = Node::start().await?;
    let canary = canary()?;
    let traps = wat::parse_str(
        "(module (memory (export \"memory\") 1) (func (export \"_start\") unreachable))",
    )?;
    for module in [traps, endless()?] {
        let task = node.push(module).await?;
        let path = format!("/v1/tasks/{}/run", task["digest"].as_str().context("a digest")?);
        let mut link = node.link().await?;
        let headers = [("notrace-timeout-ms", "200"), ("notrace-arg", canary.text())];
        let input = Bytes::from(canary.text().to_owned());
        let answer = link.ask("POST", &path, &headers, input).await?;
        ensure!(answer.status() == 422, "it was answered {}", answer.status());
    }
    gone(&node, &canary).await
}

/// Hunts until nothing is found: a connection that was closed takes the node a moment to bury. What
/// is still there after that is there to stay.
async fn gone(node: &Node, canary: &Canary) -> Result<()> {
    let mut finds = Vec::new();
    for _ in 0..3 {
        finds = hunt(node, canary)?;
        if finds.is_empty() {
            return Ok(());
        }
        // An exchange on a fresh connection: by its end the node has had its turn.
        node.link().await?.ask("GET", "/v1/health", &[], Bytes::new()).await?;
    }
    anyhow::bail!("still there: {finds:#?}")
}
