//! Closed-loop load: some connections, each with one request at a time.

use std::time::{Duration, Instant};

use anyhow::Result;

use notrace_tests_rig::Link;

use crate::table::Table;
use crate::{ROUND, ROUNDS};

/// What one round of load saw.
pub(crate) struct Round {
    pub(crate) per_second: f64,
    pub(crate) p50_us: f64,
    pub(crate) p99_us: f64,
}

/// Several rounds of `one` over every link, as three rows: how many a second, p50 and p99.
pub(crate) async fn rounds<F>(
    table: &mut Table,
    what: &str,
    links: &mut Vec<Link>,
    one: F,
) -> Result<()>
where
    F: AsyncFn(&mut Link, usize) -> Result<()> + Clone + 'static,
{
    let (mut rates, mut p50, mut p99) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        let round = round(links, ROUND, one.clone()).await?;
        rates.push(round.per_second);
        p50.push(round.p50_us);
        p99.push(round.p99_us);
    }
    table.add(format!("{what}: runs"), "1/s", rates);
    table.add(format!("{what}: p50"), "µs", p50);
    table.add(format!("{what}: p99"), "µs", p99);
    Ok(())
}

/// Runs `one` over every link for `length`, and tells how often and how long.
#[expect(clippy::disallowed_methods, reason = "a benchmark measures time")]
pub(crate) async fn round<F>(links: &mut Vec<Link>, length: Duration, one: F) -> Result<Round>
where
    F: AsyncFn(&mut Link, usize) -> Result<()> + Clone + 'static,
{
    let began = Instant::now();
    let local = tokio::task::LocalSet::new();
    let mut running = Vec::new();
    for (index, mut link) in links.drain(..).enumerate() {
        let one = one.clone();
        running.push(local.spawn_local(async move {
            let mut took = Vec::new();
            let mut count = 0;
            while began.elapsed() < length {
                let sent = Instant::now();
                one(&mut link, index * 1_000_000 + count).await?;
                took.push(sent.elapsed().as_secs_f64() * 1e6);
                count += 1;
            }
            Ok::<_, anyhow::Error>((link, took))
        }));
    }
    let mut took = Vec::new();
    let gathered = local.run_until(async {
        for task in running {
            let (link, times) = task.await??;
            links.push(link);
            took.extend(times);
        }
        Ok::<_, anyhow::Error>(())
    });
    gathered.await?;
    let seconds = began.elapsed().as_secs_f64();
    took.sort_by(f64::total_cmp);
    let at = |part: f64| {
        let index = (took.len() as f64 * part) as usize;
        took.get(index.min(took.len().saturating_sub(1))).copied().unwrap_or(f64::NAN)
    };
    Ok(Round { per_second: took.len() as f64 / seconds, p50_us: at(0.5), p99_us: at(0.99) })
}
