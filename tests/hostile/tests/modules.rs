//! Modules that are none, that ask for too much, and that will not end.

use anyhow::{Context as _, Result};
use bytes::Bytes;
use notrace_tests_rig::Node;
use serde_json::Value;

const WASM: [(&str, &str); 1] = [("content-type", "application/wasm")];

/// What an upload is answered: status and code.
async fn upload(node: &Node, module: impl Into<Bytes>) -> Result<(u16, Value)> {
    let answer = node.link().await?.ask("PUT", "/v1/tasks", &WASM, module.into()).await?;
    Ok((answer.status().as_u16(), serde_json::from_slice(answer.body())?))
}

fn code(problem: &Value) -> &str {
    let kind = problem.get("type").and_then(Value::as_str);
    kind.and_then(|kind| kind.strip_prefix("urn:notrace:error:")).unwrap_or("")
}

async fn is_alive(node: &mut Node) -> Result<bool> {
    let answer = node.link().await?.ask("GET", "/v1/health", &[], Bytes::new()).await?;
    Ok(node.process.is_alive() && answer.status() == 200)
}

/// Uploads a preview 1 command of this body and runs it.
async fn run(node: &Node, module: &str, timeout_ms: &str) -> Result<(u16, Value)> {
    let accepted = node.push(wat::parse_str(module)?).await?;
    let digest = accepted.get("digest").and_then(Value::as_str).context("a digest")?;
    let path = format!("/v1/tasks/{digest}/run");
    let headers = [("notrace-timeout-ms", timeout_ms)];
    let answer = node.link().await?.ask("POST", &path, &headers, Bytes::new()).await?;
    assert!(answer.headers().contains_key("notrace-receipt"), "a run without a receipt");
    Ok((answer.status().as_u16(), serde_json::from_slice(answer.body())?))
}

#[tokio::test]
async fn an_upload_that_is_no_module_is_refused_by_its_kind() -> Result<()> {
    let mut node = Node::start().await?;
    let echo = std::fs::read(notrace_tests_rig::node::workspace().join("examples/echo/echo.wasm"))?;
    let import =
        wat::parse_str("(module (import \"env\" \"foo\" (func)) (func (export \"_start\")))")?;
    let no_entry = wat::parse_str("(module (func (export \"main\")))")?;
    let cases: [(&str, Vec<u8>, u16, &str); 6] = [
        ("empty", Vec::new(), 400, "module_malformed"),
        ("text", b"console.log('hello')".to_vec(), 400, "module_malformed"),
        ("truncated", echo[..echo.len() / 2].to_vec(), 400, "module_malformed"),
        ("unknown import", import, 422, "import_refused"),
        ("no entry", no_entry, 422, "entry_missing"),
        ("too large", vec![0; 65 << 20], 413, "module_too_large"),
    ];
    for (what, module, status, wanted) in cases {
        let (answered, problem) = upload(&node, module).await?;
        assert_eq!((answered, code(&problem)), (status, wanted), "{what}: {problem}");
        assert!(is_alive(&mut node).await?, "after {what}");
    }
    Ok(())
}

#[tokio::test]
async fn a_refused_import_is_named() -> Result<()> {
    let node = Node::start().await?;
    let module = "(module (import \"env\" \"send_home\" (func)) (func (export \"_start\")))";
    let (_, problem) = upload(&node, wat::parse_str(module)?).await?;
    assert!(problem["import"].as_str().unwrap_or("").contains("send_home"), "{problem}");
    Ok(())
}

#[tokio::test]
async fn a_text_is_shown_by_no_more_than_its_beginning() -> Result<()> {
    let node = Node::start().await?;
    let (_, problem) =
        upload(&node, &b"const secret = 'only-the-first-words-may-come-back'"[..]).await?;
    assert!(!problem.to_string().contains("first-words"), "{problem}");
    Ok(())
}

#[tokio::test]
async fn a_task_that_does_not_end_is_ended() -> Result<()> {
    let mut node = Node::start().await?;
    let endless = "(module (memory (export \"memory\") 1) (func (export \"_start\") (loop br 0)))";
    let (status, problem) = run(&node, endless, "200").await?;
    assert_eq!((status, code(&problem)), (422, "task_exhausted"), "{problem}");
    assert!(["fuel", "time"].contains(&problem["exhausted"].as_str().unwrap_or("")), "{problem}");
    assert!(is_alive(&mut node).await?);
    Ok(())
}

#[tokio::test]
async fn a_task_that_takes_all_memory_is_stopped_at_its_bound() -> Result<()> {
    let mut node = Node::start().await?;
    let greedy = "(module (memory (export \"memory\") 1) (func (export \"_start\")
        (loop (br_if 0 (i32.ne (memory.grow (i32.const 16)) (i32.const -1)))) unreachable))";
    let (status, problem) = run(&node, greedy, "5000").await?;
    assert_eq!((status, code(&problem)), (422, "task_exhausted"), "{problem}");
    assert_eq!(problem["exhausted"], "memory");
    assert!(is_alive(&mut node).await?);
    Ok(())
}

#[tokio::test]
async fn a_task_that_overflows_its_stack_traps() -> Result<()> {
    let mut node = Node::start().await?;
    let deep = "(module (memory (export \"memory\") 1) (func $f (call $f))
        (func (export \"_start\") (call $f)))";
    let (status, problem) = run(&node, deep, "5000").await?;
    assert_eq!((status, code(&problem)), (422, "task_trapped"), "{problem}");
    assert!(is_alive(&mut node).await?);
    Ok(())
}

#[tokio::test]
async fn a_task_that_traps_says_how() -> Result<()> {
    let mut node = Node::start().await?;
    let traps = "(module (memory (export \"memory\") 1) (func (export \"_start\") unreachable))";
    let (status, problem) = run(&node, traps, "5000").await?;
    assert_eq!((status, code(&problem)), (422, "task_trapped"), "{problem}");
    assert!(problem["trap"].as_str().unwrap_or("").contains("unreachable"), "{problem}");
    assert!(is_alive(&mut node).await?);
    Ok(())
}

#[tokio::test]
async fn a_task_that_writes_a_gigabyte_is_stopped_at_its_bound() -> Result<()> {
    let mut node = Node::start().await?;
    // Writes the same 64 KiB until it has written 1 GiB.
    let talker = "(module
      (import \"wasi_snapshot_preview1\" \"fd_write\"
        (func $write (param i32 i32 i32 i32) (result i32)))
      (memory (export \"memory\") 2)
      (func (export \"_start\") (local $left i32)
        (i32.store (i32.const 0) (i32.const 1024))
        (i32.store (i32.const 4) (i32.const 65536))
        (local.set $left (i32.const 16384))
        (loop
          (drop (call $write (i32.const 1) (i32.const 0) (i32.const 1) (i32.const 8)))
          (local.set $left (i32.sub (local.get $left) (i32.const 1)))
          (br_if 0 (local.get $left)))))";
    let (status, problem) = run(&node, talker, "20000").await?;
    assert_eq!((status, code(&problem)), (422, "task_exhausted"), "{problem}");
    assert_eq!(problem["exhausted"], "output");
    assert!(is_alive(&mut node).await?);
    Ok(())
}
