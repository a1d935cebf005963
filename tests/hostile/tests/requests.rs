//! Requests that name nothing, come too late, show no right, or stop half-way.

use anyhow::Result;
use bytes::Bytes;
use hyper::Response;
use notrace_tests_rig::{Link, Node};
use serde_json::Value;
use tokio::io::AsyncWriteExt as _;

const UNKNOWN_TASK: &str =
    "/v1/tasks/sha256:0000000000000000000000000000000000000000000000000000000000000000/run";

fn seen(answer: &Response<Bytes>) -> (u16, String) {
    let problem: Value = serde_json::from_slice(answer.body()).unwrap_or_default();
    let kind = problem.get("type").and_then(Value::as_str).unwrap_or("");
    let kind = kind.replace("urn:notrace:error:", "");
    (answer.status().as_u16(), kind)
}

async fn ask(link: &mut Link, verb: &str, path: &str) -> Result<(u16, String)> {
    let body = Bytes::from_static(b"{\"retain\":\"1d\"}");
    Ok(seen(&link.ask(verb, path, &[], body).await?))
}

#[tokio::test]
async fn what_does_not_exist_is_said_by_its_kind() -> Result<()> {
    let node = Node::start().await?;
    let mut link = node.link().await?;
    let mut expect = async |verb: &str, path: &str, status: u16, code: &str| {
        assert_eq!(
            ask(&mut link, verb, path).await.unwrap(),
            (status, code.to_owned()),
            "{verb} {path}"
        );
    };
    expect("POST", UNKNOWN_TASK, 404, "task_unknown").await;
    expect("POST", "/v1/tasks/nobody/run", 404, "task_unknown").await;
    expect("GET", "/v1/objects/nowhere/key", 404, "pool_unknown").await;
    expect("PUT", "/v1/objects/nowhere/key", 404, "pool_unknown").await;
    expect("PUT", "/v1/pools/here", 201, "").await;
    expect("GET", "/v1/objects/here/key", 404, "object_unknown").await;
    expect("GET", "/v1/receipts/none", 404, "receipt_unknown").await;
    expect("GET", "/v1/nothing", 404, "not_found").await;
    expect("PATCH", "/v1/pools/here", 405, "method_not_allowed").await;
    expect("GET", "/v1/objects/here/../../etc", 400, "name_malformed").await;
    expect("GET", "/v1/objects/.tasks", 400, "name_malformed").await;
    expect("GET", "/v1/objects/here/key?vresion=1:1", 400, "parameter_unknown").await;
    expect("GET", "/v1/objects/here/key?version=new", 400, "parameter_malformed").await;
    Ok(())
}

#[tokio::test]
async fn a_stale_version_changes_nothing_and_names_the_current_one() -> Result<()> {
    let node = Node::start().await?;
    let mut link = node.link().await?;
    link.ask_ok("PUT", "/v1/pools/p", &[], Bytes::from_static(b"{\"retain\":\"1d\"}")).await?;
    let put = link.ask("PUT", "/v1/objects/p/k", &[], Bytes::from_static(b"one")).await?;
    let first = put.headers()["etag"].to_str()?.to_owned();
    let matched = [("if-match", first.as_str())];
    let second = link.ask("PUT", "/v1/objects/p/k", &matched, Bytes::from_static(b"two")).await?;
    assert_eq!(second.status(), 200);
    let stale = link.ask("PUT", "/v1/objects/p/k", &matched, Bytes::from_static(b"three")).await?;
    assert_eq!(seen(&stale), (412, "version_mismatch".to_owned()));
    assert_eq!(stale.headers()["etag"], second.headers()["etag"]);
    let absent = [("if-none-match", "*")];
    let exists = link.ask("PUT", "/v1/objects/p/k", &absent, Bytes::from_static(b"four")).await?;
    assert_eq!(seen(&exists), (412, "version_mismatch".to_owned()));
    let now = link.ask_ok("GET", "/v1/objects/p/k", &[], Bytes::new()).await?;
    assert_eq!(now, "two");
    Ok(())
}

#[tokio::test]
async fn without_a_credential_only_what_is_public_is_shown() -> Result<()> {
    let node = Node::start().await?;
    for token in [None, Some("nt_0000"), Some("")] {
        let mut link = node.link_with(token).await?;
        for (verb, path) in [
            ("GET", "/v1/pools"),
            ("PUT", "/v1/pools/p"),
            ("PUT", "/v1/tasks"),
            ("POST", UNKNOWN_TASK),
            ("GET", "/v1/objects/p/k"),
            ("DELETE", "/v1/objects/p/k?shred=true"),
            ("GET", "/v1/watch/p"),
            ("GET", "/v1/receipts/none"),
        ] {
            let (status, code) = ask(&mut link, verb, path).await?;
            assert_eq!((status, code.as_str()), (401, "unauthenticated"), "{verb} {path}");
        }
        for path in ["/v1/health", "/v1/node", "/v1/promise", "/v1/ledger/checkpoint"] {
            let answer = link.ask("GET", path, &[], Bytes::new()).await?;
            assert_eq!(answer.status(), 200, "{path}");
        }
    }
    Ok(())
}

#[tokio::test]
async fn half_a_request_costs_its_connection_only() -> Result<()> {
    let mut node = Node::start().await?;
    let token = node.credentials.token.clone();
    let halves = [
        "GET /v1/hea".to_owned(),
        "GET /v1/health HTTP/1.1\r\nhost: x\r\n".to_owned(),
        format!(
            "PUT /v1/objects/p/k HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {token}\r\n\
             content-length: 1000\r\n\r\nonly this much"
        ),
        "\0\u{1}\u{2}not http at all\r\n\r\n".to_owned(),
    ];
    for half in &halves {
        let mut stream = node.stream().await?;
        stream.write_all(half.as_bytes()).await?;
        stream.flush().await?;
        drop(stream);
    }
    // And bytes that are not TLS.
    let authority = node.credentials.url.replace("https://", "");
    let mut plain = tokio::net::TcpStream::connect(&authority).await?;
    plain.write_all(b"GET / HTTP/1.1\r\n\r\n").await?;
    let answer = node.link().await?.ask("GET", "/v1/health", &[], Bytes::new()).await?;
    assert_eq!(answer.status(), 200);
    assert!(node.process.is_alive());
    Ok(())
}

#[tokio::test]
async fn no_refusal_echoes_what_the_client_sent() -> Result<()> {
    let node = Node::start().await?;
    let mut link = node.link().await?;
    let canary = "c4n4ry-that-nobody-repeats";
    let path = format!("/v1/objects/{canary}/x?{canary}={canary}");
    let headers = [("if-match", canary), ("idempotency-key", canary)];
    for verb in ["GET", "PUT", "DELETE", "PATCH"] {
        let body = Bytes::from(format!("{{\"{canary}\": 1}}"));
        let answer = link.ask(verb, &path, &headers, body.clone()).await?;
        assert!(!String::from_utf8_lossy(answer.body()).contains(canary), "{verb}");
        let answer = link.ask(verb, "/v1/pools/p", &[], body).await?;
        assert!(!String::from_utf8_lossy(answer.body()).contains(canary), "{verb} of a pool");
    }
    Ok(())
}
