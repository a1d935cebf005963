//! A way into a member, and a connection through it: HTTP/1.1 over TLS 1.3, one request at a time.

use std::net::SocketAddr;
use std::sync::Arc;

use anyhow::{Context as _, Result, ensure};
use bytes::{Bytes, BytesMut};
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;
use hyper::client::conn::http1::{SendRequest, handshake};
use hyper::header::ETAG;
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use notrace_sdk_wire::Version;
use notrace_tests_rig::link::connect;
use tokio::task::JoinHandle;
use tokio::time::timeout;

use crate::limits::{CONNECT_MAX, SILENCE_MAX};

/// Where a member is, and what opens it.
#[derive(Clone)]
pub struct Door {
    /// Its address for clients.
    pub address: SocketAddr,
    /// The authority of its certificate, in PEM.
    pub authority: Arc<str>,
    /// The owner's token.
    pub token: Arc<str>,
}

/// An answer, whole.
pub struct Answer {
    /// The HTTP status.
    pub status: u16,
    /// The version that it carries.
    pub version: Option<Version>,
    /// The body.
    pub body: Bytes,
}

/// A connection, closed when it is dropped.
pub struct Line {
    send: SendRequest<Full<Bytes>>,
    door: Door,
    driver: JoinHandle<()>,
}

impl Drop for Line {
    fn drop(&mut self) {
        self.driver.abort();
    }
}

impl Door {
    /// Connects.
    /// # Errors  Nobody answers there in time.
    pub async fn open(&self) -> Result<Line> {
        timeout(CONNECT_MAX, self.connect()).await.context("connecting takes too long")?
    }

    async fn connect(&self) -> Result<Line> {
        let stream = connect(&self.address.to_string(), &self.authority).await?;
        let (send, connection) = handshake(TokioIo::new(stream)).await?;
        // How it ended, whoever sends a request is told.
        let driver = tokio::spawn(async move { drop(connection.await) });
        Ok(Line { send, door: self.clone(), driver })
    }
}

impl Line {
    /// Sends a request and reads the answer whole, whatever its status.
    /// # Errors  The connection broke.
    /// # Cancel  The member may have acted on it; the connection is of no use any more.
    pub async fn ask(
        &mut self,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: Bytes,
    ) -> Result<Answer> {
        let response = self.begin(method, path, headers, body).await?;
        let status = response.status().as_u16();
        let etag = response.headers().get(ETAG).and_then(|value| value.to_str().ok());
        let version = etag.and_then(|etag| Version::from_etag(etag).ok());
        let body = response.into_body().collect().await?.to_bytes();
        Ok(Answer { status, version, body })
    }

    /// The body of a successful GET.
    /// # Errors  The connection broke, or the answer is a refusal.
    pub async fn read(&mut self, path: &str) -> Result<Bytes> {
        let answer = self.ask("GET", path, &[], Bytes::new()).await?;
        let text = String::from_utf8_lossy(&answer.body).into_owned();
        ensure!(answer.status == 200, "{path} was answered {}: {text}", answer.status);
        Ok(answer.body)
    }

    /// Begins a stream of events.
    /// # Errors  The connection broke, or the answer is a refusal.
    pub async fn stream(mut self, path: &str, headers: &[(&str, &str)]) -> Result<Events> {
        let response = self.begin("GET", path, headers, Bytes::new()).await?;
        ensure!(response.status() == 200, "{path} was answered {}", response.status());
        let body = response.into_body();
        Ok(Events { _line: self, body, buffer: BytesMut::new() })
    }

    async fn begin(
        &mut self,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: Bytes,
    ) -> Result<Response<Incoming>> {
        self.send.ready().await?;
        let mut request = Request::builder().method(method).uri(path);
        request = request.header("host", self.door.address.to_string());
        request = request.header("authorization", format!("Bearer {}", self.door.token));
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        Ok(self.send.send_request(request.body(Full::new(body))?).await?)
    }
}

/// Server-sent events as they come.
pub struct Events {
    _line: Line,
    body: Incoming,
    buffer: BytesMut,
}

/// One event.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Event {
    /// Where to go on after it.
    pub id: Option<String>,
    /// What it says.
    pub data: String,
}

impl Events {
    /// The next event that says something.
    /// # Errors  The stream ended, or is silent for too long.
    /// # Cancel  Loses nothing.
    pub async fn next(&mut self) -> Result<Event> {
        loop {
            while let Some(text) = take_event(&mut self.buffer) {
                let event = parse(&String::from_utf8_lossy(&text));
                if !event.data.is_empty() {
                    return Ok(event);
                }
            }
            let frame = timeout(SILENCE_MAX, self.body.frame()).await;
            let frame = frame.context("the stream is silent")?.context("the stream ended")??;
            if let Some(bytes) = frame.data_ref() {
                self.buffer.extend_from_slice(bytes);
            }
        }
    }
}

/// The next whole event: what stands before an empty line.
fn take_event(buffer: &mut BytesMut) -> Option<BytesMut> {
    let end = buffer.windows(2).position(|pair| pair == b"\n\n")?;
    Some(buffer.split_to(end + 2))
}

fn parse(text: &str) -> Event {
    let mut event = Event::default();
    for line in text.lines() {
        let (field, value) = line.split_once(':').unwrap_or((line, ""));
        let value = value.strip_prefix(' ').unwrap_or(value);
        match field {
            "id" => event.id = Some(value.to_owned()),
            "data" => event.data.push_str(value),
            _ => {}
        }
    }
    event
}

#[cfg(test)]
mod events {
    use super::*;

    #[test]
    fn are_told_from_comments_and_from_halves() {
        let mut buffer = BytesMut::from(": beat\n\nevent: change\ndata: {}\nid: 1:2\n\ndata");
        let beat = take_event(&mut buffer).unwrap();
        assert_eq!(parse(&String::from_utf8_lossy(&beat)), Event::default());
        let change = take_event(&mut buffer).unwrap();
        let change = parse(&String::from_utf8_lossy(&change));
        assert_eq!(change, Event { id: Some("1:2".to_owned()), data: "{}".to_owned() });
        assert!(take_event(&mut buffer).is_none());
    }
}
