//! Sealed requests that were altered, cut, moved or sent again, and such as are none.

use anyhow::{Context as _, Result, ensure};
use bytes::Bytes;
use hyper::Response;
use notrace_policy_promise::digest::{Digest, Domain};
use notrace_policy_promise::limits::INPUT_BYTES_MAX;
use notrace_policy_promise::name::ObjectName;
use notrace_policy_promise::receipt::Passage;
use notrace_policy_promise::verify::{Expected, Trust, verify};
use notrace_sdk_seal::limits::{CHUNK_BYTES, HEAD_BYTES, SEALED_REQUEST_BYTES_MAX};
use notrace_sdk_seal::{RunKeys, SealedRequest, public_key};
use notrace_tests_rig::sealed::{SEALED, task_of};
use notrace_tests_rig::{Link, Node, Sealer};
use serde_json::Value;

/// Answers how many bytes its input has, in four bytes.
const COUNT: &str = r#"(module
  (import "wasi_snapshot_preview1" "fd_read" (func $read (param i32 i32 i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "fd_write" (func $write (param i32 i32 i32 i32) (result i32)))
  (memory (export "memory") 2)
  (func (export "_start")
    (i32.store (i32.const 0) (i32.const 4096))
    (i32.store (i32.const 4) (i32.const 65536))
    (loop $more
      (drop (call $read (i32.const 0) (i32.const 0) (i32.const 1) (i32.const 8)))
      (i32.store (i32.const 16) (i32.add (i32.load (i32.const 16)) (i32.load (i32.const 8))))
      (br_if $more (i32.load (i32.const 8))))
    (i32.store (i32.const 0) (i32.const 16))
    (i32.store (i32.const 4) (i32.const 4))
    (drop (call $write (i32.const 1) (i32.const 0) (i32.const 1) (i32.const 12)))))"#;

struct Stage {
    node: Node,
    link: Link,
    sealer: Sealer,
    echo: String,
    task: Digest,
}

impl Stage {
    async fn set() -> Result<Self> {
        let node = Node::start().await?;
        let echo = node.echo().await?;
        let (task, link) = (task_of(&echo)?, node.link().await?);
        Ok(Self { sealer: Sealer::of(&node).await?, node, link, echo, task })
    }

    fn sealed(&self, input: &[u8]) -> Result<(Bytes, RunKeys)> {
        self.sealer.seal(self.task, &[], &[], input)
    }

    /// Sends a body to the echo; what comes of it.
    async fn send(&mut self, body: impl Into<Bytes>) -> Result<(u16, String)> {
        let path = self.echo.clone();
        self.send_to(&path, &[], body).await
    }

    async fn send_to(
        &mut self,
        path: &str,
        headers: &[(&str, &str)],
        body: impl Into<Bytes>,
    ) -> Result<(u16, String)> {
        let headers = [&[SEALED], headers].concat();
        Ok(seen(&self.link.ask("POST", path, &headers, body.into()).await?))
    }

    /// Whether a request that is as it should be is answered as it should be.
    async fn still_serves(&mut self) -> Result<()> {
        let (body, keys) = self.sealed(b"still here")?;
        let answer = self.link.ask_ok("POST", &self.echo, &[SEALED], body).await?;
        ensure!(
            keys.open_answer(answer.to_vec())?.answer().as_deref() == Some(b"still here"),
            "it answers otherwise"
        );
        Ok(())
    }
}

fn seen(answer: &Response<Bytes>) -> (u16, String) {
    let problem: Value = serde_json::from_slice(answer.body()).unwrap_or_default();
    let kind = problem.get("type").and_then(Value::as_str).unwrap_or("");
    (answer.status().as_u16(), kind.replace("urn:notrace:error:", ""))
}

fn said(status: u16, code: &str) -> (u16, String) {
    (status, code.to_owned())
}

#[tokio::test]
async fn what_was_altered_is_refused_wherever_it_was() -> Result<()> {
    let mut stage = Stage::set().await?;
    let length = stage.sealed(&[7; CHUNK_BYTES + 9])?.0.len();
    let places = [
        (0, 400, "seal_malformed"),
        (1, 421, "seal_key_unknown"),
        (9, 400, "seal_broken"),
        (41, 400, "seal_broken"),
        (73, 400, "seal_broken"),
        (HEAD_BYTES, 400, "seal_broken"),
        (HEAD_BYTES + CHUNK_BYTES, 400, "seal_broken"),
        (length - 1, 400, "seal_broken"),
    ];
    for (place, status, code) in places {
        let mut altered = stage.sealed(&[7; CHUNK_BYTES + 9])?.0.to_vec();
        altered[place] ^= 2;
        assert_eq!(stage.send(altered).await?, said(status, code), "at {place}");
    }
    stage.still_serves().await
}

#[tokio::test]
async fn what_was_cut_or_put_together_anew_is_refused() -> Result<()> {
    let mut stage = Stage::set().await?;
    let chunk = CHUNK_BYTES + 16;
    for length in [0, 1, HEAD_BYTES - 1] {
        let cut = stage.sealed(&[7; 3 * CHUNK_BYTES])?.0.slice(..length);
        assert_eq!(stage.send(cut).await?, said(400, "seal_malformed"), "{length}");
    }
    for length in [HEAD_BYTES, HEAD_BYTES + 16, HEAD_BYTES + chunk, HEAD_BYTES + 3 * chunk - 1] {
        let cut = stage.sealed(&[7; 3 * CHUNK_BYTES])?.0.slice(..length);
        assert_eq!(stage.send(cut).await?, said(400, "seal_broken"), "{length}");
    }
    for order in [&[1, 0, 2][..], &[0, 2, 1], &[0, 2], &[0, 1, 1, 2]] {
        let whole = stage.sealed(&[7; 3 * CHUNK_BYTES])?.0;
        let (head, chunks) = whole.split_at(HEAD_BYTES);
        let chunks: Vec<&[u8]> = chunks.chunks(chunk).collect();
        let moved = order.iter().flat_map(|at| chunks[*at]);
        let moved: Vec<u8> = head.iter().chain(moved).copied().collect();
        assert_eq!(stage.send(moved).await?, said(400, "seal_broken"), "{order:?}");
    }
    // The head of one request before the content of another.
    let (one, other) = (stage.sealed(b"one")?.0, stage.sealed(b"two")?.0);
    let grafted = [&one[..HEAD_BYTES], &other[HEAD_BYTES..]].concat();
    assert_eq!(stage.send(grafted).await?, said(400, "seal_broken"));
    stage.still_serves().await
}

#[tokio::test]
async fn what_is_for_something_else_is_refused() -> Result<()> {
    let mut stage = Stage::set().await?;
    let count = stage.node.push(wat::parse_str(COUNT)?).await?;
    let count = format!("/v1/tasks/{}/run", count["digest"].as_str().context("a digest")?);
    let spec = Bytes::from_static(b"{\"retain\":\"1d\"}");
    stage.link.ask_ok("PUT", "/v1/pools/p", &[], spec).await?;
    for key in ["a", "b"] {
        let path = format!("/v1/objects/p/{key}");
        stage.link.ask_ok("PUT", &path, &[], Bytes::from_static(b"object")).await?;
    }
    let broken = said(400, "seal_broken");
    let echo = stage.echo.clone();
    let body = stage.sealed(b"x")?.0;
    assert_eq!(stage.send_to(&count, &[], body).await?, broken, "another task");
    let objects: [ObjectName; 2] = ["p/a".parse()?, "p/b".parse()?];
    let header = |name| ("notrace-object", name);
    for headers in [&[][..], &[header("p/b"), header("p/a")], &[header("p/a")]] {
        let body = stage.sealer.seal(stage.task, &objects, &[], b"x")?.0;
        assert_eq!(stage.send_to(&echo, headers, body).await?, broken, "{headers:?}");
    }
    let body = stage.sealed(b"x")?.0;
    assert_eq!(stage.send_to(&echo, &[header("p/a")], body).await?, broken, "one more object");
    let other = Digest::of(Domain::Promise, b"another");
    let elsewhere = stage.sealer.clone().but(|key| key.promise = other);
    let body = elsewhere.seal(stage.task, &[], &[], b"x")?.0;
    assert_eq!(stage.send(body).await?, broken, "another promise");
    let stranger = stage.sealer.clone().but(|key| key.public = public_key(&[1; 32]));
    let body = stranger.seal(stage.task, &[], &[], b"x")?.0;
    assert_eq!(stage.send(body).await?, said(421, "seal_key_unknown"), "another key");
    let body = stage.sealed(b"x")?.0;
    let arg = [("notrace-arg", "beside")];
    assert_eq!(stage.send_to(&echo, &arg, body).await?, said(400, "header_malformed"));
    stage.still_serves().await
}

#[tokio::test]
async fn what_came_before_is_refused_here_and_everywhere_and_after_a_restart() -> Result<()> {
    let mut stage = Stage::set().await?;
    let (body, keys) = stage.sealed(b"once")?;
    let answer = stage.link.ask_ok("POST", &stage.echo, &[SEALED], body.clone()).await?;
    ensure!(
        keys.open_answer(answer.to_vec())?.answer().as_deref() == Some(b"once"),
        "it answers otherwise"
    );
    assert_eq!(stage.send(body.clone()).await?, said(409, "seal_replayed"));
    // What is refused for what it is for uses up no nonce, and so is no way to spoil another's.
    let fresh = stage.sealed(b"twice")?.0;
    let object = [("notrace-object", "p/a")];
    let spec = Bytes::from_static(b"{\"retain\":\"1d\"}");
    stage.link.ask_ok("PUT", "/v1/pools/p", &[], spec).await?;
    let echo = stage.echo.clone();
    assert_eq!(stage.send_to(&echo, &object, fresh.clone()).await?, said(400, "seal_broken"));
    ensure!(stage.send(fresh).await?.0 == 200, "its nonce was used up");
    let mut other = Stage::set().await?;
    assert_eq!(other.send(body.clone()).await?, said(421, "seal_key_unknown"));
    let node = stage.node.kill_and_restart().await?;
    let answer = node.link().await?.ask("POST", &stage.echo, &[SEALED], body).await?;
    assert_eq!(seen(&answer), said(421, "seal_key_unknown"));
    Ok(())
}

#[tokio::test]
async fn nothing_and_the_largest_input_are_taken_and_no_more() -> Result<()> {
    let mut stage = Stage::set().await?;
    let count = stage.node.push(wat::parse_str(COUNT)?).await?;
    let task: Digest = count["digest"].as_str().context("a digest")?.parse()?;
    let path = format!("/v1/tasks/{task}/run");
    for bytes in [0, 1, CHUNK_BYTES, INPUT_BYTES_MAX] {
        let (body, keys) = stage.sealer.seal(task, &[], &[], &vec![b'x'; bytes])?;
        let headers = [SEALED, ("notrace-timeout-ms", "60000")];
        let answer = stage.link.ask_ok("POST", &path, &headers, body).await?;
        let counted = keys.open_answer(answer.to_vec())?.answer().context("a failure")?;
        ensure!(counted == (bytes as u32).to_le_bytes(), "{bytes}: {counted:?}");
    }
    ensure!(stage.sealer.seal(task, &[], &[], &vec![0; INPUT_BYTES_MAX + 1]).is_err(), "too much");
    let more = vec![1; SEALED_REQUEST_BYTES_MAX + 1];
    assert_eq!(stage.send(more).await?, said(413, "input_too_large"));
    let mut stage = Stage { link: stage.node.link().await?, ..stage };
    stage.still_serves().await
}

#[tokio::test]
async fn a_sealed_run_has_a_receipt_that_says_so_and_is_its_own() -> Result<()> {
    let mut stage = Stage::set().await?;
    let spec = Bytes::from_static(b"{\"retain\":\"1d\",\"transport\":\"sealed\"}");
    stage.link.ask_ok("PUT", "/v1/pools/s", &[], spec).await?;
    stage.link.ask_ok("PUT", "/v1/objects/s/k", &[], Bytes::from_static(b"object")).await?;
    let object = ("notrace-object", "s/k");
    let plain = stage.link.ask("POST", &stage.echo, &[object], Bytes::new()).await?;
    assert_eq!(seen(&plain), said(403, "sealed_required"));
    let (body, keys) = stage.sealer.seal(stage.task, &["s/k".parse()?], &[], b"x")?;
    let nonce = *SealedRequest::parse(body.to_vec())?.nonce();
    let answer = stage.link.ask("POST", &stage.echo, &[SEALED, object], body).await?;
    assert_eq!(answer.status(), 200);
    assert_eq!(answer.headers()["content-type"], SEALED.1);
    let path = answer.headers()["notrace-receipt"].to_str()?;
    let proof = stage.link.ask_ok("GET", &format!("{path}?wait=true"), &[], Bytes::new()).await?;
    let credentials = &stage.node.credentials;
    let trust = Trust::new(&credentials.ledger_origin, [credentials.ledger_vkey.as_str()]);
    let trust = trust.map_err(|_| anyhow::anyhow!("no trust"))?;
    let verified = verify(std::str::from_utf8(&proof)?, &trust)?;
    ensure!(verified.receipt.passage == Passage::Sealed, "the receipt says it came plain");
    let request = Some(keys.commitment(&nonce));
    verified.expect(&Expected { request, ..Expected::default() })?;
    let another = Some(keys.commitment(&[0; 32]));
    ensure!(
        verified.expect(&Expected { request: another, ..Expected::default() }).is_err(),
        "any request's"
    );
    Ok(())
}

#[tokio::test]
async fn bytes_that_are_nothing_cost_nothing() -> Result<()> {
    use proptest::prelude::*;
    use proptest::strategy::ValueTree as _;
    use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};
    let mut stage = Stage::set().await?;
    let random = TestRng::deterministic_rng(RngAlgorithm::ChaCha);
    let mut runner = TestRunner::new_with_rng(Config::default(), random);
    let garbage = proptest::collection::vec(any::<u8>(), 0..400);
    let good = stage.sealed(&[7; 200])?.0;
    let edits = proptest::collection::vec((0..good.len(), any::<u8>()), 1..8);
    for _ in 0..200 {
        let bytes = garbage.new_tree(&mut runner).map_err(anyhow::Error::msg)?.current();
        let (status, code) = stage.send(bytes).await?;
        ensure!(matches!(status, 400 | 421) && code.starts_with("seal_"), "{status} {code}");
        let mut edited = stage.sealed(&[7; 200])?.0.to_vec();
        let before = edited.clone();
        for (at, byte) in edits.new_tree(&mut runner).map_err(anyhow::Error::msg)?.current() {
            edited[at] = byte;
        }
        let (status, code) = stage.send(edited.clone()).await?;
        let fits = edited == before || matches!(status, 400 | 421) && code.starts_with("seal_");
        ensure!(fits, "{status} {code}");
    }
    stage.still_serves().await
}
