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
use tokio::sync::Semaphore;
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
    let graceful = GracefulShutdown::new();
    let places = Arc::new(Semaphore::new(limits::CONNECTIONS_MAX));
    let mut stop = std::pin::pin!(stop);
    loop {
        let place = tokio::select! {
            place = places.clone().acquire_owned() => place,
            () = &mut stop => break,
        };
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            () = &mut stop => break,
        };
        // A failed accept is the peer's failure or a lack of descriptors. Both pass, but the second
        // not at once, and to ask without a pause would only burn the processor.
        let (Ok(place), Ok((stream, _))) = (place, accepted) else {
            tokio::time::sleep(limits::ACCEPT_PAUSE).await;
            continue;
        };
        let (tls, router, watcher) = (tls.clone(), router.clone(), graceful.watcher());
        tokio::spawn(async move {
            serve_one(stream, tls, router, Some(watcher)).await;
            drop(place);
        });
    }
    tokio::select! {
        // What has not ended by then is cut off; the caller exits.
        _ = timeout(limits::DRAIN_MAX, graceful.shutdown()) => {}
        () = turn_away(listener, tls, router) => {}
    }
}

/// Answers those who come while the node drains; whether it serves can be asked to the end.
async fn turn_away(listener: TcpListener, tls: TlsAcceptor, router: Router) {
    let places = Arc::new(Semaphore::new(limits::TURNED_AWAY_MAX));
    while let Ok(place) = places.clone().acquire_owned().await {
        let Ok((stream, _)) = listener.accept().await else {
            tokio::time::sleep(limits::ACCEPT_PAUSE).await;
            continue;
        };
        let one = serve_one(stream, tls.clone(), router.clone(), None);
        tokio::spawn(async move {
            let _ = timeout(limits::TURN_AWAY_MAX, one).await;
            drop(place);
        });
    }
}

/// One connection, from handshake to end. Its failures are the peer's affair: nothing is logged.
async fn serve_one(stream: TcpStream, tls: TlsAcceptor, router: Router, watcher: Option<Watcher>) {
    let _ = stream.set_nodelay(true);
    let Ok(Ok(stream)) = timeout(limits::HANDSHAKE_MAX, tls.accept(stream)).await else {
        return;
    };
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
    let connection = server.serve_connection(TokioIo::new(stream), service).into_owned();
    let served = async move {
        match watcher {
            Some(watcher) => watcher.watch(connection).await,
            None => connection.await,
        }
    };
    tokio::select! {
        _ = served => {}
        () = requests.none_for(limits::IDLE_MAX) => {}
    }
}
