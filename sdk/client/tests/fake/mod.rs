//! A second implementation of a node's edge: TLS and HTTP/1.1 for real, every reply as told.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use futures_util::StreamExt as _;
use http_body_util::{BodyExt as _, Full, StreamBody};
use hyper::body::{Bytes, Frame, Incoming};
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use notrace_sdk_client::Client;
use notrace_sdk_wire::{Code, Credentials, Problem};
use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
use rustls::pki_types::PrivateKeyDer;
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;

/// What came in.
#[derive(Clone)]
pub(crate) struct Seen {
    pub(crate) method: String,
    pub(crate) path: String,
    pub(crate) headers: hyper::HeaderMap,
    pub(crate) body: Vec<u8>,
}

impl Seen {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(|value| value.to_str().unwrap())
    }
}

/// What goes out.
pub(crate) enum Told {
    /// A reply: status, headers, body.
    Reply(u16, Vec<(&'static str, String)>, Vec<u8>),
    /// Nothing: the connection ends.
    Silence,
    /// A reply whose body breaks off after this.
    Broken(Vec<(&'static str, String)>, Vec<u8>),
}

type Tell = dyn Fn(usize, &Seen) -> Told + Send + Sync;

/// A refusal with this code, and `Retry-After` in seconds.
pub(crate) fn refuse(code: Code, retry_after: Option<u32>) -> Told {
    let body = serde_json::to_vec(&Problem::new(code, "As told.")).unwrap();
    let mut headers = vec![("content-type", "application/problem+json".to_owned())];
    headers.extend(retry_after.map(|seconds| ("retry-after", seconds.to_string())));
    Told::Reply(code.status(), headers, body)
}

pub(crate) struct Fake {
    pub(crate) credentials: Credentials,
    seen: Arc<Mutex<Vec<Seen>>>,
}

struct Authority {
    pem: String,
    issuer: Issuer<'static, KeyPair>,
}

fn authority() -> Authority {
    let key = KeyPair::generate().unwrap();
    let mut params = CertificateParams::default();
    params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    let pem = params.self_signed(&key).unwrap().pem();
    Authority { pem, issuer: Issuer::new(params, key) }
}

impl Fake {
    /// A server that answers its n-th request, counted from 0, as `tell` says.
    pub(crate) async fn start(tell: impl Fn(usize, &Seen) -> Told + Send + Sync + 'static) -> Self {
        Self::start_as("127.0.0.1", tell).await
    }

    /// The same with a certificate for another name.
    pub(crate) async fn start_as(
        name: &str,
        tell: impl Fn(usize, &Seen) -> Told + Send + Sync + 'static,
    ) -> Self {
        let authority = authority();
        let key = KeyPair::generate().unwrap();
        let params = CertificateParams::new(vec![name.to_owned()]).unwrap();
        let certificate = params.signed_by(&key, &authority.issuer).unwrap();
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config = rustls::ServerConfig::builder_with_provider(provider)
            .with_protocol_versions(&[&rustls::version::TLS13])
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(
                vec![certificate.der().clone()],
                PrivateKeyDer::try_from(key.serialize_der()).unwrap(),
            )
            .unwrap();
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let address = listener.local_addr().unwrap();
        let seen = Arc::new(Mutex::new(Vec::new()));
        let acceptor = TlsAcceptor::from(Arc::new(config));
        tokio::spawn(accept(listener, acceptor, seen.clone(), Arc::new(tell)));
        Self { credentials: credentials(address, authority.pem), seen }
    }

    pub(crate) fn client(&self) -> Client {
        Client::new(&self.credentials).unwrap()
    }

    pub(crate) fn seen(&self) -> Vec<Seen> {
        self.seen.lock().unwrap().clone()
    }
}

fn credentials(address: SocketAddr, ca_pem: String) -> Credentials {
    Credentials {
        url: format!("https://{address}"),
        ca_pem,
        token: "nt_test".to_owned(),
        certificate_pem: String::new(),
        key_pem: String::new(),
        ledger_vkey: String::new(),
        ledger_origin: String::new(),
    }
}

async fn accept(
    listener: TcpListener,
    acceptor: TlsAcceptor,
    seen: Arc<Mutex<Vec<Seen>>>,
    tell: Arc<Tell>,
) {
    while let Ok((stream, _)) = listener.accept().await {
        let (acceptor, seen, tell) = (acceptor.clone(), seen.clone(), tell.clone());
        tokio::spawn(async move {
            let Ok(stream) = acceptor.accept(stream).await else { return };
            let service = service_fn(|request| answer(request, &seen, &*tell));
            let http = hyper::server::conn::http1::Builder::new();
            let _ = http.serve_connection(TokioIo::new(stream), service).await;
        });
    }
}

type Body = http_body_util::combinators::UnsyncBoxBody<Bytes, std::io::Error>;

async fn answer(
    request: Request<Incoming>,
    seen: &Mutex<Vec<Seen>>,
    tell: &Tell,
) -> Result<Response<Body>, std::io::Error> {
    let (parts, body) = request.into_parts();
    let body = body.collect().await.map_err(std::io::Error::other)?.to_bytes().to_vec();
    let path = parts.uri.path_and_query().unwrap().to_string();
    let this = Seen { method: parts.method.to_string(), path, headers: parts.headers, body };
    let index = {
        let mut seen = seen.lock().unwrap();
        seen.push(this.clone());
        seen.len() - 1
    };
    let (status, headers, body): (u16, _, Body) = match tell(index, &this) {
        Told::Silence => return Err(std::io::Error::other("silence")),
        Told::Reply(status, headers, body) => {
            let never = |never: Infallible| match never {};
            (status, headers, Full::new(Bytes::from(body)).map_err(never).boxed_unsync())
        }
        Told::Broken(headers, body) => {
            // Not ready once in between: that is when the server sends out what it has so far.
            let data = futures_util::stream::iter([Ok(Frame::data(Bytes::from(body)))]);
            let end = futures_util::stream::once(async {
                tokio::task::yield_now().await;
                Err(std::io::Error::other("broken"))
            });
            (200, headers, StreamBody::new(data.chain(end)).boxed_unsync())
        }
    };
    let mut response = Response::builder().status(status);
    for (name, value) in headers {
        response = response.header(name, value);
    }
    Ok(response.body(body).unwrap())
}
