//! Feeds a node with modules, one after the other, and demands what must be the case after each.

use core::fmt;
use std::collections::BTreeMap;
use std::time::Duration;

use anyhow::{Context as _, Result, bail, ensure};
use bytes::Bytes;
use notrace_sdk_wire::Code;
use notrace_tests_rig::process::until;
use notrace_tests_rig::{Link, Node};
use serde_json::Value;

use crate::make::{Kind, Made};
use crate::standing::Standing;

/// How a module may be refused.
const REFUSED: [Code; 5] = [
    Code::ModuleMalformed,
    Code::ModuleTooLarge,
    Code::ModuleUncompilable,
    Code::EntryMissing,
    Code::ImportRefused,
];
/// How a run of one that was taken may end, besides with an answer.
const ENDED: [Code; 4] =
    [Code::TaskFailed, Code::TaskTrapped, Code::TaskExhausted, Code::TaskKilled];
/// What a run may take, milliseconds.
const RUN_MS: &str = "250";
/// Longer than a compiler may take.
const COMPILED_WITHIN: Duration = Duration::from_secs(120);
/// How long what a module left may take to be gone.
const GONE_WITHIN: Duration = Duration::from_secs(20);
/// How often a node that is busy is asked again.
const TRIES: usize = 600;

/// What became of a module, as far as it may.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Became {
    /// It was refused.
    Refused(Code),
    /// It was taken, and its run ended so.
    Ended(Code),
    /// It was taken, and its run answered.
    Answered,
}

impl fmt::Display for Became {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Became::Refused(code) => write!(f, "refused: {}", code.as_str()),
            Became::Ended(code) => write!(f, "run: {}", code.as_str()),
            Became::Answered => f.write_str("run: answered"),
        }
    }
}

/// A node, and what was fed to it.
pub struct Feeder {
    node: Node,
    link: Link,
    echo: String,
    before: Standing,
    /// How many modules of each kind became what.
    pub tally: BTreeMap<(Kind, Became), u64>,
}

impl Feeder {
    /// A new node, which has run an honest task.
    ///
    /// # Errors  It does not start.
    pub async fn begin() -> Result<Self> {
        let node = Node::start().await?;
        let (link, echo) = (node.link().await?, node.echo().await?);
        let before = Standing::of(&node)?;
        Ok(Self { node, link, echo, before, tally: BTreeMap::new() })
    }

    /// The node.
    pub fn node(&self) -> &Node {
        &self.node
    }

    /// The path under which the honest task runs.
    pub fn echo(&self) -> &str {
        &self.echo
    }

    /// Feeds one module: uploads it, runs it if it is taken, and removes it.
    ///
    /// # Errors  What it was answered is nothing that a module may be answered.
    pub async fn feed(&mut self, made: &Made) -> Result<Became> {
        let became = self.fed(made).await?;
        *self.tally.entry((made.kind, became)).or_default() += 1;
        Ok(became)
    }

    async fn fed(&mut self, made: &Made) -> Result<Became> {
        let wasm = [("content-type", "application/wasm")];
        let (status, mut about) = self.ask("PUT", "/v1/tasks", &wasm, &made.bytes).await?;
        if status >= 300 {
            return refused(&about);
        }
        let digest = about.get("digest").and_then(Value::as_str).context("a digest")?.to_owned();
        let task = format!("/v1/tasks/{digest}");
        if status == 202 {
            let settled = tokio::time::timeout(COMPILED_WITHIN, self.compiled(&task)).await;
            about = settled.context("a module is compiled for ever")??;
        }
        let became = match about.get("problem") {
            Some(_) => refused(&about)?,
            None => self.ran(&task).await?,
        };
        let (status, about) = self.ask("DELETE", &task, &[], b"").await?;
        // One that could not be compiled is gone by itself.
        ensure!(status == 204 || code(&about) == Some(Code::TaskUnknown), "removed: {about}");
        Ok(became)
    }

    /// Waits until a module is compiled; what is known of it then, with a `problem` if it was not.
    async fn compiled(&mut self, task: &str) -> Result<Value> {
        let body = self.link.ask_ok("GET", &format!("{task}/events"), &[], Bytes::new()).await?;
        let text = String::from_utf8_lossy(&body).into_owned();
        let last = text.lines().rev().find_map(|line| line.strip_prefix("data:"));
        Ok(serde_json::from_str(last.context("no event")?.trim())?)
    }

    async fn ran(&mut self, task: &str) -> Result<Became> {
        let headers = [("notrace-timeout-ms", RUN_MS)];
        let path = format!("{task}/run");
        let (status, about) = self.ask("POST", &path, &headers, &[b'x'; 1024]).await?;
        match code(&about) {
            _ if status == 200 => Ok(Became::Answered),
            Some(code) if ENDED.contains(&code) => Ok(Became::Ended(code)),
            _ => bail!("a run was answered {status}: {about}"),
        }
    }

    /// Asks, and again while the node is busy.
    async fn ask(
        &mut self,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: &[u8],
    ) -> Result<(u16, Value)> {
        for _ in 0..TRIES {
            let body = Bytes::copy_from_slice(body);
            let answer = self.link.ask(method, path, headers, body).await;
            let answer = answer.context("the node hung up")?;
            let about = serde_json::from_slice(answer.body()).unwrap_or(Value::Null);
            if code(&about) != Some(Code::Busy) {
                return Ok((answer.status().as_u16(), about));
            }
        }
        bail!("the node stays busy")
    }

    /// Whether the node is as it was: alive, honest work is done, nothing stays.
    ///
    /// # Errors  It is not.
    pub async fn is_unharmed(&mut self) -> Result<()> {
        ensure!(self.node.process.is_alive(), "the node ended");
        let said = Bytes::from_static(b"an honest question");
        let path = self.echo.clone();
        let answer = self.link.ask_ok("POST", &path, &[], said.clone()).await?;
        ensure!(answer == said, "the honest task was answered otherwise");
        let (node, before) = (&self.node, &self.before);
        let as_before = || Standing::of(node).and_then(|now| now.is_as(before));
        let settled = until(GONE_WITHIN, || as_before().ok()).await;
        settled.or_else(|_| as_before())
    }
}

fn refused(about: &Value) -> Result<Became> {
    match code(about) {
        Some(code) if REFUSED.contains(&code) => Ok(Became::Refused(code)),
        _ => bail!("an upload was answered {about}"),
    }
}

/// The code of a problem, or of that in what is known of a task.
fn code(about: &Value) -> Option<Code> {
    let about = about.get("problem").unwrap_or(about);
    let kind = about.get("type").and_then(Value::as_str)?;
    kind.strip_prefix("urn:notrace:error:")?.parse().ok()
}
