//! Runs a second of a 1 KiB echo over HTTPS keep-alive, each in a process of its own.

use anyhow::{Result, ensure};
use bytes::Bytes;

use crate::load;
use crate::table::Table;
use notrace_tests_rig::Node;
use notrace_tests_rig::process;

pub(crate) async fn measure(table: &mut Table) -> Result<()> {
    let node = Node::start().await?;
    let path = node.echo().await?;
    for connections in [1, 16] {
        let mut links = Vec::new();
        for _ in 0..connections {
            links.push(node.link().await?);
        }
        let what = format!("1 KiB echo, fresh process, TLS, {connections} connections");
        let (path, input) = (path.clone(), Bytes::from(vec![b'x'; 1024]));
        let rounds = load::rounds(table, &what, &mut links, async move |link, _| {
            let answer = link.ask_ok("POST", &path, &[], input.clone()).await?;
            ensure!(answer == input, "an answer that is not the input");
            Ok(())
        });
        rounds.await?;
    }
    let tree = node.process.tree();
    let resident: f64 = tree.iter().map(|id| process::memory_mb(*id).0).sum();
    table.add("memory after the load, all processes (PSS)", "MB", vec![resident]);
    Ok(())
}
