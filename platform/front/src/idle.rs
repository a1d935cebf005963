//! How long a connection may be open with nothing going on.
//!
//! HTTP/1 has a bound on a request's head, but a peer that says nothing at all after the TLS
//! handshake, or keeps an HTTP/2 connection without a stream, is under no bound of hyper's. Such
//! peers need no credential, and as many of them as there are places would keep everybody out.

use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use axum::body::Bytes;
use hyper::body::{Body, Frame, SizeHint};
use tokio::sync::watch;
use tokio::time::timeout;

/// Counts the requests of one connection that are not answered to the end.
#[derive(Clone)]
pub(crate) struct Requests(watch::Sender<usize>);

/// One request, until dropped.
pub(crate) struct Open(watch::Sender<usize>);

/// A body whose request stays open until it is sent or given up.
pub(crate) struct Answering {
    body: axum::body::Body,
    _open: Open,
}

impl Requests {
    pub(crate) fn new() -> Self {
        Self(watch::Sender::new(0))
    }

    /// Another request.
    pub(crate) fn begin(&self) -> Open {
        self.0.send_modify(|open| *open += 1);
        Open(self.0.clone())
    }

    /// Resolves once no request has been open for `idle_max` on end.
    pub(crate) async fn none_for(&self, idle_max: Duration) {
        let mut open = self.0.subscribe();
        // The sender is `self`, so it does not go away.
        while open.wait_for(|open| *open == 0).await.is_ok() {
            if timeout(idle_max, open.changed()).await.is_err() {
                return;
            }
        }
    }
}

impl Open {
    /// Keeps the request open as long as `body`.
    pub(crate) fn until_sent(self, body: axum::body::Body) -> Answering {
        Answering { body, _open: self }
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        self.0.send_modify(|open| *open -= 1);
    }
}

impl Body for Answering {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        Pin::new(&mut self.body).poll_frame(context)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

#[cfg(test)]
mod a_connection {
    use super::*;

    const BRIEF: Duration = Duration::from_millis(5);

    #[tokio::test]
    async fn on_which_nothing_was_ever_asked_is_idle() {
        Requests::new().none_for(BRIEF).await;
    }

    #[tokio::test]
    async fn is_not_idle_while_an_answer_is_on_its_way() {
        let requests = Requests::new();
        let answering = requests.begin().until_sent(axum::body::Body::from("answer"));
        assert!(timeout(20 * BRIEF, requests.none_for(BRIEF)).await.is_err());
        assert_eq!(answering.size_hint().exact(), Some(6));
        drop(answering);
        requests.none_for(BRIEF).await;
    }
}
