//! Time, in one place: a run's clock, and waiting for a moment of it.

use std::time::{Duration, Instant};

/// A run's clock. It is the machine's monotonic one, so faults do not move it.
#[derive(Clone, Copy, Debug)]
pub struct Clock(Instant);

impl Clock {
    /// A clock that stands at nought.
    #[must_use]
    pub fn start() -> Self {
        Self(now())
    }

    /// Nanoseconds since its start.
    #[must_use]
    pub fn nanos(&self) -> u64 {
        now().saturating_duration_since(self.0).as_nanos() as u64
    }

    /// How long it has been running.
    #[must_use]
    pub fn elapsed(&self) -> Duration {
        now().saturating_duration_since(self.0)
    }

    /// Waits until it has been running so long.
    pub async fn reach(&self, moment: Duration) {
        let never = std::future::pending::<()>();
        // A fault is due at a moment; there is nothing else to wait for.
        let _ = tokio::time::timeout_at((self.0 + moment).into(), never).await;
    }
}

/// Waits so long: the pause of a client between two calls, or before another attempt.
pub async fn pause(length: Duration) {
    let _ = tokio::time::timeout(length, std::future::pending::<()>()).await;
}

#[expect(clippy::disallowed_methods, reason = "a run measures when calls began and ended")]
fn now() -> Instant {
    Instant::now()
}
