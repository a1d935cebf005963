//! Tasks that are removed while they are compiled.

use anyhow::{Context as _, Result, ensure};
use bytes::Bytes;
use notrace_tests_rig::Node;
use serde_json::Value;

const WASM: [(&str, &str); 1] = [("content-type", "application/wasm")];

/// A command that takes a while to compile: `functions` functions of many additions.
fn long_to_compile(functions: usize) -> Result<Vec<u8>> {
    let sums = "(i32.add (local.get 0) ".repeat(200) + "(i32.const 1)" + &")".repeat(200);
    let function = format!("(func (param i32) (result i32) {sums})");
    let functions = function.repeat(functions);
    Ok(wat::parse_str(format!(
        "(module (memory (export \"memory\") 1) (func (export \"_start\")) {functions})"
    ))?)
}

/// Uploads without waiting for the compiling; the path of the task.
async fn begin(node: &Node, module: Vec<u8>) -> Result<String> {
    let answer = node.link().await?.ask("PUT", "/v1/tasks", &WASM, module.into()).await?;
    ensure!(answer.status() == 202, "{}: {:?}", answer.status(), answer.body());
    let accepted: Value = serde_json::from_slice(answer.body())?;
    let digest = accepted.get("digest").and_then(Value::as_str).context("a digest")?;
    Ok(format!("/v1/tasks/{digest}"))
}

#[tokio::test]
async fn a_task_that_is_removed_while_it_is_compiled_does_not_come_back() -> Result<()> {
    let node = Node::start().await?;
    let removed = begin(&node, long_to_compile(4_000)?).await?;
    let (mut follower, events) = (node.link().await?, format!("{removed}/events"));
    let followed = tokio::spawn(async move {
        follower.ask("GET", &events, &[], Bytes::new()).await.map(|answer| answer.into_body())
    });
    node.link().await?.ask_ok("DELETE", &removed, &[], Bytes::new()).await?;
    // Compiling this takes twice as long, so the removed one is through before.
    let next = begin(&node, long_to_compile(8_000)?).await?;
    let events = format!("{next}/events");
    let told = node.link().await?.ask_ok("GET", &events, &[], Bytes::new()).await?;
    ensure!(String::from_utf8_lossy(&told).contains("\"ready\""), "the next one was not compiled");
    let told = followed.await??;
    ensure!(String::from_utf8_lossy(&told).contains("\"failed\""), "its follower was not told");
    let node = node.kill_and_restart().await?;
    let known = node.link().await?.ask_ok("GET", "/v1/tasks", &[], Bytes::new()).await?;
    let known: Value = serde_json::from_slice(&known)?;
    let tasks = known.get("tasks").and_then(Value::as_array).context("a list")?;
    ensure!(tasks.len() == 1, "{} tasks are known, not the one that was kept", tasks.len());
    let kept = std::fs::read_dir(node.dir().join("cache"))?.count();
    ensure!(kept == 1, "the code of a removed task is kept");
    Ok(())
}
