//! A node that is started on another store than its own refuses, and destroys no key.

use anyhow::{Result, ensure};
use bytes::Bytes;
use notrace_tests_rig::Node;

#[tokio::test]
async fn a_store_that_is_missing_for_one_start_costs_nothing() -> Result<()> {
    let node = Node::start().await?;
    let mut link = node.link().await?;
    let spec = Bytes::from_static(b"{\"retain\":\"forever\"}");
    link.ask_ok("PUT", "/v1/pools/p", &[], spec).await?;
    link.ask_ok("PUT", "/v1/objects/p/k", &[], Bytes::from_static(b"kept")).await?;
    let dir = node.into_dir();
    let (store, aside) = (dir.path().join("store"), dir.path().join("aside"));
    std::fs::rename(&store, &aside)?;
    for _ in 0..3 {
        let refused = Node::command(dir.path(), 0)?.output()?;
        ensure!(!refused.status.success(), "it serves on a store that is not its own");
        let words = String::from_utf8_lossy(&refused.stderr).into_owned();
        ensure!(words.contains("older than its keys"), "{words}");
    }
    std::fs::remove_dir_all(&store)?;
    std::fs::rename(&aside, &store)?;
    let node = Node::start_in(dir, 0).await?;
    let value = node.link().await?.ask_ok("GET", "/v1/objects/p/k", &[], Bytes::new()).await?;
    ensure!(value == "kept", "the value is gone");
    Ok(())
}
