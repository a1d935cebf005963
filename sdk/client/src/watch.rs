//! Watching a pool: a stream of changes that takes itself up again where it broke off.

use std::collections::VecDeque;
use std::time::Duration;

use notrace_policy_promise::name::PoolName;
use notrace_sdk_wire::path::WATCH;
use notrace_sdk_wire::watch::{EVENT, WatchEvent};
use notrace_sdk_wire::{Code, Version};
use reqwest::Response;

use crate::call::{Call, Client};
use crate::error::Error;
use crate::limits::{BACKOFF_FIRST, BACKOFF_MAX, RESUMES_MAX, SILENCE_MAX};
use crate::object::query;
use crate::sse::{Event, Parser};

/// A watch on a pool. Changes come at least once each, in the shard's order.
pub struct Watch {
    client: Client,
    path: String,
    last: Option<Version>,
    stream: Option<Stream>,
    ready: VecDeque<WatchEvent>,
    failures: u32,
    backoff: Duration,
}

struct Stream {
    response: Response,
    parser: Parser,
}

impl Client {
    /// Watches the keys of `pool` that start with `prefix`, from the version after `from` on, or
    /// from now on.
    /// # Errors  `pool_unknown`; `history_trimmed` if `from` is no longer kept.
    pub async fn watch(
        &self,
        pool: &PoolName,
        prefix: Option<&str>,
        from: Option<Version>,
    ) -> Result<Watch, Error> {
        let from = from.map(|version| version.to_string());
        let query = query(&[("prefix", prefix), ("from", from.as_deref())]);
        let mut watch = Watch {
            client: self.clone(),
            path: format!("{WATCH}/{pool}{query}"),
            last: None,
            stream: None,
            ready: VecDeque::new(),
            failures: 0,
            backoff: BACKOFF_FIRST,
        };
        watch.stream = Some(watch.open().await?);
        Ok(watch)
    }
}

impl Watch {
    /// The next change. Waits for it as long as it takes.
    /// # Errors  `history_trimmed` if the stream broke off for too long; [`Error::CutOff`] if it
    /// could not be taken up again.
    /// # Cancel  Loses nothing: the change is given by the next call.
    pub async fn next(&mut self) -> Result<WatchEvent, Error> {
        loop {
            if let Some(event) = self.ready.pop_front() {
                self.last = Some(event.version);
                return Ok(event);
            }
            if self.stream.is_none() {
                self.resume().await?;
            }
            let Some(stream) = &mut self.stream else { continue };
            match tokio::time::timeout(SILENCE_MAX, stream.response.chunk()).await {
                Ok(Ok(Some(bytes))) => {
                    self.failures = 0;
                    self.backoff = BACKOFF_FIRST;
                    take(stream, &bytes, &mut self.ready)?;
                }
                Ok(Ok(None) | Err(_)) | Err(_) => self.stream = None,
            }
        }
    }

    async fn resume(&mut self) -> Result<(), Error> {
        if self.failures >= RESUMES_MAX {
            return Err(Error::CutOff);
        }
        self.failures += 1;
        tokio::time::sleep(self.backoff).await;
        self.backoff = (self.backoff * 2).min(BACKOFF_MAX);
        match self.open().await {
            Ok(stream) => self.stream = Some(stream),
            Err(Error::Unreachable | Error::CutOff | Error::TimedOut) => {}
            Err(error) if matches!(error.code(), Some(Code::Busy | Code::Unavailable)) => {}
            Err(error) => return Err(error),
        }
        Ok(())
    }

    async fn open(&self) -> Result<Stream, Error> {
        let mut call = Call::get(self.path.clone()).with("Accept", "text/event-stream")?;
        if let Some(last) = self.last {
            call = call.with("Last-Event-ID", &last.to_string())?;
        }
        let response = self.client.send(&call).await?;
        Ok(Stream { response, parser: Parser::default() })
    }
}

fn take(stream: &mut Stream, bytes: &[u8], ready: &mut VecDeque<WatchEvent>) -> Result<(), Error> {
    let mut events: Vec<Event> = Vec::new();
    stream.parser.feed(bytes, |event| events.push(event))?;
    for event in events.iter().filter(|event| event.name == EVENT) {
        let parsed = serde_json::from_str(&event.data);
        ready.push_back(parsed.map_err(|_| Error::NotUnderstood("a change"))?);
    }
    Ok(())
}
