//! Bodies that nobody read to their end.
//!
//! Most clients read an answer only once they have sent everything, and some take a stream that is
//! reset under them for a failure of the connection. So what a handler leaves of a body is read and
//! dropped beside the answer, within bounds.

use std::pin::Pin;
use std::task::{Context, Poll};

use axum::body::Bytes;
use http_body_util::BodyExt as _;
use hyper::body::{Body, Frame, Incoming, SizeHint};
use hyper::header::EXPECT;
use hyper::{HeaderMap, Request};
use tokio::time::timeout;

use crate::limits::{BODY_PAUSE_MAX, DISCARD_BYTES_MAX};

/// A request's body whose rest is discarded when it is dropped.
pub(crate) struct Unread {
    body: Option<Incoming>,
    /// The client waits for leave to send, which the first read gives.
    waits: bool,
}

impl Unread {
    /// The same request, with its body watched over.
    pub(crate) fn watch(request: Request<Incoming>) -> Request<Self> {
        let waits = is_waiting(request.headers());
        request.map(|body| Self { body: Some(body), waits })
    }
}

fn is_waiting(headers: &HeaderMap) -> bool {
    headers.contains_key(EXPECT)
}

impl Body for Unread {
    type Data = Bytes;
    type Error = hyper::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, hyper::Error>>> {
        self.waits = false;
        match &mut self.body {
            Some(body) => Pin::new(body).poll_frame(context),
            None => Poll::Ready(None),
        }
    }

    fn is_end_stream(&self) -> bool {
        self.body.as_ref().is_none_or(Body::is_end_stream)
    }

    fn size_hint(&self) -> SizeHint {
        self.body.as_ref().map_or(SizeHint::with_exact(0), Body::size_hint)
    }
}

impl Drop for Unread {
    fn drop(&mut self) {
        let Some(body) = self.body.take().filter(|body| !body.is_end_stream()) else { return };
        // A client that still waits has sent nothing, and the answer tells it not to.
        if !self.waits {
            tokio::spawn(discard(body));
        }
    }
}

async fn discard(mut body: Incoming) {
    let mut discarded = 0;
    while discarded < DISCARD_BYTES_MAX {
        let Ok(Some(Ok(frame))) = timeout(BODY_PAUSE_MAX, body.frame()).await else { return };
        discarded += frame.data_ref().map_or(0, Bytes::len);
    }
}
