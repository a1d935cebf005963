//! Clocks: the only place of the store that reads one.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use notrace_store_protocol::time::Hlc;

/// Time as the replica sees it.
pub trait Clock: Send + 'static {
    /// What the wall clock says. It may step, also backwards.
    fn wall(&self) -> Hlc;

    /// Time since some point, which only rises.
    fn elapsed(&self) -> Duration;
}

/// The system's clocks.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    #[expect(clippy::disallowed_methods, reason = "the replica is the store's shell")]
    fn wall(&self) -> Hlc {
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        Hlc::from_unix_micros(u64::try_from(since.as_micros()).unwrap_or(u64::MAX))
    }

    #[expect(clippy::disallowed_methods, reason = "the replica is the store's shell")]
    fn elapsed(&self) -> Duration {
        static START: std::sync::OnceLock<Instant> = std::sync::OnceLock::new();
        START.get_or_init(Instant::now).elapsed()
    }
}

/// A clock that is moved by hand. Clones are the same clock.
#[derive(Clone, Debug, Default)]
pub struct ManualClock(Arc<AtomicU64>);

impl ManualClock {
    /// Sets microseconds, since the Unix epoch and since the beginning alike.
    pub fn set_micros(&self, micros: u64) {
        self.0.store(micros, Ordering::SeqCst);
    }
}

impl Clock for ManualClock {
    fn wall(&self) -> Hlc {
        Hlc::from_unix_micros(self.0.load(Ordering::SeqCst))
    }

    fn elapsed(&self) -> Duration {
        Duration::from_micros(self.0.load(Ordering::SeqCst))
    }
}
