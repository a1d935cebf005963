//! A client that stores objects and has them shredded, and looks whether they are ever seen again.

use std::time::Duration;

use anyhow::{Context as _, Result};
use bytes::Bytes;
use tokio::time::timeout;

use crate::chance::Chance;
use crate::door::{Answer, Door};
use crate::history::Value;
use crate::limits::{ATTEMPT_MAX, AUDIT_EVERY};
use crate::moment::{Clock, pause};

/// The pool whose objects are shredded, and when a put to it is acknowledged.
pub const POOL: (&str, &str) = ("gone", "all_durable");

/// A shredder.
pub struct Shredder {
    /// Objects whose shredding was acknowledged, by number.
    pub shredded: Vec<u64>,
    /// Shreddings that were not answered as one is.
    pub failures: u64,
    /// What a member gave away of an object that was shredded before it was asked.
    pub seen_again: Vec<String>,
    doors: Vec<Door>,
    chance: Chance,
}

impl Shredder {
    /// A shredder that draws what it does from `chance`.
    #[must_use]
    pub fn new(doors: Vec<Door>, chance: Chance) -> Self {
        Self { shredded: Vec::new(), failures: 0, seen_again: Vec::new(), doors, chance }
    }

    /// Stores and shreds until `end`.
    pub async fn shred(mut self, clock: Clock, end: Duration) -> Self {
        for number in 0.. {
            if clock.elapsed() > end {
                break;
            }
            let value = Value { number, size_bytes: 64 };
            let stored = self.ask("PUT", path(number), value.bytes()).await;
            if stored.is_ok_and(|answer| answer.status == 201) {
                let shred = format!("{}?shred=true", path(number));
                match self.ask("DELETE", shred, Bytes::new()).await {
                    Ok(answer) if answer.status == 200 => self.shredded.push(number),
                    // It may have happened; nothing was promised.
                    Ok(_) | Err(_) => self.failures += 1,
                }
            }
            if let Some(number) = self.chance.one_of(&self.shredded).copied()
                && let Some(door) = self.chance.one_of(&self.doors)
                // Who does not answer gives nothing away.
                && let Ok(answer) = ask(door, "GET", &path(number), Bytes::new()).await
                && is_seen(&answer)
            {
                let text = format!("object {number}, shredded, was answered {}", answer.status);
                self.seen_again.push(text);
            }
            pause(AUDIT_EVERY / 2).await;
        }
        self
    }

    async fn ask(&mut self, method: &str, path: String, body: Bytes) -> Result<Answer> {
        let door = self.chance.one_of(&self.doors).context("no member")?;
        ask(door, method, &path, body).await
    }

    /// Asks every member for everything that was shredded, and for its history.
    /// # Errors  A member does not answer.
    pub async fn look_again(&mut self) -> Result<()> {
        for (member, door) in self.doors.iter().enumerate() {
            let mut line = door.open().await?;
            for number in &self.shredded {
                let answer = line.ask("GET", &path(*number), &[], Bytes::new()).await?;
                let history = format!("{}?history", path(*number));
                let history = line.ask("GET", &history, &[], Bytes::new()).await?;
                let readable = b"\"readable\":true";
                let is_readable = history.body.windows(readable.len()).any(|part| part == readable);
                if is_seen(&answer) || is_readable {
                    let status = answer.status;
                    let text = format!("object {number}, shredded: member {member} says {status}");
                    self.seen_again.push(text);
                }
            }
        }
        Ok(())
    }
}

fn path(number: u64) -> String {
    format!("/v1/objects/{}/s{number:05}", POOL.0)
}

/// Whether an answer gives away what is gone. A member in trouble may refuse to answer.
fn is_seen(answer: &Answer) -> bool {
    !matches!(answer.status, 404 | 410 | 408 | 429 | 503 | 507)
}

async fn ask(door: &Door, method: &str, path: &str, body: Bytes) -> Result<Answer> {
    let asked = async { door.open().await?.ask(method, path, &[], body).await };
    timeout(ATTEMPT_MAX, asked).await.context("no answer in time")?
}
