//! Shreds that are given up, sent again, or come in the midst of writes: what was to go is gone,
//! and nothing else.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use anyhow::{Result, ensure};
use bytes::Bytes;
use notrace_tests_rig::{Link, Node};
use tokio::io::AsyncWriteExt as _;

const KEPT: Bytes = Bytes::from_static(b"what nobody asked to be shredded");
const SPEC: Bytes = Bytes::from_static(b"{\"retain\":\"forever\",\"durability\":\"delivered\"}");

/// Sends a shred, waits `moment`, and hangs up.
async fn give_up_a_shred(node: &Node, path: &str, moment: Duration) -> Result<()> {
    let mut stream = node.stream().await?;
    let token = &node.credentials.token;
    let request =
        format!("DELETE {path} HTTP/1.1\r\nhost: n\r\nauthorization: Bearer {token}\r\n\r\n");
    stream.write_all(request.as_bytes()).await?;
    stream.flush().await?;
    tokio::time::timeout(moment, std::future::pending::<()>()).await.err();
    Ok(())
}

async fn is_kept(link: &mut Link) -> Result<bool> {
    let answer = link.ask("GET", "/v1/objects/p/kept", &[], Bytes::new()).await?;
    Ok(answer.status() == 200 && answer.body() == &KEPT)
}

#[tokio::test]
async fn a_shred_that_is_given_up_and_sent_again_takes_nothing_else() -> Result<()> {
    let node = Node::start().await?;
    let mut link = node.link().await?;
    link.ask_ok("PUT", "/v1/pools/p", &[], SPEC).await?;
    link.ask_ok("PUT", "/v1/objects/p/kept", &[], KEPT).await?;
    for round in 0..40u64 {
        let path = format!("/v1/objects/p/gone-{round}");
        link.ask_ok("PUT", &path, &[], Bytes::from_static(b"gone")).await?;
        let shred = format!("{path}?shred=true");
        // The moment differs from round to round; a multiplicative step spreads it over 20 ms.
        let moment = Duration::from_micros(round.wrapping_mul(6_181) % 20_000);
        give_up_a_shred(&node, &shred, moment).await?;
        link.ask_ok("DELETE", &shred, &[], Bytes::new()).await?;
        let gone = link.ask("GET", &path, &[], Bytes::new()).await?;
        ensure!(gone.status() == 410, "a shredded object is answered {}", gone.status());
        ensure!(is_kept(&mut link).await?, "the rest of the pool is lost in round {round}");
    }
    let node = node.kill_and_restart().await?;
    ensure!(is_kept(&mut node.link().await?).await?, "the rest of the pool is lost after a kill");
    Ok(())
}

/// Puts into the pool until told to stop.
async fn write_on(node: Arc<Node>, writer: u32, stop: Arc<AtomicBool>) -> Result<u64> {
    let mut link = node.link().await?;
    let mut written = 0;
    while !stop.load(Ordering::Relaxed) {
        let path = format!("/v1/objects/p/written-{writer}-{}", written % 50);
        link.ask_ok("PUT", &path, &[], Bytes::from_static(b"more")).await?;
        written += 1;
    }
    Ok(written)
}

#[tokio::test]
async fn a_pool_that_is_written_to_all_the_time_is_shredded_all_the_same() -> Result<()> {
    let node = Arc::new(Node::start().await?);
    let mut link = node.link().await?;
    link.ask_ok("PUT", "/v1/pools/p", &[], SPEC).await?;
    link.ask_ok("PUT", "/v1/objects/p/kept", &[], KEPT).await?;
    let stop = Arc::new(AtomicBool::new(false));
    let writers: Vec<_> =
        (0..8).map(|writer| tokio::spawn(write_on(node.clone(), writer, stop.clone()))).collect();
    for round in 0..5 {
        let path = format!("/v1/objects/p/gone-{round}");
        link.ask_ok("PUT", &path, &[], Bytes::from_static(b"gone")).await?;
        link.ask_ok("DELETE", &format!("{path}?shred=true"), &[], Bytes::new()).await?;
    }
    ensure!(is_kept(&mut link).await?, "the rest of the pool is lost");
    stop.store(true, Ordering::Relaxed);
    for writer in writers {
        ensure!(writer.await?? > 0, "nothing was written, so nothing was tested");
    }
    Ok(())
}
