//! Those who wait for the order to advance.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};

use futures_channel::oneshot;
use notrace_store_protocol::ids::Version;

/// How far the order was applied, and who waits for more.
pub(crate) struct Watchers {
    frontier: AtomicU64,
    waiting: Mutex<Waiting>,
}

struct Waiting {
    senders: Vec<oneshot::Sender<()>>,
    /// When to look for those who have gone; so that many short waits on an idle replica do not
    /// pile up, and looking costs little.
    sweep_at: usize,
    closed: bool,
}

const SWEEP_MIN: usize = 64;

impl Watchers {
    pub(crate) fn new(frontier: Version) -> Self {
        let waiting = Waiting { senders: Vec::new(), sweep_at: SWEEP_MIN, closed: false };
        Self { frontier: AtomicU64::new(frontier.to_wire()), waiting: Mutex::new(waiting) }
    }

    pub(crate) fn frontier(&self) -> Version {
        Version::from_wire(self.frontier.load(Ordering::Acquire))
    }

    /// Everything up to `frontier` is applied.
    pub(crate) fn advance(&self, frontier: Version) {
        self.frontier.store(frontier.to_wire(), Ordering::Release);
        self.wake(false);
    }

    /// There will be no more.
    pub(crate) fn close(&self) {
        self.wake(true);
    }

    fn wake(&self, close: bool) {
        let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        waiting.closed |= close;
        let senders = std::mem::take(&mut waiting.senders);
        drop(waiting);
        for sender in senders {
            // Whoever does not wait any more need not be woken.
            let _ = sender.send(());
        }
    }

    /// Waits until more than `version` is applied; `false` if that will not be.
    pub(crate) async fn advanced_past(&self, version: Version) -> bool {
        loop {
            let wait = {
                let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
                // Looked at under the lock, which `advance` takes after it has stored.
                if self.frontier() > version {
                    return true;
                }
                if waiting.closed {
                    return false;
                }
                waiting.wait()
            };
            // However it ends, there is something new to look at.
            let _ = wait.await;
        }
    }
}

impl Waiting {
    fn wait(&mut self) -> oneshot::Receiver<()> {
        if self.senders.len() >= self.sweep_at {
            self.senders.retain(|sender| !sender.is_canceled());
            self.sweep_at = SWEEP_MIN.max(2 * self.senders.len());
        }
        let (sender, wait) = oneshot::channel();
        self.senders.push(sender);
        wait
    }
}

#[cfg(test)]
mod those_who_wait {
    use std::pin::pin;
    use std::task::{Context, Waker};

    use super::*;

    #[test]
    fn briefly_on_an_idle_replica_do_not_pile_up() {
        let watchers = Watchers::new(Version::ZERO);
        let mut patient = pin!(watchers.advanced_past(Version::ZERO));
        let mut context = Context::from_waker(Waker::noop());
        assert!(patient.as_mut().poll(&mut context).is_pending());
        for _ in 0..10_000 {
            let mut hasty = pin!(watchers.advanced_past(Version::ZERO));
            assert!(hasty.as_mut().poll(&mut context).is_pending());
        }
        assert!(watchers.waiting.lock().unwrap().senders.len() <= SWEEP_MIN);
        watchers.advance(Version::from_wire(1));
        assert!(patient.as_mut().poll(&mut context).is_ready());
    }
}
