//! A gRPC client of etcd: one HTTP/2 connection, one call at a time, and streams for watches.
//!
//! Source: gRPC over HTTP/2, `doc/PROTOCOL-HTTP2.md` in gRPC's repository.

use std::collections::VecDeque;
use std::future::poll_fn;

use anyhow::{Context as _, Result, bail, ensure};
use bytes::{Buf as _, Bytes, BytesMut};
use h2::client::{ResponseFuture, SendRequest};
use h2::{RecvStream, SendStream};
use hyper::{HeaderMap, Request};
use tokio::io::{AsyncRead, AsyncWrite};

use crate::cluster::message;

/// What the other end may send before it is told that we read it: more than any answer here.
const WINDOW: u32 = 4 << 20;

/// A connection to one member.
pub(crate) struct Channel {
    send: SendRequest<Bytes>,
    base: String,
}

impl Channel {
    /// Begins HTTP/2 on a stream that is open already.
    pub(crate) async fn open<S>(stream: S, authority: &str, scheme: &str) -> Result<Self>
    where
        S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let mut builder = h2::client::Builder::new();
        builder.initial_window_size(WINDOW).initial_connection_window_size(WINDOW);
        let (send, connection) = builder.handshake(stream).await?;
        tokio::spawn(connection);
        Ok(Self { send, base: format!("{scheme}://{authority}") })
    }

    /// Puts a value and returns the revision it got.
    pub(crate) async fn put(&mut self, key: &str, value: &[u8]) -> Result<u64> {
        let message = message::put(key.as_bytes(), value);
        message::revision_of_put(&self.call("/etcdserverpb.KV/Put", message).await?)
    }

    /// The value of a key as of now, agreed on by a majority.
    pub(crate) async fn get(&mut self, key: &str) -> Result<Option<Bytes>> {
        let answer = self.call("/etcdserverpb.KV/Range", message::get(key.as_bytes())).await?;
        Ok(message::value_of_get(&answer)?.map(|value| answer.slice_ref(value)))
    }

    /// Watches one key; returns once the member says that the watch stands.
    pub(crate) async fn watch(&mut self, key: &str) -> Result<Watch> {
        let (answer, mut send) = self.begin("/etcdserverpb.Watch/Watch").await?;
        send.send_data(message::watch(key.as_bytes()), false)?;
        let body = ready(answer).await?;
        let mut watch =
            Watch { _send: send, body, buffer: BytesMut::new(), ready: VecDeque::new() };
        // The first message says that the watch was created, and holds no event.
        let first = watch.message().await?;
        ensure!(message::revisions_of_watch(&first)?.is_empty(), "an event before the watch began");
        Ok(watch)
    }

    async fn begin(&mut self, path: &str) -> Result<(ResponseFuture, SendStream<Bytes>)> {
        poll_fn(|context| self.send.poll_ready(context)).await?;
        let request = Request::post(format!("{}{path}", self.base))
            .header("content-type", "application/grpc")
            .header("te", "trailers")
            .body(())?;
        Ok(self.send.send_request(request, false)?)
    }

    /// One call: a message there, a message back, and a status that has to be 0.
    async fn call(&mut self, path: &str, message: Bytes) -> Result<Bytes> {
        let (answer, mut send) = self.begin(path).await?;
        send.send_data(message, true)?;
        let mut body = ready(answer).await?;
        let mut whole = BytesMut::new();
        while let Some(piece) = body.data().await {
            let piece = piece?;
            body.flow_control().release_capacity(piece.len())?;
            whole.extend_from_slice(&piece);
        }
        let trailers = body.trailers().await?.context("an answer without trailers")?;
        check_status(&trailers)?;
        take_message(&mut whole)?.context("an answer without a message")
    }
}

/// The body of an answer, once its head is there and says nothing bad.
async fn ready(answer: ResponseFuture) -> Result<RecvStream> {
    let (head, body) = answer.await?.into_parts();
    ensure!(head.status.is_success(), "HTTP status {}", head.status);
    // A call that fails at once has its status in the head, and no body.
    if head.headers.contains_key("grpc-status") {
        check_status(&head.headers)?;
    }
    Ok(body)
}

fn check_status(headers: &HeaderMap) -> Result<()> {
    let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
    match text("grpc-status") {
        Some("0") => Ok(()),
        status => bail!(
            "grpc-status {}: {}",
            status.unwrap_or("missing"),
            text("grpc-message").unwrap_or_default()
        ),
    }
}

/// The next whole message of a stream, if there is one.
fn take_message(buffer: &mut BytesMut) -> Result<Option<Bytes>> {
    let Some((head, rest)) = buffer.split_at_checked(5) else { return Ok(None) };
    let mut head = head;
    ensure!(head.get_u8() == 0, "a compressed message");
    let length = head.get_u32() as usize;
    if rest.len() < length {
        return Ok(None);
    }
    buffer.advance(5);
    Ok(Some(buffer.split_to(length).freeze()))
}

/// A watch on one key.
pub(crate) struct Watch {
    /// The watch ends when this does.
    _send: SendStream<Bytes>,
    body: RecvStream,
    buffer: BytesMut,
    ready: VecDeque<u64>,
}

impl Watch {
    /// The revision of the next change.
    pub(crate) async fn next(&mut self) -> Result<u64> {
        while self.ready.is_empty() {
            let message = self.message().await?;
            self.ready.extend(message::revisions_of_watch(&message)?);
        }
        self.ready.pop_front().context("a change")
    }

    async fn message(&mut self) -> Result<Bytes> {
        loop {
            if let Some(message) = take_message(&mut self.buffer)? {
                return Ok(message);
            }
            let piece = self.body.data().await.context("the watch ended")??;
            self.body.flow_control().release_capacity(piece.len())?;
            self.buffer.extend_from_slice(&piece);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_are_cut_from_a_stream_as_they_become_whole() {
        let mut buffer = BytesMut::from(&b"\0\0\0\0\x02ab\0\0\0"[..]);
        assert_eq!(take_message(&mut buffer).unwrap().unwrap(), "ab");
        assert!(take_message(&mut buffer).unwrap().is_none());
        buffer.extend_from_slice(b"\0\x01");
        assert!(take_message(&mut buffer).unwrap().is_none());
        buffer.extend_from_slice(b"c");
        assert_eq!(take_message(&mut buffer).unwrap().unwrap(), "c");
    }

    #[test]
    fn any_status_but_nought_is_an_error() {
        let mut headers = HeaderMap::new();
        assert!(check_status(&headers).is_err());
        headers.insert("grpc-status", "14".parse().unwrap());
        headers.insert("grpc-message", "no leader".parse().unwrap());
        assert_eq!(check_status(&headers).unwrap_err().to_string(), "grpc-status 14: no leader");
        headers.insert("grpc-status", "0".parse().unwrap());
        assert!(check_status(&headers).is_ok());
    }
}
