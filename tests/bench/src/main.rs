//! Benchmarks: what a run, a put and a start cost, beside the same work done by another.
//!
//! Every figure is measured several times in one run and printed as least, median and greatest;
//! nothing here asserts a time. `cargo xtask bench` builds the release binary and runs this.
#![forbid(unsafe_code)]

mod table;

mod load;
mod peer;

mod handover;
mod idle;
mod runs;
mod start;
mod store;

mod cluster;
mod covert;

use std::io::Write as _;
use std::time::Duration;

use anyhow::Result;

/// How long one round of load lasts, and how many there are.
pub(crate) const ROUND: Duration = Duration::from_secs(3);
pub(crate) const ROUNDS: usize = 5;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<()> {
    let wanted: Vec<String> = std::env::args().skip(1).collect();
    if let Some((first, rest)) = wanted.split_first()
        && first == "--cluster"
    {
        return cluster::measure(rest).await;
    }
    // Not among the usual ones: it takes minutes, and wants a machine that is calm.
    if wanted == ["covert"] {
        return covert::measure().await;
    }
    let wants = |name: &str| wanted.is_empty() || wanted.iter().any(|wanted| wanted == name);
    let mut table = table::Table::default();
    if wants("start") {
        start::measure(&mut table).await?;
    }
    if wants("idle") {
        idle::measure(&mut table).await?;
    }
    if wants("handover") {
        handover::measure(&mut table).await?;
    }
    if wants("runs") {
        runs::measure(&mut table).await?;
    }
    if wants("peer") {
        peer::measure(&mut table).await?;
    }
    if wants("store") {
        store::measure(&mut table).await?;
    }
    std::io::stdout().write_all(table.to_string().as_bytes())?;
    Ok(())
}
