//! What a node at rest uses.

use std::time::Duration;

use anyhow::Result;

use crate::table::Table;
use notrace_tests_rig::Node;
use notrace_tests_rig::process::{memory_mb, processor_time};

const REST: Duration = Duration::from_secs(5);

pub(crate) async fn measure(table: &mut Table) -> Result<()> {
    let node = Node::start().await?;
    tokio::time::sleep(Duration::from_secs(1)).await;
    let tree = node.process.tree();
    let mut shares = Vec::new();
    for _ in 0..3 {
        let before: Duration = tree.iter().map(|id| processor_time(*id)).sum();
        tokio::time::sleep(REST).await;
        let after: Duration = tree.iter().map(|id| processor_time(*id)).sum();
        shares.push((after - before).as_secs_f64() / REST.as_secs_f64() * 100.0);
    }
    table.add("idle processor time, all processes", "% of a core", shares);
    let node_process = memory_mb(node.process.id()).1;
    let all: f64 = tree.iter().map(|id| memory_mb(*id).0).sum();
    table.add("resident memory of the node process at rest", "MB", vec![node_process]);
    table.add("memory of all processes at rest (PSS)", "MB", vec![all]);
    table.add("processes at rest", "", vec![tree.len() as f64]);
    Ok(())
}
