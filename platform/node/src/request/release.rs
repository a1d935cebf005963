//! May this answer leave, and to whom?

use notrace_policy_promise::private::Private;
use notrace_policy_rules::{Grant, Principal};
use notrace_runtime_worker::{End, KillReason, Outcome, Resource};

use crate::node::Node;
use crate::refusal::Refusal;

/// What may leave of a run. Only [`release`] makes one.
pub(super) struct Verdict {
    /// The answer, or why there is none.
    pub(super) answer: Result<Private<Vec<u8>>, Refusal>,
    /// How the run ended, for the receipt.
    pub(super) end: End,
    /// The run's number.
    pub(super) slot: u64,
}

/// Lets the answer go, or drops it.
pub(super) fn release(
    node: &Node,
    grant: &Grant,
    principal: &Principal,
    outcome: Outcome,
) -> Verdict {
    let end = outcome.end;
    let answer = match notrace_policy_rules::release(node.rules(), grant, principal) {
        Err(denied) => Err(denied.into()),
        Ok(_) => match end {
            End::Answered => Ok(outcome.answer),
            End::Failed { exit } => Err(Refusal::TaskFailed { message: outcome.message, exit }),
            End::Trapped(kind) => Err(Refusal::TaskTrapped(kind)),
            End::Exhausted(resource) => Err(Refusal::TaskExhausted(resource)),
            End::Killed(reason) => Err(killed(reason)),
        },
    };
    Verdict { answer, end, slot: outcome.slot }
}

/// What a worker that did not come to an end of its own means for the requester.
fn killed(reason: KillReason) -> Refusal {
    match reason {
        KillReason::Time | KillReason::Processor => Refusal::TaskExhausted(Resource::Time),
        KillReason::Fault | KillReason::Seccomp | KillReason::Outside => Refusal::TaskKilled,
        KillReason::Panic | KillReason::Garbled => Refusal::Internal("its worker"),
        KillReason::NotAuthentic => Refusal::Internal("opening an object; the store is damaged"),
        KillReason::CodeRefused => Refusal::TaskCompiling,
    }
}
