//! How far a task's compiling is, as a stream of states.

use std::time::{Duration, Instant};

use tokio::sync::watch;

use crate::refusal::Refusal;
use crate::tasks::{Compiling, TaskState};

/// Follows one task's compiling.
pub struct Progress {
    states: watch::Receiver<Compiling>,
    since: Instant,
    told: bool,
}

impl Progress {
    #[expect(clippy::disallowed_methods, reason = "elapsed time is shown to whoever follows")]
    pub(crate) fn follow(states: watch::Receiver<Compiling>) -> Self {
        Self { states, since: Instant::now(), told: false }
    }

    /// The state now, and from the second call on the next one.
    /// # Cancel  Dropping the future loses no state.
    pub async fn next(&mut self) -> TaskState {
        if self.told {
            // The sender is gone when the task was removed, and the last state is then final.
            let _ = self.states.changed().await;
        }
        self.told = true;
        self.states.borrow_and_update().state()
    }

    /// How long it has been followed.
    pub fn elapsed(&self) -> Duration {
        self.since.elapsed()
    }

    /// Why the task will not become runnable, if so.
    pub fn failure(&self) -> Option<Refusal> {
        self.states.borrow().failure()
    }
}
