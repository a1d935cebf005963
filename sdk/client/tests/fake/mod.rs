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
    members: Arc<Mutex<Vec<String>>>,
    serving: tokio::task::JoinHandle<()>,
}

/// What all members of a group have in common.
pub(crate) struct Authority {
    pem: String,
    issuer: Issuer<'static, KeyPair>,
}

pub(crate) fn authority() -> Authority {
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
        Self::start_of(&authority(), name, tell).await
    }

    /// The same as a member of a group.
    pub(crate) async fn start_of(
        authority: &Authority,
        name: &str,
        tell: impl Fn(usize, &Seen) -> Told + Send + Sync + 'static,
    ) -> Self {
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
        let members = Arc::new(Mutex::new(Vec::new()));
        let desk = Desk { seen: seen.clone(), members: members.clone(), tell: Arc::new(tell) };
        let serving = tokio::spawn(accept(listener, acceptor, desk));
        let credentials = credentials(address, authority.pem.clone());
        Self { credentials, seen, members, serving }
    }

    /// Says from now on that these are the members of its group. It is asked for that beside what
    /// it is told to answer, and does not count it.
    pub(crate) fn is_in_a_group_of(&self, others: &[&Fake]) {
        let urls = others.iter().map(|fake| fake.credentials.url.clone());
        *self.members.lock().unwrap() = urls.collect();
    }

    /// Ends, with all its connections.
    pub(crate) fn end(&self) {
        self.serving.abort();
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
        members: Vec::new(),
        ca_pem,
        token: "nt_test".to_owned(),
        certificate_pem: String::new(),
        key_pem: String::new(),
        ledger_vkey: String::new(),
        ledger_origin: String::new(),
    }
}

/// What a connection needs to answer.
#[derive(Clone)]
struct Desk {
    seen: Arc<Mutex<Vec<Seen>>>,
    members: Arc<Mutex<Vec<String>>>,
    tell: Arc<Tell>,
}

async fn accept(listener: TcpListener, acceptor: TlsAcceptor, desk: Desk) {
    // Dropped with the task, and the connections with it.
    let mut connections = tokio::task::JoinSet::new();
    while let Ok((stream, _)) = listener.accept().await {
        let (acceptor, desk) = (acceptor.clone(), desk.clone());
        connections.spawn(async move {
            let Ok(stream) = acceptor.accept(stream).await else { return };
            let service = service_fn(|request| answer(request, &desk));
            let http = hyper::server::conn::http1::Builder::new();
            let _ = http.serve_connection(TokioIo::new(stream), service).await;
        });
    }
}

type Body = http_body_util::combinators::UnsyncBoxBody<Bytes, std::io::Error>;

async fn answer(request: Request<Incoming>, desk: &Desk) -> Result<Response<Body>, std::io::Error> {
    let (parts, body) = request.into_parts();
    let body = body.collect().await.map_err(std::io::Error::other)?.to_bytes().to_vec();
    let path = parts.uri.path_and_query().unwrap().to_string();
    let this = Seen { method: parts.method.to_string(), path, headers: parts.headers, body };
    let told = match this.path.as_str() {
        "/v1/cluster" => group(&desk.members.lock().unwrap()),
        _ => {
            let mut seen = desk.seen.lock().unwrap();
            seen.push(this.clone());
            let index = seen.len() - 1;
            drop(seen);
            (desk.tell)(index, &this)
        }
    };
    let (status, headers, body): (u16, _, Body) = match told {
        Told::Silence => return Err(std::io::Error::other("silence")),
        Told::Reply(status, headers, body) => {
            let never = |never: Infallible| match never {};
            (status, headers, Full::new(Bytes::from(body)).map_err(never).boxed_unsync())
        }
        Told::Broken(headers, body) => (200, headers, broken(body)),
    };
    let mut response = Response::builder().status(status);
    for (name, value) in headers {
        response = response.header(name, value);
    }
    Ok(response.body(body).unwrap())
}

fn broken(body: Vec<u8>) -> Body {
    // Not ready once in between: that is when the server sends out what it has so far.
    let data = futures_util::stream::iter([Ok(Frame::data(Bytes::from(body)))]);
    let end = futures_util::stream::once(async {
        tokio::task::yield_now().await;
        Err(std::io::Error::other("broken"))
    });
    StreamBody::new(data.chain(end)).boxed_unsync()
}

fn group(urls: &[String]) -> Told {
    let members: Vec<_> = (1..)
        .zip(urls)
        .map(|(node, url)| {
            serde_json::json!({
                "node": node, "life": 1, "duty": "full", "address": null, "url": url,
                "suspected": false,
            })
        })
        .collect();
    let status = serde_json::json!({
        "node": 1, "life": 1, "stage": "serving", "view": 1, "members": members, "shards": [],
    });
    Told::Reply(200, Vec::new(), serde_json::to_vec(&status).unwrap())
}
