//! One run, as somebody outside sees it.

use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use hyper::Response;
use notrace_policy_promise::ledger::proof::{Proof, split_extra};
use notrace_policy_promise::receipt::{Commitment, Ended, Receipt, Span};
use notrace_policy_promise::release::{Sizes, Times};
use notrace_sdk_seal::{RunKeys, Told};
use notrace_tests_rig::sealed::SEALED;

use crate::secrets::Secret;
use crate::stage::{Policy, Stage, object};
use crate::wire::Wire;

/// What is told apart where answers leave at once: less than this, or more.
const SOON: Duration = Duration::from_millis(150);

/// Everything of one run that can be recorded.
pub struct Transcript {
    /// By name, in the order of the table.
    pub seen: Vec<(&'static str, String)>,
    /// How it ended, as only the client can know.
    pub ended: Ended,
    /// From request to answer.
    pub took: Duration,
}

/// Asks for one run, and records all of it.
///
/// # Errors  It was not answered as runs are.
pub async fn record(
    stage: &Stage,
    policy: Policy,
    secret: Secret,
    timeout: Duration,
) -> Result<Transcript> {
    let wire = Wire::to(stage.authority()?).await?;
    let mut link = stage.link_by(&wire.authority).await?;
    // Whatever a new connection has to say is said before.
    link.ask_ok("GET", "/v1/health", &[], Bytes::new()).await?;
    let (name, task) = (object(policy)?, stage.task);
    let sizes = match policy.release.sizes {
        Sizes::Exact => Sizes::Exact,
        _ => Sizes::Powers,
    };
    let sealer = stage.sealer.clone().sizes(sizes);
    let (body, keys) = sealer.seal(task, std::slice::from_ref(&name), &[], &secret.input())?;
    let (name, timeout) = (name.to_string(), timeout.as_millis().to_string());
    let headers = [SEALED, ("notrace-object", &name), ("notrace-timeout-ms", &timeout)];
    let path = format!("/v1/tasks/{task}/run");
    let mark = wire.mark();
    let answer = link.ask("POST", &path, &headers, body).await?;
    let passed = wire.since(mark)?;
    let ended = ended(&keys, &answer)?;
    let receipt = receipt(stage, &answer).await?;
    let class = class(policy.release.times, passed.answered_after);
    let seen = vec![
        ("request", format!("{:?}", passed.sent)),
        ("answer", format!("{:?}", passed.received)),
        ("head", head(&answer)),
        ("body", format!("{} {:?}", answer.body().len(), answer.body().first())),
        ("time", class),
        ("receipt", format!("{receipt:?}")),
    ];
    Ok(Transcript { seen, ended, took: passed.answered_after })
}

/// When it came, as finely as the policy means it.
fn class(times: Times, took: Duration) -> String {
    match times {
        Times::AtOnce if took < SOON => "soon".to_owned(),
        Times::AtOnce => "late".to_owned(),
        Times::Deadline => format!("{} s", took.as_secs()),
        _ => {
            let quantum = times.leaves(Duration::ZERO, Duration::ZERO);
            format!("quantum {}", (took.as_secs_f64() / quantum.as_secs_f64()).round())
        }
    }
}

/// Status and headers, but for the time and the receipt's number.
fn head(answer: &Response<Bytes>) -> String {
    let mut head = answer.status().to_string();
    for (name, value) in answer.headers() {
        let value = match name.as_str() {
            "date" | "notrace-receipt" => format!("{} bytes", value.len()),
            _ => String::from_utf8_lossy(value.as_bytes()).into_owned(),
        };
        head += &format!("; {name}: {value}");
    }
    head
}

/// What the client comes to know, and nobody else where failures are alike.
fn ended(keys: &RunKeys, answer: &Response<Bytes>) -> Result<Ended> {
    if answer.status().is_success() {
        return Ok(match keys.open_answer(answer.body().to_vec())? {
            Told::Answer(_) => Ended::Answered,
            Told::Failure(failure) => failure.ended,
        });
    }
    let problem: serde_json::Value = serde_json::from_slice(answer.body())?;
    match problem.get("sealed").and_then(|sealed| sealed.as_str()) {
        Some(sealed) => Ok(keys.open_failure(STANDARD.decode(sealed)?)?.ended),
        None => {
            let kind = problem.get("type").and_then(|kind| kind.as_str()).unwrap_or_default();
            ensure!(kind.contains(":task_"), "it was refused: {problem}");
            Ok(match problem.get("exhausted").and_then(|what| what.as_str()) {
                Some("fuel") => Ended::FuelExhausted,
                Some("time") => Ended::TimeExhausted,
                Some("memory") => Ended::MemoryExhausted,
                Some(_) => Ended::OutputExhausted,
                None => Ended::Killed,
            })
        }
    }
}

/// The receipt without what is drawn anew for each run, or counts them.
async fn receipt(stage: &Stage, answer: &Response<Bytes>) -> Result<Receipt> {
    let path = answer.headers().get("notrace-receipt").context("no receipt")?.to_str()?;
    let mut link = stage.node.link().await?;
    let proof = link.ask_ok("GET", &format!("{path}?wait=true"), &[], Bytes::new()).await?;
    let proof = Proof::parse(core::str::from_utf8(&proof)?)?;
    let extra = proof.extra.context("a proof without its receipt")?;
    let (_, receipt) = split_extra(&extra).context("a proof without its receipt")?;
    let receipt = Receipt::decode(receipt)?;
    let span = Span::between(0, 0);
    Ok(Receipt { slot: 0, cut: 0, request: Commitment([0; 32]), span, ..receipt })
}
