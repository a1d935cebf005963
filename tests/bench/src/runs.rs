//! Runs a second of a 1 KiB echo over HTTPS keep-alive, each in a process of its own; plain, and
//! sealed from client to worker.

use anyhow::{Result, anyhow, ensure};
use bytes::Bytes;

use crate::load;
use crate::table::Table;
use notrace_tests_rig::process;
use notrace_tests_rig::sealed::{SEALED, task_of};
use notrace_tests_rig::{Link, Node, Sealer};

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
        sealed(table, &node, &mut links, connections).await?;
    }
    let tree = node.process.tree();
    let resident: f64 = tree.iter().map(|id| process::memory_mb(*id).0).sum();
    table.add("memory after the load, all processes (PSS)", "MB", vec![resident]);
    Ok(())
}

/// The same sealed: the client seals each request and opens each answer, on these very processors.
async fn sealed(
    table: &mut Table,
    node: &Node,
    links: &mut Vec<Link>,
    connections: usize,
) -> Result<()> {
    let path = node.echo().await?;
    let (task, input) = (task_of(&path)?, vec![b'x'; 1024]);
    // A key is good for minutes, and a measurement takes seconds.
    let sealer = Sealer::of(node).await?;
    let what = format!("the same sealed, {connections} connections");
    let rounds = load::rounds(table, &what, links, async move |link, _| {
        let (body, keys) = sealer.seal(task, &[], &[], &input)?;
        let answer = link.ask_ok("POST", &path, &[SEALED], body).await?;
        let opened = keys.open_answer(answer.to_vec()).map_err(|_| anyhow!("no answer"))?;
        ensure!(opened.answer() == Some(input.clone()), "an answer that is not the input");
        Ok(())
    });
    rounds.await
}
