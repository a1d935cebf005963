//! A node that is told to end: what is under way ends well, nothing new begins, and a second signal
//! does not wait.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::process::ExitStatus;
use std::sync::Arc;
use std::time::Duration;

use crate::nodes::Group;
use notrace_sdk_client::object::{At, Condition};
use notrace_sdk_client::source::Source;
use notrace_sdk_client::wire::{Code, Credentials};
use notrace_sdk_client::{Client, Patience, credentials};
use rustix::process::{Pid, Signal, kill_process};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};

pub(crate) type Line = StreamOwned<ClientConnection, TcpStream>;

/// A node alone, its credentials, and a request that it has begun to answer.
struct Stage {
    group: Group,
    credentials: Credentials,
    line: Line,
}

fn stage() -> Stage {
    let group = Group::found(1, "");
    group.types(1, "pool create photos --retain 1d").ended(0);
    let credentials = credentials::read(&group.folder.path().join("n1/client.toml")).unwrap();
    let line = begin_put(&credentials);
    Stage { group, credentials, line }
}

/// Plain HTTP/1.1 to the node, without a library that would hide when what is sent.
pub(crate) fn connect(credentials: &Credentials) -> Line {
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_slice(credentials.ca_pem.as_bytes()).unwrap()).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ClientConfig::builder_with_provider(provider)
        .with_protocol_versions(&[&rustls::version::TLS13])
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    let name = ServerName::try_from("127.0.0.1").unwrap();
    let tls = ClientConnection::new(Arc::new(config), name).unwrap();
    let socket = TcpStream::connect(credentials.url.replace("https://", "")).unwrap();
    socket.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    StreamOwned::new(tls, socket)
}

/// Begins to store five bytes, and returns once the node waits for them.
fn begin_put(credentials: &Credentials) -> Line {
    let mut line = connect(credentials);
    let head = format!(
        "PUT /v1/objects/photos/slow HTTP/1.1\r\nHost: node\r\nAuthorization: Bearer {}\r\n\
         Content-Length: 5\r\nExpect: 100-continue\r\n\r\n",
        credentials.token
    );
    line.write_all(head.as_bytes()).unwrap();
    assert!(reply(&mut line).starts_with("HTTP/1.1 100"));
    line
}

/// The head of a reply.
pub(crate) fn reply(line: &mut Line) -> String {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        let mut byte = [0];
        line.read_exact(&mut byte).unwrap();
        head.extend_from_slice(&byte);
    }
    String::from_utf8(head).unwrap()
}

fn tell_to_end(group: &Group) {
    kill_process(Pid::from_child(&group.nodes[0].child), Signal::TERM).unwrap();
}

fn ends(group: &mut Group) -> ExitStatus {
    group.nodes[0].child.wait().unwrap()
}

/// Waits until the node says that it stops.
async fn is_stopping(client: &Client) {
    let name = "photos/new".parse().unwrap();
    loop {
        match client.get(&name, At::Now).await {
            Err(error) if error.code() == Some(Code::Stopping) => return,
            Err(error) => assert_eq!(error.code(), Some(Code::ObjectUnknown), "{error:?}"),
            Ok(_) => panic!("nobody stored it"),
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_that_ends_finishes_what_is_under_way_and_takes_nothing_new() {
    let Stage { mut group, credentials, mut line } = stage();
    let client = Client::new(&credentials).unwrap().with_patience(Patience(Duration::ZERO));
    let mut watch = connect(&credentials);
    let head = format!(
        "GET /v1/watch/photos HTTP/1.1\r\nHost: node\r\nAuthorization: Bearer {}\r\n\r\n",
        credentials.token
    );
    watch.write_all(head.as_bytes()).unwrap();
    assert!(reply(&mut watch).starts_with("HTTP/1.1 200"));
    tell_to_end(&group);
    is_stopping(&client).await;
    assert_eq!(client.health().await.unwrap_err().code(), Some(Code::Unavailable));
    let name = "photos/new".parse().unwrap();
    let put = client.put(&name, Source::bytes("x"), Condition::Always).await;
    let refused = put.unwrap_err();
    assert_eq!(refused.problem().and_then(|problem| problem.retry_after_ms), Some(1000));
    // The stream ends as streams do, not as one that was cut off.
    let mut text = String::new();
    watch.read_to_string(&mut text).unwrap();
    assert!(text.contains("id: ") && text.ends_with("0\r\n\r\n"), "{text}");
    line.write_all(b"hello").unwrap();
    assert!(reply(&mut line).starts_with("HTTP/1.1 201"));
    assert_eq!(ends(&mut group).code(), Some(0));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_that_is_told_twice_ends_at_once() {
    let Stage { mut group, credentials, mut line } = stage();
    let client = Client::new(&credentials).unwrap().with_patience(Patience(Duration::ZERO));
    tell_to_end(&group);
    is_stopping(&client).await;
    tell_to_end(&group);
    // The exit code of what is unavailable, long before the request would have been given up.
    assert_eq!(ends(&mut group).code(), Some(7));
    let mut rest = Vec::new();
    assert!(line.read_to_end(&mut rest).is_err() || rest.is_empty());
}
