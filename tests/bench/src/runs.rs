//! Runs a second of a 1 KiB echo over HTTPS keep-alive, each in a process of its own.

use anyhow::{Result, ensure};
use bytes::Bytes;

use crate::table::Table;
use crate::{ROUND, ROUNDS, load};
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
        let (mut rates, mut p50, mut p99) = (Vec::new(), Vec::new(), Vec::new());
        for _ in 0..ROUNDS {
            let path = path.clone();
            let input = Bytes::from(vec![b'x'; 1024]);
            let round = load::round(&mut links, ROUND, async move |link, _| {
                let answer = link.ask_ok("POST", &path, &[], input.clone()).await?;
                ensure!(answer == input, "an answer that is not the input");
                Ok(())
            });
            let round = round.await?;
            rates.push(round.per_second);
            p50.push(round.p50_us);
            p99.push(round.p99_us);
        }
        let what = format!("1 KiB echo, fresh process, TLS, {connections} connections");
        table.add(format!("{what}: runs"), "1/s", rates);
        table.add(format!("{what}: p50"), "µs", p50);
        table.add(format!("{what}: p99"), "µs", p99);
    }
    let tree = node.process.tree();
    let resident: f64 = tree.iter().map(|id| process::memory_mb(*id).0).sum();
    table.add("memory after the load, all processes (PSS)", "MB", vec![resident]);
    Ok(())
}
