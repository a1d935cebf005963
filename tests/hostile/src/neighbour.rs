//! An honest client at the same node, and how it fares.
#![expect(clippy::disallowed_methods, reason = "it times what it is answered")]

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use bytes::Bytes;
use notrace_sdk_wire::Credentials;
use notrace_tests_rig::node::link;

/// How long its requests took, sorted.
pub struct Times(Vec<Duration>);

impl Times {
    /// The time that so many of a thousand did not exceed.
    pub fn at(&self, per_mille: usize) -> Duration {
        let place = self.0.len() * per_mille / 1000;
        self.0.get(place.min(self.0.len().saturating_sub(1))).copied().unwrap_or_default()
    }

    /// How many requests there were.
    pub fn count(&self) -> usize {
        self.0.len()
    }
}

/// Runs an honest task with 1 KiB, one run after the other, until it is told to stop.
///
/// # Errors  One was not answered as it should be.
pub async fn runs(credentials: Credentials, path: String, stop: Arc<AtomicBool>) -> Result<Times> {
    let mut link = link(&credentials).await?;
    let said = Bytes::from_static(&[b'y'; 1024]);
    let mut times = Vec::new();
    while !stop.load(Ordering::Relaxed) {
        let began = Instant::now();
        let answer = link.ask_ok("POST", &path, &[], said.clone()).await;
        let answer = answer.context("the honest neighbour")?;
        times.push(began.elapsed());
        ensure!(answer == said, "the honest neighbour was answered otherwise");
    }
    times.sort_unstable();
    Ok(Times(times))
}
