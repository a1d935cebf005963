//! A reply whose body is data.

use std::io::Write;

use bytes::Bytes;
use notrace_sdk_wire::{Version, header};
use reqwest::header::{CONTENT_LENGTH, CONTENT_RANGE, ETAG, RANGE};
use reqwest::{Response, StatusCode};
use tokio::time::timeout;

use crate::call::{Call, transport_error};
use crate::client::Client;
use crate::error::Error;
use crate::limits::{RESUMES_MAX, SILENCE_MAX};

/// A reply whose body is data, not yet read.
pub struct Download {
    from: From,
    head: Head,
    /// Whom to ask for the rest, and under which path, if the connection breaks.
    rest: Option<(Client, String)>,
    read: u64,
    resumes: u32,
}

/// Where the pieces come from.
enum From {
    /// A reply that still arrives.
    Reply(Response),
    /// What was opened, until it is taken.
    Opened(Bytes),
}

/// What a reply's headers say of the value.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Head {
    /// The version, if the value is an object's.
    pub version: Option<Version>,
    /// The hybrid logical time of that version, as the node spells it.
    pub time: Option<String>,
    /// The size of the whole body, if the node says it.
    pub size_bytes: Option<u64>,
}

impl Download {
    pub(crate) fn new(response: Response) -> Self {
        let head = head(&response);
        Self { from: From::Reply(response), head, rest: None, read: 0, resumes: 0 }
    }

    /// What was sealed and is opened already.
    pub(crate) fn opened(opened: Vec<u8>) -> Self {
        let head = Head { version: None, time: None, size_bytes: Some(opened.len() as u64) };
        Self { from: From::Opened(opened.into()), head, rest: None, read: 0, resumes: 0 }
    }

    /// The same, of which the rest can be asked for at this path.
    pub(crate) fn resumed_with(self, rest: Option<(Client, String)>) -> Self {
        Self { rest, ..self }
    }

    /// What the headers said.
    pub fn head(&self) -> &Head {
        &self.head
    }

    /// The next piece, or `None` at the end. Where the connection breaks, the rest of the same
    /// version is read from whoever answers.
    /// # Errors  The connection ended early: [`Error::CutOff`], [`Error::TimedOut`].
    /// # Cancel  Ends the download.
    pub async fn chunk(&mut self) -> Result<Option<Bytes>, Error> {
        loop {
            let response = match &mut self.from {
                From::Reply(response) => response,
                From::Opened(opened) => {
                    let all = std::mem::take(opened);
                    return Ok(Some(all).filter(|all| !all.is_empty()));
                }
            };
            let chunk = timeout(SILENCE_MAX, response.chunk()).await;
            let broken = match chunk {
                Ok(Ok(chunk)) => {
                    self.read += chunk.as_ref().map_or(0, |chunk| chunk.len() as u64);
                    return Ok(chunk);
                }
                Ok(Err(error)) => transport_error(&error),
                Err(_) => Error::TimedOut,
            };
            if self.resumes >= RESUMES_MAX || !self.resume().await? {
                return Err(broken);
            }
            self.resumes += 1;
        }
    }

    /// Asks for what was not read yet. Says whether it comes.
    async fn resume(&mut self) -> Result<bool, Error> {
        let Some((client, path)) = &self.rest else { return Ok(false) };
        let range = format!("bytes={}-", self.read);
        let call = Call::get(path.clone());
        let call = if self.read > 0 { call.with(RANGE.as_str(), &range)? } else { call };
        let response = client.send(&call).await?.response;
        let wanted = match self.read {
            0 => StatusCode::OK,
            _ => StatusCode::PARTIAL_CONTENT,
        };
        let begins = response.headers().get(CONTENT_RANGE).and_then(|value| value.to_str().ok());
        let begins = begins.and_then(|range| range.strip_prefix("bytes ")?.split('-').next());
        let fits = self.read == 0 || begins == Some(&self.read.to_string());
        if response.status() != wanted || head(&response).version != self.head.version || !fits {
            return Err(Error::NotUnderstood("another part than was asked for"));
        }
        self.from = From::Reply(response);
        Ok(true)
    }

    /// Everything, into `sink` piece by piece. Returns the number of bytes.
    /// # Errors  As [`chunk`](Self::chunk), or [`Error::SinkUnwritable`].
    /// # Cancel  What was written stays written.
    pub async fn write_to(mut self, sink: &mut impl Write) -> Result<u64, Error> {
        let unwritable = |error: std::io::Error| Error::SinkUnwritable(error.kind());
        let mut bytes = 0;
        while let Some(chunk) = self.chunk().await? {
            sink.write_all(&chunk).map_err(unwritable)?;
            bytes += chunk.len() as u64;
        }
        sink.flush().map_err(unwritable)?;
        Ok(bytes)
    }

    /// Everything, in memory, if it is at most `limit` bytes.
    /// # Errors  As [`chunk`](Self::chunk), or [`Error::TooLarge`].
    pub async fn read(mut self, limit: usize) -> Result<Vec<u8>, Error> {
        let mut all = Vec::new();
        while let Some(chunk) = self.chunk().await? {
            if all.len() + chunk.len() > limit {
                return Err(Error::TooLarge { what: "the reply", limit: limit as u64 });
            }
            all.extend_from_slice(&chunk);
        }
        Ok(all)
    }
}

/// What the headers of `response` say of its value.
pub(crate) fn head(response: &Response) -> Head {
    let text = |name: &str| response.headers().get(name).and_then(|value| value.to_str().ok());
    Head {
        version: text(ETAG.as_str()).and_then(|etag| Version::from_etag(etag).ok()),
        time: text(header::TIME).map(str::to_owned),
        size_bytes: text(CONTENT_LENGTH.as_str()).and_then(|length| length.parse().ok()),
    }
}
