//! Two secrets, one transcript: where a pool lets nothing show, nobody outside can tell which it
//! was; and the same eyes see it where the pool lets them.

#![cfg(test)]

use anyhow::{Result, ensure};
use notrace_tests_observer::stage::{OPEN, QUANTUM, Stage};
use notrace_tests_observer::timing::{T_MAX, measure};
use notrace_tests_observer::{kept, pairs, table};

const RUNS: usize = 30;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_secrets_leave_one_transcript() -> Result<()> {
    let stage = Stage::set().await?;
    let told = pairs::all(&stage).await?;
    let faults = table::faults(&told);
    ensure!(faults.is_empty(), "{faults:#?}\n{}", table::of(&told));
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_worker_that_is_killed_leaves_the_same_as_one_that_answers() -> Result<()> {
    let stage = Stage::set().await?;
    let killed = pairs::killed(&stage).await?;
    ensure!(killed.by.iter().all(Vec::is_empty), "{:?}", killed.by);
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_stays_of_two_secrets_is_the_same() -> Result<()> {
    let stage = Stage::set().await?;
    let one = kept::added(&stage, QUANTUM, 0).await?;
    let other = kept::added(&stage, QUANTUM, 1).await?;
    ensure!(one == other, "{one:?}\n{other:?}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_time_within_a_quantum_tells_nothing() -> Result<()> {
    let stage = Stage::set().await?;
    let open = measure(&stage, OPEN, RUNS).await?;
    ensure!(open.t.abs() > T_MAX, "t = {} where everything shows", open.t);
    let quantum = measure(&stage, QUANTUM, RUNS).await?;
    ensure!(quantum.t.abs() < T_MAX, "t = {} within a quantum", quantum.t);
    Ok(())
}
