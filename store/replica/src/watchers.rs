//! Those who wait for the order to advance, or for what was ordered to become safe.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use futures_channel::oneshot;
use notrace_store_protocol::ids::Version;

/// How far something has come, and who waits for more.
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

    /// Everything up to `frontier` has.
    pub(crate) fn advance(&self, frontier: Version) {
        self.frontier.store(frontier.to_wire(), Ordering::Release);
        self.look_again();
    }

    /// Another history took the place of the one so far; whoever waits looks again.
    pub(crate) fn reset(&self, frontier: Version) {
        self.advance(frontier);
    }

    /// There will be no more.
    pub(crate) fn close(&self) {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner).closed = true;
        self.look_again();
    }

    /// Wakes whoever waits.
    pub(crate) fn look_again(&self) {
        let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        let senders = std::mem::take(&mut waiting.senders);
        drop(waiting);
        for sender in senders {
            // Whoever does not wait any more need not be woken.
            let _ = sender.send(());
        }
    }

    /// Waits until more than `version` has; `false` if that will not be.
    pub(crate) async fn advanced_past(&self, version: Version) -> bool {
        self.settled(|frontier| (frontier > version).then_some(true)).await
    }

    /// Waits until `version` has; `false` if that will not be, or once it does not mean the same.
    pub(crate) async fn reached(&self, version: Version, still: impl Fn() -> bool) -> bool {
        self.settled(|frontier| match still() {
            false => Some(false),
            true => (frontier >= version).then_some(true),
        })
        .await
    }

    async fn settled(&self, judge: impl Fn(Version) -> Option<bool>) -> bool {
        loop {
            let wait = {
                let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
                // Looked at under the lock, which `advance` takes after it has stored.
                if let Some(judged) = judge(self.frontier()) {
                    return judged;
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

/// A value that changes, and those who wait for it to.
pub(crate) struct Changes<T> {
    state: Mutex<State<T>>,
}

struct State<T> {
    value: Arc<T>,
    waiting: Vec<oneshot::Sender<()>>,
    closed: bool,
}

impl<T: PartialEq> Changes<T> {
    pub(crate) fn new(first: T) -> Self {
        let state = State { value: Arc::new(first), waiting: Vec::new(), closed: false };
        Self { state: Mutex::new(state) }
    }

    fn state(&self) -> MutexGuard<'_, State<T>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn latest(&self) -> Arc<T> {
        self.state().value.clone()
    }

    pub(crate) fn set(&self, value: T) {
        let mut state = self.state();
        if *state.value == value {
            return;
        }
        state.value = Arc::new(value);
        let waiting = std::mem::take(&mut state.waiting);
        drop(state);
        for sender in waiting {
            // Whoever does not wait any more need not be woken.
            let _ = sender.send(());
        }
    }

    /// There will be no more.
    pub(crate) fn close(&self) {
        let mut state = self.state();
        state.closed = true;
        state.waiting.clear();
    }

    pub(crate) async fn when(&self, wanted: impl Fn(&T) -> bool) -> Option<Arc<T>> {
        loop {
            let wait = {
                let mut state = self.state();
                if wanted(&state.value) {
                    return Some(state.value.clone());
                }
                if state.closed {
                    return None;
                }
                let (sender, wait) = oneshot::channel();
                state.waiting.retain(|sender| !sender.is_canceled());
                state.waiting.push(sender);
                wait
            };
            // However it ends, there is something new to look at.
            let _ = wait.await;
        }
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
