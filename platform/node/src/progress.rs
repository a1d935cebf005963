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
    /// The task was removed before it was settled; there will be no other state.
    removed: bool,
}

impl Progress {
    #[expect(clippy::disallowed_methods, reason = "elapsed time is shown to whoever follows")]
    pub(crate) fn follow(states: watch::Receiver<Compiling>) -> Self {
        Self { states, since: Instant::now(), told: false, removed: false }
    }

    /// The state now, and from the second call on the next one. A task that is removed while it
    /// compiles has failed.
    /// # Cancel  Dropping the future loses no state.
    pub async fn next(&mut self) -> TaskState {
        let gone = self.told && self.states.changed().await.is_err();
        self.told = true;
        let state = self.states.borrow_and_update().state();
        self.removed = gone && state == TaskState::Compiling;
        if self.removed { TaskState::Failed } else { state }
    }

    /// How long it has been followed.
    pub fn elapsed(&self) -> Duration {
        self.since.elapsed()
    }

    /// Why the task will not become runnable, if so.
    pub fn failure(&self) -> Option<Refusal> {
        if self.removed { Some(Refusal::TaskUnknown) } else { self.states.borrow().failure() }
    }
}

#[cfg(test)]
mod following {
    use super::*;

    #[tokio::test]
    async fn tells_each_state_once() {
        let (states, watched) = watch::channel(Compiling::Running);
        let mut progress = Progress::follow(watched);
        assert_eq!(progress.next().await, TaskState::Compiling);
        states.send_replace(Compiling::Ready);
        assert_eq!(progress.next().await, TaskState::Ready);
        assert!(progress.failure().is_none());
    }

    #[tokio::test]
    async fn ends_when_the_task_is_removed_before_it_is_compiled() {
        let (states, watched) = watch::channel(Compiling::Running);
        let mut progress = Progress::follow(watched);
        assert_eq!(progress.next().await, TaskState::Compiling);
        drop(states);
        assert_eq!(progress.next().await, TaskState::Failed);
        assert!(matches!(progress.failure(), Some(Refusal::TaskUnknown)));
    }
}
