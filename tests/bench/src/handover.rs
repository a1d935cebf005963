//! What it takes to hand a job to a worker that waits.
//!
//! A guest has no clock, so the hand-over itself cannot be timed from inside. It is bounded from
//! above: a worker that finds the code is not for its engine ends at once, without loading or
//! running anything, and the time until its death is seen holds the whole hand-over and the death.

use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use notrace_policy_promise::digest::{Digest, Domain};
use notrace_policy_promise::private::Private;
use notrace_runtime_worker::{
    Code, End, Given, Job, KillReason, Limits, Supervisor, SupervisorConfig, Tenant, scrub,
};
use notrace_tests_rig::node;

use crate::table::Table;

const RUNS: usize = 500;
const WAIT: Duration = Duration::from_secs(10);
/// Long enough for the pool to fill up again between two runs.
const PAUSE: Duration = Duration::from_millis(2);

pub(crate) async fn measure(table: &mut Table) -> Result<()> {
    let config = SupervisorConfig { exe: node::binary()?, ..SupervisorConfig::default() };
    let supervisor = Supervisor::start(config).await?;
    let module = std::fs::read(node::workspace().join("examples/echo/echo.wasm"))?;
    let digest = Digest::of(Domain::Module, &module);
    let code = supervisor.compile(digest, &Private::new(module)).await?.code;
    let refused = End::Killed(KillReason::CodeRefused);
    let cases = [
        ("hand-over and death alone (code refused at once)", code.altered()?, refused),
        ("1 KiB echo, until the worker is dead", code, End::Answered),
    ];
    for (what, code, end) in cases {
        let (p50, p99) = time(&supervisor, &code, end).await?;
        table.add(format!("{what}: p50"), "µs", p50);
        table.add(format!("{what}: p99"), "µs", p99);
    }
    supervisor.drain().await;
    Ok(())
}

#[expect(clippy::disallowed_methods, reason = "a benchmark measures time")]
async fn time(supervisor: &Supervisor, code: &Code, end: End) -> Result<(Vec<f64>, Vec<f64>)> {
    let (mut p50, mut p99) = (Vec::new(), Vec::new());
    for _ in 0..crate::ROUNDS {
        let mut took = Vec::new();
        for _ in 0..RUNS {
            let began = Instant::now();
            let (outcome, residue) = supervisor.run(job(code), WAIT).await?;
            took.push(began.elapsed().as_secs_f64() * 1e6);
            scrub(residue).await;
            ensure!(outcome.end == end, "it ended otherwise");
            tokio::time::sleep(PAUSE).await;
        }
        took.sort_by(f64::total_cmp);
        p50.extend(took.get(RUNS / 2));
        p99.extend(took.get(RUNS * 99 / 100));
    }
    Ok((p50, p99))
}

fn job(code: &Code) -> Job {
    Job {
        tenant: Tenant(Digest::of(Domain::Session, b"")),
        code: code.clone(),
        given: Given::plain(vec![b'x'; 1024]),
        objects: Vec::new(),
        time_unix_micros: 0,
        seed: [0; 32],
        limits: Limits::default(),
    }
}
