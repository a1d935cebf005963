//! From the start of the program to the first answer of a task.

use std::time::{Duration, Instant};

use anyhow::Result;
use bytes::Bytes;

use crate::table::Table;
use notrace_tests_rig::node::{self, Node};
use notrace_tests_rig::process::{Process, until};

#[expect(clippy::disallowed_methods, reason = "a benchmark measures time")]
pub(crate) async fn measure(table: &mut Table) -> Result<()> {
    let (mut accepts, mut answers) = (Vec::new(), Vec::new());
    let first = Node::start().await?;
    let path = first.echo().await?;
    let mut dir = first.into_dir();
    for _ in 0..crate::ROUNDS {
        let port = free_port()?;
        let began = Instant::now();
        let process = Process::start(&mut Node::command(dir.path(), port)?)?;
        let credentials = until(Duration::from_secs(20), || node::ready(dir.path(), port)).await?;
        accepts.push(began.elapsed().as_secs_f64() * 1e3);
        let mut link = node::link(&credentials).await?;
        link.ask_ok("POST", &path, &[], Bytes::from_static(b"first")).await?;
        answers.push(began.elapsed().as_secs_f64() * 1e3);
        drop(process);
        dir = Node::start_in(dir, 0).await?.into_dir();
    }
    table.add("start until connections are accepted", "ms", accepts);
    table.add("start until the first answer of a task", "ms", answers);
    Ok(())
}

/// A port that nobody listened on a moment ago.
fn free_port() -> Result<u16> {
    Ok(std::net::TcpListener::bind("127.0.0.1:0")?.local_addr()?.port())
}
