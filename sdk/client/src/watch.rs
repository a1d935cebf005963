//! Watching a pool: a stream of changes that is taken up again, at whichever member answers, where
//! it broke off.
//!
//! A pool may be kept in several shards, and versions of different shards cannot be compared. Where
//! a watch is, is what the node says it is: a [`Mark`], which comes with the last change of each
//! version. The changes of a version are held back until all of them are there, so that a watch
//! which is taken up after a mark gives none of them twice.

use std::collections::VecDeque;
use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use notrace_policy_promise::name::PoolName;
use notrace_sdk_wire::path::WATCH;
use notrace_sdk_wire::watch::{EVENT, WatchEvent};
use notrace_sdk_wire::{Code, Version};
use reqwest::Response;
use tokio::time::timeout;

use crate::call::Call;
use crate::client::{Client, jittered};
use crate::error::Error;
use crate::limits::{
    BACKOFF_FIRST, BACKOFF_MAX, MARK_VERSIONS_MAX, RESUMES_MAX, VERSION_CHANGES_MAX,
    WATCH_SILENCE_MAX,
};
use crate::object::query;
use crate::sse::{Event, Parser};

/// Where a watch is: a version for each shard that keeps a part of the pool, spelt with commas in
/// between, as in `1:42` or `1:42,1:7`.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Mark(Box<str>);

/// A text that is no mark.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[error("where a watch begins is VIEW:SEQ, as in 1:42, or several of them with commas in between")]
pub struct NotAMark;

impl FromStr for Mark {
    type Err = NotAMark;

    fn from_str(text: &str) -> Result<Self, NotAMark> {
        let versions = text.split(',');
        let fits = versions.clone().count() <= MARK_VERSIONS_MAX
            && versions.into_iter().all(|version| version.parse::<Version>().is_ok());
        if fits { Ok(Self(text.into())) } else { Err(NotAMark) }
    }
}

impl fmt::Display for Mark {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl From<Version> for Mark {
    fn from(version: Version) -> Self {
        Self(version.to_string().into())
    }
}

/// A watch on a pool. Each change comes once, those of one shard in its order.
pub struct Watch {
    client: Client,
    path: String,
    given: Option<Mark>,
    held: Held,
    stream: Option<Stream>,
    failures: u32,
    backoff: Duration,
}

/// What has arrived and was not given yet.
#[derive(Default)]
struct Held {
    /// Changes of a version of which more may come.
    part: Vec<WatchEvent>,
    /// Changes of whole versions, and where the watch is after them.
    ready: VecDeque<(Option<WatchEvent>, Option<Mark>)>,
    /// Where the watch is after all that is ready.
    mark: Option<Mark>,
}

struct Stream {
    response: Response,
    parser: Parser,
}

impl Client {
    /// Watches the keys of `pool` that start with `prefix`, from what comes after `from` on, or
    /// from now on.
    /// # Errors  `pool_unknown`; [`Error::HistoryTrimmed`] if `from` is no longer kept.
    pub async fn watch(
        &self,
        pool: &PoolName,
        prefix: Option<&str>,
        from: Option<Mark>,
    ) -> Result<Watch, Error> {
        let begin = from.as_ref().map(Mark::to_string);
        let query = query(&[("prefix", prefix), ("from", begin.as_deref())]);
        let mut watch = Watch {
            client: self.clone(),
            path: format!("{WATCH}/{pool}{query}"),
            given: from,
            held: Held::default(),
            stream: None,
            failures: 0,
            backoff: BACKOFF_FIRST,
        };
        watch.stream = Some(watch.open().await?);
        Ok(watch)
    }
}

impl Watch {
    /// The next change. Waits for it as long as it takes.
    /// # Errors  [`Error::HistoryTrimmed`] if the stream broke off for too long; [`Error::CutOff`]
    /// if it could not be taken up again.
    /// # Cancel  Loses nothing: the change is given by the next call.
    pub async fn next(&mut self) -> Result<WatchEvent, Error> {
        loop {
            while let Some((event, mark)) = self.held.ready.pop_front() {
                self.given = mark.or(self.given.take());
                if let Some(event) = event {
                    return Ok(event);
                }
            }
            let Some(stream) = &mut self.stream else {
                self.resume().await?;
                continue;
            };
            match timeout(WATCH_SILENCE_MAX, stream.response.chunk()).await {
                Ok(Ok(Some(bytes))) => {
                    if stream.take(&bytes, &mut self.held)? {
                        self.failures = 0;
                        self.backoff = BACKOFF_FIRST;
                    }
                }
                Ok(Ok(None) | Err(_)) | Err(_) => {
                    // What is not whole comes again.
                    self.held.part.clear();
                    self.stream = None;
                }
            }
        }
    }

    /// What another watch begins after to go on where this one is. After a change of a version with
    /// several changes, that is where it was before the version, until the last of them was given.
    pub fn mark(&self) -> Option<&Mark> {
        self.given.as_ref()
    }

    async fn resume(&mut self) -> Result<(), Error> {
        if self.failures >= RESUMES_MAX {
            return Err(Error::CutOff);
        }
        // The first time at once, or nearly: others lost the same member, and all should not come
        // to the next one together.
        tokio::time::sleep(jittered(self.backoff)).await;
        self.backoff = (self.backoff * 2).min(BACKOFF_MAX);
        self.failures += 1;
        match self.open().await {
            Ok(stream) => self.stream = Some(stream),
            Err(Error::Unreachable | Error::CutOff | Error::TimedOut) => {}
            Err(error) if may_pass(error.code()) => {}
            Err(error) => return Err(error),
        }
        Ok(())
    }

    async fn open(&self) -> Result<Stream, Error> {
        let mut call = Call::get(self.path.clone()).with("Accept", "text/event-stream")?;
        if let Some(mark) = &self.held.mark {
            call = call.with("Last-Event-ID", &mark.to_string())?;
        }
        let reply = self.client.send(&call).await?;
        self.client.learn_soon_for_long(&reply.member);
        Ok(Stream { response: reply.response, parser: Parser::default() })
    }
}

/// Whether a watch that was refused so may be taken up a little later.
fn may_pass(code: Option<Code>) -> bool {
    let passing = [Code::Busy, Code::Unavailable, Code::Stopping, Code::NoMajority];
    code.is_some_and(|code| passing.contains(&code))
}

impl Stream {
    /// Takes in what arrived. Says whether the watch got further by it.
    fn take(&mut self, bytes: &[u8], held: &mut Held) -> Result<bool, Error> {
        let mut events: Vec<Event> = Vec::new();
        self.parser.feed(bytes, |event| events.push(event))?;
        let mut further = false;
        for event in events {
            further |= held.take(event)?;
        }
        Ok(further)
    }
}

impl Held {
    fn take(&mut self, event: Event) -> Result<bool, Error> {
        if event.name == EVENT {
            let parsed = serde_json::from_str(&event.data);
            self.part.push(parsed.map_err(|_| Error::NotUnderstood("a change"))?);
        }
        let Some(id) = event.id else {
            let fits = self.part.len() < VERSION_CHANGES_MAX;
            return if fits { Ok(false) } else { Err(Error::NotUnderstood("a version")) };
        };
        let mark: Mark = id.parse().map_err(|_| Error::NotUnderstood("an event's id"))?;
        let before = self.mark.replace(mark.clone());
        let last = self.part.pop();
        let further = last.is_some() || before.as_ref() != Some(&mark);
        self.ready.extend(self.part.drain(..).map(|change| (Some(change), None)));
        self.ready.push_back((last, Some(mark)));
        Ok(further)
    }
}

#[cfg(test)]
mod a_mark {
    use super::*;

    #[test]
    fn is_a_version_for_each_shard() {
        for good in ["1:42", "1:42,1:7,2:0"] {
            assert_eq!(good.parse::<Mark>().unwrap().to_string(), good);
        }
        for bad in ["", "1", "1:2,", ",1:2", "1:2;1:3", &"1:2,".repeat(5000)] {
            assert_eq!(bad.parse::<Mark>(), Err(NotAMark), "{bad}");
        }
    }
}

#[cfg(test)]
mod what_has_arrived {
    use super::*;

    fn event(key: &str, id: Option<&str>) -> Event {
        let data = format!(
            "{{\"version\":\"1:2\",\"time\":\"2026-11-22T21:04:05Z\",\"key\":\"{key}\",\
             \"change\":\"put\",\"size_bytes\":1}}"
        );
        Event { name: EVENT.to_owned(), data, id: id.map(str::to_owned) }
    }

    #[test]
    fn is_given_a_whole_version_at_a_time() {
        let mut held = Held::default();
        assert!(!held.take(event("a", None)).unwrap());
        assert!(!held.take(event("b", None)).unwrap());
        assert!(held.ready.is_empty());
        assert!(held.take(event("c", Some("1:2"))).unwrap());
        let marks: Vec<_> = held.ready.iter().map(|(_, mark)| mark.is_some()).collect();
        assert_eq!(marks, [false, false, true]);
        assert!(held.part.is_empty());
    }

    #[test]
    fn may_say_where_the_watch_is_without_a_change() {
        let mut held = Held::default();
        let bare = Event { id: Some("1:9,1:1".to_owned()), ..Event::default() };
        assert!(held.take(bare.clone()).unwrap());
        assert!(!held.take(bare).unwrap(), "it is no further than before");
        assert_eq!(held.mark, "1:9,1:1".parse().ok());
        assert!(matches!(held.ready.pop_front(), Some((None, Some(_)))));
        let strange = Event { id: Some("x".to_owned()), ..Event::default() };
        assert!(held.take(strange).is_err());
    }
}
