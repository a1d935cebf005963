//! What a client sealed is in the memory of the task's worker, and in no other process of the node
//! and in no file: not while the task runs, and not afterwards on connections that stay open.

#![cfg(test)]

use anyhow::{Context as _, Result, ensure};
use bytes::Bytes;
use notrace_policy_promise::digest::Digest;
use notrace_policy_promise::name::ObjectName;
use notrace_tests_residue::canary::{Canary, What};
use notrace_tests_residue::places::{files, memory};
use notrace_tests_residue::{Find, Search};
use notrace_tests_rig::sealed::SEALED;
use notrace_tests_rig::{Link, Node, Sealer};

const CONNECTIONS: usize = 4;

/// A task that reads its input, its first object and its first argument, and answers its input with
/// the lowest bit of every byte turned over: an answer that is nothing of what came in.
const TURN: &str = r#"(module
  (import "wasi_snapshot_preview1" "path_open"
    (func $open (param i32 i32 i32 i32 i32 i64 i64 i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "fd_read" (func $read (param i32 i32 i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "fd_write" (func $write (param i32 i32 i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "args_get" (func $args (param i32 i32) (result i32)))
  (memory (export "memory") 1)
  (data (i32.const 32) "objects/p/k")
  (func (export "_start") (local $at i32)
    (if (call $open (i32.const 3) (i32.const 0) (i32.const 32) (i32.const 11) (i32.const 0)
      (i64.const 2) (i64.const 0) (i32.const 0) (i32.const 16)) (then unreachable))
    (i32.store (i32.const 0) (i32.const 8192))
    (i32.store (i32.const 4) (i32.const 4096))
    (drop (call $read (i32.load (i32.const 16)) (i32.const 0) (i32.const 1) (i32.const 8)))
    (if (i32.eqz (i32.load (i32.const 8))) (then unreachable))
    (drop (call $args (i32.const 512) (i32.const 1024)))
    (i32.store (i32.const 0) (i32.const 16384))
    (drop (call $read (i32.const 0) (i32.const 0) (i32.const 1) (i32.const 8)))
    (loop $next
      (i32.store8 (i32.add (local.get $at) (i32.const 16384))
        (i32.xor (i32.load8_u (i32.add (local.get $at) (i32.const 16384))) (i32.const 1)))
      (br_if $next (i32.lt_u
        (local.tee $at (i32.add (local.get $at) (i32.const 1))) (i32.load (i32.const 8)))))
    (i32.store (i32.const 4) (i32.load (i32.const 8)))
    (drop (call $write (i32.const 1) (i32.const 0) (i32.const 1) (i32.const 12)))))"#;

/// One canary for each way in and out.
struct Canaries {
    input: Canary,
    arg: Canary,
    object: Canary,
    answer: Canary,
    /// For all of them at once.
    search: Search,
}

impl Canaries {
    fn draw() -> Result<Self> {
        let (input, arg) = (Canary::text(What::Input)?, Canary::text(What::Argument)?);
        let object = Canary::text(What::Object)?;
        let turned: Vec<u8> = input.bytes().iter().map(|byte| byte ^ 1).collect();
        let answer = Canary::of(What::Answer, &turned);
        let search = Search::of([&input, &arg, &object, &answer])?;
        Ok(Self { input, arg, object, answer, search })
    }
}

/// Everything found in the memory and the open files of a process.
fn in_process(search: &Search, id: u32) -> Result<Vec<Find>> {
    let mut finds = memory::of_process(search, id, "process")?;
    finds.extend(memory::of_open_files(search, id, "process"));
    Ok(finds)
}

/// Everything found in the processes of a node, but in this one, and below its folder.
fn found(search: &Search, node: &Node, but: Option<u32>) -> Result<Vec<String>> {
    let mut finds = files::below(search, node.dir())?;
    for id in node.process.tree().into_iter().filter(|id| Some(*id) != but) {
        match in_process(search, id) {
            Ok(found) => finds.extend(found),
            // A worker that waits may be replaced meanwhile; the node itself may not.
            Err(error) => ensure!(id != node.process.id(), "the node itself: {error}"),
        }
    }
    Ok(finds.iter().map(ToString::to_string).collect())
}

/// The file of a task that opens its object and waits for ever with what it was given in memory.
fn endless() -> Result<Vec<u8>> {
    Ok(wat::parse_str(TURN.replace("(loop $next", "(loop $wait (br $wait)) (loop $next"))?)
}

/// A node that has the task and the object on its disk, and has seen nothing in this life of it.
async fn stage(canaries: &Canaries, module: Vec<u8>) -> Result<(Node, Digest)> {
    let node = Node::start().await?;
    let pushed = node.push(module).await?;
    let task = pushed.get("digest").and_then(|digest| digest.as_str()).context("a digest")?;
    let task = task.parse()?;
    let mut link = node.link().await?;
    let spec = Bytes::from_static(b"{\"retain\":\"forever\"}");
    link.ask_ok("PUT", "/v1/pools/p", &[], spec).await?;
    let object = Bytes::from(canaries.object.as_text().to_owned());
    link.ask_ok("PUT", "/v1/objects/p/k", &[], object).await?;
    drop(link);
    Ok((node.kill_and_restart().await?, task))
}

/// One sealed run over this connection; what it answered.
async fn run(
    link: &mut Link,
    sealer: &Sealer,
    task: Digest,
    canaries: &Canaries,
) -> Result<Vec<u8>> {
    let object: ObjectName = "p/k".parse()?;
    let (args, input) = ([canaries.arg.as_text()], canaries.input.bytes());
    let (body, keys) = sealer.seal(task, &[object], &args, input)?;
    let headers = [SEALED, ("notrace-object", "p/k")];
    let answer = link.ask_ok("POST", &format!("/v1/tasks/{task}/run"), &headers, body).await?;
    keys.open_answer(answer.to_vec())?.answer().context("a failure")
}

#[tokio::test]
async fn sealed_runs_leave_nothing_while_their_connections_stay_open() -> Result<()> {
    let canaries = Canaries::draw()?;
    let (node, task) = stage(&canaries, wat::parse_str(TURN)?).await?;
    let sealer = Sealer::of(&node).await?;
    let mut links = Vec::new();
    for _ in 0..CONNECTIONS {
        links.push(node.link().await?);
    }
    for _ in 0..5 {
        for link in &mut links {
            let answer = run(link, &sealer, task, &canaries).await?;
            ensure!(answer == canaries.answer.bytes(), "it answers something else");
        }
    }
    let found = found(&canaries.search, &node, None)?;
    ensure!(found.is_empty(), "{found:#?}");
    // The same hunt finds what came in the clear, on a connection that is as open as those were.
    let plain = Canary::text(What::Input)?;
    let path = format!("/v1/tasks/{task}/run");
    let headers = [("notrace-object", "p/k"), ("notrace-arg", "x")];
    let input = Bytes::from(plain.as_text().to_owned());
    links[0].ask_ok("POST", &path, &headers, input).await?;
    let control = in_process(&Search::of([&plain])?, node.process.id())?;
    ensure!(!control.is_empty(), "the hunt finds nothing at all");
    // And the connections were open all the while.
    for link in &mut links {
        run(link, &sealer, task, &canaries).await?;
    }
    Ok(())
}

#[tokio::test]
async fn a_sealed_run_is_readable_in_its_worker_alone_while_it_runs() -> Result<()> {
    let canaries = Canaries::draw()?;
    let (node, task) = stage(&canaries, endless()?).await?;
    let sealer = Sealer::of(&node).await?;
    let mut link = node.link().await?;
    let (args, input) = ([canaries.arg.as_text()], canaries.input.bytes());
    let (body, _) = sealer.seal(task, &["p/k".parse()?], &args, input)?;
    let path = format!("/v1/tasks/{task}/run");
    let headers = [SEALED, ("notrace-object", "p/k"), ("notrace-timeout-ms", "30000")];
    let asked = tokio::spawn(async move { link.ask("POST", &path, &headers, body).await });
    let worker = worker_with(&node, &canaries.input).await?;
    for canary in [&canaries.input, &canaries.arg, &canaries.object] {
        let there = !in_process(&Search::of([canary])?, worker)?.is_empty();
        ensure!(there, "{:?} is not in the worker", canary.what());
    }
    let found = found(&canaries.search, &node, Some(worker))?;
    ensure!(found.is_empty(), "{found:#?}");
    ensure!(!asked.is_finished(), "the run is over already");
    asked.abort();
    Ok(())
}

/// The process that has the canary, as soon as there is one.
async fn worker_with(node: &Node, canary: &Canary) -> Result<u32> {
    let search = Search::of([canary])?;
    let had = || {
        let mut tree = node.process.tree().into_iter().skip(1);
        tree.find(|id| in_process(&search, *id).is_ok_and(|found| !found.is_empty()))
    };
    notrace_tests_rig::process::until(std::time::Duration::from_secs(20), had).await
}

#[tokio::test]
async fn failures_of_sealed_runs_are_said_to_nobody_else() -> Result<()> {
    // It says its first argument on standard error and leaves with status 7.
    let tell = wat::parse_str(
        "(module
          (import \"wasi_snapshot_preview1\" \"args_get\" (func $args (param i32 i32) (result i32)))
          (import \"wasi_snapshot_preview1\" \"proc_exit\" (func $exit (param i32)))
          (import \"wasi_snapshot_preview1\" \"fd_write\"
            (func $write (param i32 i32 i32 i32) (result i32)))
          (memory (export \"memory\") 1)
          (func (export \"_start\")
            (drop (call $args (i32.const 512) (i32.const 1024)))
            (i32.store (i32.const 0) (i32.load (i32.const 516)))
            (i32.store (i32.const 4) (i32.const 64))
            (drop (call $write (i32.const 2) (i32.const 0) (i32.const 1) (i32.const 8)))
            (call $exit (i32.const 7))))",
    )?;
    let canaries = Canaries::draw()?;
    let (node, task) = stage(&canaries, tell).await?;
    let mut link = node.link().await?;
    let sealer = Sealer::of(&node).await?;
    let (body, keys) = sealer.seal(task, &[], &[canaries.arg.as_text()], b"")?;
    let path = format!("/v1/tasks/{task}/run");
    let answer = link.ask("POST", &path, &[SEALED], body).await?;
    ensure!(answer.status() == 422, "it was answered {}", answer.status());
    let problem: serde_json::Value = serde_json::from_slice(answer.body())?;
    ensure!(problem.get("exit_status").is_none(), "the status is said in the clear");
    let clear = canaries.search.found_in(answer.body());
    ensure!(clear.is_empty(), "the message is in the clear");
    let sealed = problem["sealed"].as_str().context("a sealed message")?;
    let sealed = base64::Engine::decode(&base64::engine::general_purpose::STANDARD, sealed)?;
    let failure = keys.open_failure(sealed)?;
    ensure!(failure.exit == Some(7), "another status");
    ensure!(*failure.message == canaries.arg.as_text(), "another message");
    let found = found(&canaries.search, &node, None)?;
    ensure!(found.is_empty(), "{found:#?}");
    Ok(())
}
