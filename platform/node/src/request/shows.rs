//! What of a run shows outside, as the pools that it reads allow.

use std::time::Duration;

use notrace_policy_promise::private::Private;
use notrace_policy_promise::receipt::Ended;
use notrace_policy_promise::release::{Failures, Release, Sizes, Times};
use notrace_policy_rules::{Grant, Seen};
use notrace_runtime_worker::{End, KillReason};
use notrace_sdk_seal::WordKey;
use notrace_sdk_seal::limits::answer_room;
use tokio::sync::SemaphorePermit;
use tokio::time::{Instant, sleep_until};

use crate::limits::DEADLINE_SPARE;
use crate::node::Node;
use crate::refusal::Refusal;
use crate::request::release::Verdict;

/// What shows.
#[derive(Clone, Copy)]
pub(super) struct Shows {
    pub(super) release: Release,
}

impl Shows {
    /// No more than each pool allows; what is usual on this node where none is read. What comes in
    /// the clear has neither a place for zeros nor one for a failure that looks like an answer.
    pub(super) fn of(node: &Node, grant: &Grant) -> Self {
        let release = grant.release(node.config().release);
        Self {
            release: match grant.seen() {
                Seen::Sealed => release,
                Seen::Plain => Release { sizes: Sizes::Exact, failures: Failures::Told, ..release },
            },
        }
    }

    /// The longest answer that fits the size in which it leaves.
    pub(super) fn fits(&self) -> u64 {
        answer_room(self.release.sizes) as u64
    }

    /// A place for an answer to wait in, had before its run: for how many there are is not the
    /// run's doing.
    /// # Errors  [`Refusal::Busy`]
    pub(super) fn place<'a>(&self, node: &'a Node) -> Result<Option<SemaphorePermit<'a>>, Refusal> {
        if self.release.times == Times::AtOnce {
            return Ok(None);
        }
        let busy = Refusal::Busy { retry_after: Duration::from_secs(1) };
        node.waiting().try_acquire().map(Some).map_err(|_| busy)
    }

    /// Lets a failure look like an answer where it shall. Of a worker that lived to its end it does
    /// already; of one that did not, the node says under the seal what became of it. What the
    /// client or the node did wrong, and not the task, is told as ever: it says nothing of data.
    pub(super) fn alike(&self, verdict: Verdict, word: Option<WordKey>) -> Verdict {
        let (Failures::Alike, Some(word)) = (self.release.failures, word) else { return verdict };
        let said = match verdict.end {
            End::Killed(reason) => match reason {
                KillReason::Time | KillReason::Processor => Some(Ended::TimeExhausted),
                KillReason::NotAuthentic | KillReason::SealBroken | KillReason::CodeRefused => {
                    return verdict;
                }
                _ => Some(Ended::Killed),
            },
            _ => None,
        };
        let answer = match said.map(|ended| word.seal(ended, self.release.sizes)) {
            Some(Ok(said)) => Ok(Private::new(said)),
            _ => verdict.answer,
        };
        Verdict { answer, ended: Ended::Withheld, ..verdict }
    }

    /// Returns when what came of a request that arrived then may leave. `given` is all the time
    /// that it had: for waiting its turn, and for running.
    pub(super) async fn wait(&self, arrived: Instant, given: Duration) {
        let ready = arrived.elapsed();
        let leaves = self.release.times.leaves(ready, given + DEADLINE_SPARE);
        if leaves > ready {
            sleep_until(arrived + leaves).await;
        }
    }
}
