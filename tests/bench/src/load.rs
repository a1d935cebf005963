//! Closed-loop load: some connections, each with one request at a time.

use std::time::{Duration, Instant};

use anyhow::Result;

use notrace_tests_rig::Link;

/// What one round of load saw.
pub(crate) struct Round {
    pub(crate) per_second: f64,
    pub(crate) p50_us: f64,
    pub(crate) p99_us: f64,
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
