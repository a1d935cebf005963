//! A client of notrace: one HTTP/1.1 connection over TLS 1.3, one request at a time.

use anyhow::{Context as _, Result, bail, ensure};
use bytes::{Bytes, BytesMut};
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;
use hyper::client::conn::http1::{SendRequest, handshake};
use hyper::header::{ETAG, HeaderValue};
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;
use tokio_rustls::client::TlsStream;

/// A connection to one node.
pub(crate) struct Connection {
    send: SendRequest<Full<Bytes>>,
    host: HeaderValue,
    bearer: HeaderValue,
}

impl Connection {
    /// Begins HTTP on a stream that is open already.
    pub(crate) async fn open(
        stream: TlsStream<TcpStream>,
        authority: &str,
        token: &str,
    ) -> Result<Self> {
        let (send, connection) = handshake(TokioIo::new(stream)).await?;
        tokio::spawn(connection);
        let bearer = HeaderValue::from_str(&format!("Bearer {token}"))?;
        Ok(Self { send, host: HeaderValue::from_str(authority)?, bearer })
    }

    /// Puts a value at `POOL/KEY` and returns the version it got.
    pub(crate) async fn put(&mut self, name: &str, value: Bytes) -> Result<String> {
        let path = format!("/v1/objects/{name}");
        let answer = self.begin(Method::PUT, &path, value).await?;
        let version = answer.headers().get(ETAG).context("a put without a version")?;
        let version = version.to_str()?.trim_matches('"').to_owned();
        whole(answer).await?;
        Ok(version)
    }

    /// The value at `POOL/KEY` as of now, or none.
    pub(crate) async fn get(&mut self, name: &str) -> Result<Option<Bytes>> {
        let path = format!("/v1/objects/{name}");
        let answer = self.send(Method::GET, &path, Bytes::new()).await?;
        if answer.status() == StatusCode::NOT_FOUND {
            whole(answer).await?;
            return Ok(None);
        }
        Ok(Some(whole(refuse_failure(answer).await?).await?))
    }

    /// Any request that has to succeed, and its answer.
    pub(crate) async fn ask(&mut self, method: Method, path: &str, body: Bytes) -> Result<Bytes> {
        whole(self.begin(method, path, body).await?).await
    }

    /// Watches the keys of `POOL/KEY`'s pool that begin as its key does.
    pub(crate) async fn watch(mut self, name: &str) -> Result<Watch> {
        let (pool, key) = name.split_once('/').context("a pool and a key")?;
        let path = format!("/v1/watch/{pool}?prefix={key}");
        let body = self.begin(Method::GET, &path, Bytes::new()).await?.into_body();
        Ok(Watch { _connection: self, body, buffer: BytesMut::new() })
    }

    async fn begin(
        &mut self,
        method: Method,
        path: &str,
        body: Bytes,
    ) -> Result<Response<Incoming>> {
        refuse_failure(self.send(method, path, body).await?).await
    }

    async fn send(
        &mut self,
        method: Method,
        path: &str,
        body: Bytes,
    ) -> Result<Response<Incoming>> {
        self.send.ready().await?;
        let request = Request::builder()
            .method(method)
            .uri(path)
            .header("host", &self.host)
            .header("authorization", &self.bearer)
            .body(Full::new(body))?;
        Ok(self.send.send_request(request).await?)
    }
}

async fn whole(answer: Response<Incoming>) -> Result<Bytes> {
    Ok(answer.into_body().collect().await?.to_bytes())
}

/// The answer, unless it is a refusal.
async fn refuse_failure(answer: Response<Incoming>) -> Result<Response<Incoming>> {
    let status = answer.status();
    if status.is_success() {
        return Ok(answer);
    }
    let body = whole(answer).await?;
    bail!("answered {status}: {}", String::from_utf8_lossy(&body))
}

/// A stream of changes.
pub(crate) struct Watch {
    _connection: Connection,
    body: Incoming,
    buffer: BytesMut,
}

impl Watch {
    /// The version of the next change.
    pub(crate) async fn next(&mut self) -> Result<String> {
        loop {
            while let Some(event) = take_event(&mut self.buffer) {
                let event = std::str::from_utf8(&event)?;
                if let Some(version) = version_of_change(event) {
                    return Ok(version.to_owned());
                }
            }
            let frame = self.body.frame().await.context("the watch ended")??;
            ensure!(!frame.is_trailers(), "the watch ended");
            self.buffer.extend_from_slice(frame.data_ref().context("a frame of data")?);
        }
    }
}

/// The next whole event: what stands before an empty line.
fn take_event(buffer: &mut BytesMut) -> Option<BytesMut> {
    let end = buffer.windows(2).position(|pair| pair == b"\n\n")?;
    Some(buffer.split_to(end + 2))
}

/// The version of a change; other events and comments have none.
fn version_of_change(event: &str) -> Option<&str> {
    let line = |name: &str| event.lines().find_map(|line| line.strip_prefix(name));
    let value = |name: &str| line(name).map(|value| value.trim_start_matches([':', ' ']));
    (value("event")? == "change").then(|| value("id")).flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn changes_are_told_from_comments() {
        let mut buffer = BytesMut::from(": still there\n\nid: 1:7\nevent: change\ndata: {}\n\nid");
        let comment = take_event(&mut buffer).unwrap();
        assert_eq!(version_of_change(std::str::from_utf8(&comment).unwrap()), None);
        let change = take_event(&mut buffer).unwrap();
        assert_eq!(version_of_change(std::str::from_utf8(&change).unwrap()), Some("1:7"));
        assert!(take_event(&mut buffer).is_none());
    }
}
