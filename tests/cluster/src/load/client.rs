//! A client: one call at a time, over one connection, to whichever member answers.
//!
//! A change that was not answered is sent again under the same `Idempotency-Key`, elsewhere, until
//! it is answered or time is up. A read that was not answered is forgotten and begun anew.

use std::collections::BTreeMap;
use std::time::Duration;

use anyhow::Result;
use bytes::Bytes;
use notrace_sdk_wire::header::IDEMPOTENCY_KEY;
use notrace_sdk_wire::{Code, Problem, Version};
use tokio::time::timeout;

use crate::chance::Chance;
use crate::door::{Answer, Door, Line};
use crate::history::{Answered, Call, Key, Op, POOLS, Ret, Value};
use crate::limits::{ATTEMPT_MAX, CHANGES_MAX, KEYS, RETRY_MAX, THINK_MAX, VALUE_BYTES_MAX};
use crate::moment::{Clock, pause};

/// A client.
pub struct Client {
    number: usize,
    doors: Vec<Door>,
    chance: Chance,
    clock: Clock,
    line: Option<Line>,
    /// The newest value it knows of each key, with its version.
    known: BTreeMap<Key, (Version, Value)>,
    written: u64,
    /// How many changes it asked of each key.
    changes: BTreeMap<Key, u32>,
    seen: Seen,
}

/// What a client saw.
#[derive(Default, Debug)]
pub struct Seen {
    /// Its calls, in order.
    pub calls: Vec<Call>,
    /// Answers that no member should give.
    pub oddities: Vec<String>,
    /// Attempts that came to nothing.
    pub failures: u64,
}

/// What one attempt came to.
enum Attempt {
    Answered(Ret, Option<Version>),
    Odd(String),
    Failed,
}

impl Client {
    /// A client that draws what it does from `chance`.
    #[must_use]
    pub fn new(number: usize, doors: Vec<Door>, chance: Chance, clock: Clock) -> Self {
        let (known, changes, seen) = (BTreeMap::new(), BTreeMap::new(), Seen::default());
        Self { number, doors, chance, clock, line: None, known, written: 0, changes, seen }
    }

    /// Calls until `end`, and tries to get the last answer until `last`.
    pub async fn drive(mut self, end: Duration, last: Duration) -> Seen {
        while self.clock.elapsed() < end {
            let key = self.key();
            let op = self.op(key);
            self.call(key, op, end, last).await;
            let think = self.chance.below(THINK_MAX.as_micros() as u64);
            pause(Duration::from_micros(think)).await;
        }
        self.seen
    }

    /// Low numbers more often than high ones, so that some keys are fought over.
    fn key(&mut self) -> Key {
        let pool = self.chance.below(POOLS.len() as u64) as u8;
        let below = self.chance.within(1, u64::from(KEYS));
        Key { pool, number: self.chance.below(below) as u8 }
    }

    fn op(&mut self, key: Key) -> Op {
        let known = self.known.get(&key).map(|(_, value)| *value);
        let changes = self.changes.entry(key).or_default();
        if self.chance.percent(42) || *changes >= CHANGES_MAX {
            return Op::Get;
        }
        *changes += 1;
        match (self.chance.below(100), known) {
            (0..46, _) => Op::Put(self.value()),
            (46..74, Some(known)) => Op::PutIf(known, self.value()),
            (74..86, _) | (46..74, None) => Op::PutIfAbsent(self.value()),
            _ => Op::Delete,
        }
    }

    fn value(&mut self) -> Value {
        self.written += 1;
        let number = (self.number as u64 + 1) << 32 | self.written;
        let most = if self.chance.percent(90) { 300 } else { VALUE_BYTES_MAX };
        Value { number, size_bytes: self.chance.within(8, most) }
    }

    async fn call(&mut self, key: Key, op: Op, end: Duration, last: Duration) {
        let mut begun = self.clock.nanos();
        let idempotency = format!("chaos-{}-{}", self.number, self.seen.calls.len());
        // Whom a condition names is settled now: attempts are to be the same request.
        let expected = self.known.get(&key).map(|(version, _)| version.to_etag());
        let mut answered = None;
        loop {
            match self.attempt(key, op, &idempotency, expected.as_deref()).await {
                Attempt::Answered(ret, version) => {
                    let at = self.clock.nanos();
                    answered = Some(Answered { at, ret, version });
                    break;
                }
                Attempt::Odd(what) => {
                    self.seen.oddities.push(format!("{op:?} of {key} was answered {what}"));
                    break;
                }
                Attempt::Failed => self.seen.failures += 1,
            }
            self.line = None;
            let over = if op == Op::Get { end } else { last };
            if self.clock.elapsed() > over {
                break;
            }
            let wait = self.chance.below(RETRY_MAX.as_micros() as u64);
            pause(Duration::from_micros(wait)).await;
            if op == Op::Get {
                begun = self.clock.nanos();
            }
        }
        self.learn(key, op, answered);
        self.seen.calls.push(Call { client: self.number, key, op, begun, answered });
    }

    /// Remembers which value stands at which version, for conditions to come.
    fn learn(&mut self, key: Key, op: Op, answered: Option<Answered>) {
        let Some(Answered { ret, version, .. }) = answered else { return };
        let value = match ret {
            Ret::Value(value) => value,
            Ret::Done => op.stores(),
            Ret::Mismatch | Ret::Absent => None,
        };
        match (version, value) {
            (Some(version), Some(value)) => self.known.insert(key, (version, value)),
            _ => self.known.remove(&key),
        };
    }

    async fn attempt(
        &mut self,
        key: Key,
        op: Op,
        idempotency: &str,
        expected: Option<&str>,
    ) -> Attempt {
        let asked = timeout(ATTEMPT_MAX, self.ask(key, op, idempotency, expected)).await;
        match asked {
            Ok(Ok(answer)) => understand(op, &answer),
            Ok(Err(_)) | Err(_) => Attempt::Failed,
        }
    }

    async fn ask(
        &mut self,
        key: Key,
        op: Op,
        idempotency: &str,
        expected: Option<&str>,
    ) -> Result<Answer> {
        let mut line = match self.line.take() {
            Some(line) => line,
            None => {
                let door = self.chance.one_of(&self.doors);
                door.ok_or_else(|| anyhow::anyhow!("no member"))?.open().await?
            }
        };
        let mut headers = vec![(IDEMPOTENCY_KEY, idempotency)];
        let (method, value) = match op {
            Op::Get => ("GET", None),
            Op::Delete => ("DELETE", None),
            Op::Put(value) | Op::PutIf(_, value) | Op::PutIfAbsent(value) => ("PUT", Some(value)),
        };
        match op {
            Op::Get => headers.clear(),
            Op::PutIf(..) => headers.extend(expected.map(|version| ("if-match", version))),
            Op::PutIfAbsent(_) => headers.push(("if-none-match", "*")),
            Op::Put(_) | Op::Delete => {}
        }
        let body = value.map_or(Bytes::new(), |value| value.bytes());
        let answer = line.ask(method, &key.path(), &headers, body).await?;
        // Only a connection that answered is used again; now and then another member's turn comes.
        if !self.chance.percent(4) {
            self.line = Some(line);
        }
        Ok(answer)
    }
}

/// What an answer means for this call.
fn understand(op: Op, answer: &Answer) -> Attempt {
    let answered = |ret| Attempt::Answered(ret, answer.version);
    let problem = serde_json::from_slice::<Problem>(&answer.body).ok();
    match (op, answer.status, problem.map(|problem| problem.code)) {
        (Op::Get, 200, _) => match Value::of(&answer.body) {
            Some(value) => answered(Ret::Value(Some(value))),
            None => Attempt::Odd(format!("{} bytes that nobody wrote", answer.body.len())),
        },
        (Op::Get, 404, Some(Code::ObjectUnknown)) => answered(Ret::Value(None)),
        (Op::Delete, 404, Some(Code::ObjectUnknown)) => answered(Ret::Absent),
        (Op::Delete, 204, _) => answered(Ret::Done),
        (Op::Put(_) | Op::PutIf(..) | Op::PutIfAbsent(_), 200 | 201, _) => answered(Ret::Done),
        (Op::PutIf(..) | Op::PutIfAbsent(_), 412, Some(Code::VersionMismatch)) => {
            answered(Ret::Mismatch)
        }
        (_, 408 | 429 | 503 | 507, _) => Attempt::Failed,
        (_, status, code) => Attempt::Odd(format!("{status} {code:?}")),
    }
}

#[cfg(test)]
mod an_answer {
    use super::*;

    fn means(op: Op, status: u16, body: &[u8]) -> Attempt {
        understand(op, &Answer { status, version: None, body: Bytes::copy_from_slice(body) })
    }

    #[test]
    fn of_a_read_is_a_value_that_somebody_wrote() {
        let value = Value { number: 7, size_bytes: 40 };
        let read = means(Op::Get, 200, &value.bytes());
        assert!(matches!(read, Attempt::Answered(Ret::Value(Some(read)), None) if read == value));
        assert!(matches!(means(Op::Get, 200, b"something else"), Attempt::Odd(_)));
        assert!(matches!(means(Op::Get, 404, b""), Attempt::Odd(_)));
    }

    #[test]
    fn that_tells_of_trouble_is_no_answer() {
        for status in [429, 503, 507] {
            assert!(matches!(means(Op::Delete, status, b""), Attempt::Failed));
        }
        assert!(matches!(means(Op::Delete, 500, b""), Attempt::Odd(_)));
        assert!(matches!(
            means(Op::Put(Value { number: 1, size_bytes: 8 }), 412, b""),
            Attempt::Odd(_)
        ));
    }
}
