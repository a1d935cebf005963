//! A client that lets the public log grow and keeps every head that a member shows it.

use std::time::Duration;

use anyhow::{Context as _, Result};
use bytes::Bytes;
use notrace_tests_rig::node::workspace;
use tokio::time::timeout;

use crate::chance::Chance;
use crate::checks::ledger::Log;
use crate::door::Door;
use crate::limits::{ATTEMPT_MAX, AUDIT_EVERY};
use crate::moment::{Clock, pause};

/// An auditor, and the logs it saw, by member.
pub struct Auditor {
    /// What each member showed.
    pub logs: Vec<Log>,
    /// Runs that were answered; each is a leaf.
    pub runs: u64,
    doors: Vec<Door>,
    chance: Chance,
    task: String,
}

impl Auditor {
    /// Makes the task known to every member; what it does does not matter, its receipts do.
    /// # Errors  A member does not take it.
    pub async fn new(doors: Vec<Door>, chance: Chance) -> Result<Self> {
        let wasm = std::fs::read(workspace().join("examples/echo/echo.wasm"))?;
        let mut task = String::new();
        for door in &doors {
            let headers = [("content-type", "application/wasm")];
            let body = Bytes::from(wasm.clone());
            let answer = door.open().await?.ask("PUT", "/v1/tasks", &headers, body).await?;
            let answer: serde_json::Value = serde_json::from_slice(&answer.body)?;
            let digest = answer.get("digest").and_then(|digest| digest.as_str());
            task = format!("/v1/tasks/{}/run", digest.context("an upload without a digest")?);
        }
        let logs = doors.iter().map(|_| Log::default()).collect();
        Ok(Self { logs, runs: 0, doors, chance, task })
    }

    /// Runs the task and looks at heads until `end`.
    pub async fn audit(mut self, clock: Clock, end: Duration) -> Self {
        while clock.elapsed() < end {
            let member = self.chance.below(self.doors.len() as u64) as usize;
            let Some(door) = self.doors.get(member) else { break };
            let ran = timeout(ATTEMPT_MAX, run(door, &self.task)).await;
            self.runs += u64::from(matches!(ran, Ok(Ok(200))));
            if let Some(log) = self.logs.get_mut(member) {
                // A member that is down shows nothing; what it shows is judged in the end.
                let _ = timeout(ATTEMPT_MAX, log.look(door)).await;
            }
            pause(AUDIT_EVERY).await;
        }
        self
    }

    /// Looks at every member once more, and at all of its log.
    /// # Errors  A member does not answer, or its log is not whole.
    pub async fn close(&mut self) -> Result<()> {
        for (log, door) in self.logs.iter_mut().zip(&self.doors) {
            log.look(door).await?;
            log.fetch(door).await?;
        }
        Ok(())
    }
}

async fn run(door: &Door, task: &str) -> Result<u16> {
    let answer = door.open().await?.ask("POST", task, &[], Bytes::from_static(b"once")).await?;
    Ok(answer.status)
}
