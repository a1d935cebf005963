//! The accept loop: one task a connection, every step of it bounded in time.

use std::convert::Infallible;
use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use hyper::Request;
use hyper::body::Incoming;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto;
use hyper_util::server::graceful::{GracefulShutdown, Watcher};
use notrace_policy_promise::digest::{Digest, Domain};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, watch};
use tokio::time::timeout;
use tokio_rustls::TlsAcceptor;
use tower::ServiceExt as _;

use crate::idle::Requests;
use crate::limits;
use crate::problem;
use crate::unread::Unread;

/// The client certificate a connection showed, as a digest; checked by TLS against the authority.
#[derive(Clone, Copy)]
pub(crate) struct ShownCertificate(pub(crate) Digest);

/// Serves connections until `stop` resolves, then lets open requests end, within a bound. Who comes
/// meanwhile is still answered, which the router does as of a node that stops.
pub(crate) async fn accept_until(
    listener: TcpListener,
    tls: TlsAcceptor,
    router: Router,
    stop: impl Future<Output = ()>,
) {
    let early = GracefulShutdown::new();
    let (stopping, late) = (watch::Sender::new(false), GracefulShutdown::new());
    let door = Door { listener, tls, router, stopping, late };
    tokio::select! {
        () = door.take_in(limits::CONNECTIONS_MAX, Some(&early)) => {}
        () = stop => {}
    }
    door.stopping.send_replace(true);
    tokio::select! {
        // What has not ended by then is cut off; the caller exits.
        _ = timeout(limits::DRAIN_MAX, early.shutdown()) => {}
        () = door.take_in(limits::TURNED_AWAY_MAX, None) => {}
    }
    let Door { listener, late, .. } = door;
    drop(listener);
    // Who has connected may have asked already, and should hear that nothing was done.
    let _ = timeout(limits::TURN_AWAY_MAX, late.shutdown()).await;
}

/// Where connections come in.
struct Door {
    listener: TcpListener,
    tls: TlsAcceptor,
    router: Router,
    stopping: watch::Sender<bool>,
    /// Those that open once the node stops.
    late: GracefulShutdown,
}

impl Door {
    /// Takes connections, at most so many at once, for as long as it is asked to.
    async fn take_in(&self, most: usize, early: Option<&GracefulShutdown>) {
        let places = Arc::new(Semaphore::new(most));
        while let Ok(place) = places.clone().acquire_owned().await {
            // A failed accept is the peer's failure or a lack of descriptors. Both pass, but the
            // second not at once, and to ask without a pause would only burn the processor.
            let Ok((stream, _)) = self.listener.accept().await else {
                tokio::time::sleep(limits::ACCEPT_PAUSE).await;
                continue;
            };
            let (tls, router) = (self.tls.clone(), self.router.clone());
            let (early, late) = (early.map(GracefulShutdown::watcher), self.late.watcher());
            let end = End { early, late, stopping: self.stopping.subscribe() };
            tokio::spawn(async move {
                serve_one(stream, tls, router, end).await;
                drop(place);
            });
        }
    }
}

/// How a connection learns that the node stops. One that is open by then is waited for until its
/// requests have ended; one that opens later, for as long as it takes to turn it away.
struct End {
    early: Option<Watcher>,
    late: Watcher,
    stopping: watch::Receiver<bool>,
}

impl End {
    /// Does `first`, during which a node that stops does not wait for this connection, and then
    /// says which of the two kinds it is.
    async fn after<T>(mut self, first: impl Future<Output = T>) -> (T, Watcher) {
        let mut first = std::pin::pin!(first);
        let done = tokio::select! {
            biased;
            _ = self.stopping.wait_for(|stopping| *stopping) => None,
            done = &mut first => Some(done),
        };
        match (done, self.early) {
            (Some(done), Some(early)) => (done, early),
            (Some(done), None) => (done, self.late),
            (None, early) => {
                drop(early);
                (first.await, self.late)
            }
        }
    }
}

/// One connection, from handshake to end. Its failures are the peer's affair: nothing is logged.
async fn serve_one(stream: TcpStream, tls: TlsAcceptor, router: Router, end: End) {
    let _ = stream.set_nodelay(true);
    let shaken = end.after(timeout(limits::HANDSHAKE_MAX, tls.accept(stream))).await;
    let (Ok(Ok(stream)), watcher) = shaken else { return };
    let certificate = stream.get_ref().1.peer_certificates().and_then(|chain| {
        let leaf = chain.first()?;
        Some(ShownCertificate(Digest::of_parts(Domain::Session, &[b"certificate\0", leaf])))
    });
    let requests = Requests::new();
    let begun = requests.clone();
    let service = hyper::service::service_fn(move |request: Request<Incoming>| {
        let (router, open) = (router.clone(), begun.begin());
        async move {
            let mut request = Unread::watch(request).map(Body::new);
            if let Some(certificate) = certificate {
                request.extensions_mut().insert(certificate);
            }
            Ok::<_, Infallible>(match router.oneshot(request).await {
                Ok(response) => problem::spelt_out(response).map(|body| open.until_sent(body)),
                Err(never) => match never {},
            })
        }
    });
    let mut server = auto::Builder::new(TokioExecutor::new());
    server
        .http1()
        .timer(TokioTimer::new())
        .header_read_timeout(limits::HEAD_MAX)
        .max_buf_size(limits::HTTP1_BUFFER_BYTES_MAX);
    server
        .http2()
        .timer(TokioTimer::new())
        .max_concurrent_streams(limits::HTTP2_STREAMS_MAX)
        .keep_alive_interval(Some(limits::BODY_PAUSE_MAX))
        .keep_alive_timeout(limits::HEAD_MAX);
    let connection = server.serve_connection(TokioIo::new(stream), service);
    let served = watcher.watch(connection.into_owned());
    #[cfg(feature = "planted-leaks")]
    let served = crate::leak::kept(served);
    tokio::select! {
        _ = served => {}
        () = requests.none_for(limits::IDLE_MAX) => {}
    }
}
