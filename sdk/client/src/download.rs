//! A reply whose body is data.

use std::io::Write;

use bytes::Bytes;
use notrace_sdk_wire::{Version, header};
use reqwest::Response;
use reqwest::header::{CONTENT_LENGTH, ETAG};

use crate::call::transport_error;
use crate::error::Error;

/// A reply whose body is data, not yet read.
pub struct Download {
    response: Response,
    head: Head,
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
        Self { response, head }
    }

    /// What the headers said.
    pub fn head(&self) -> &Head {
        &self.head
    }

    /// The next piece, or `None` at the end.
    /// # Errors  The connection ended early: [`Error::CutOff`], [`Error::TimedOut`].
    /// # Cancel  Ends the download.
    pub async fn chunk(&mut self) -> Result<Option<Bytes>, Error> {
        self.response.chunk().await.map_err(|error| transport_error(&error))
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
