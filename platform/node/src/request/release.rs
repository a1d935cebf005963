//! May this answer leave, and to whom?

use notrace_policy_promise::private::Private;
use notrace_policy_promise::receipt::Ended;
use notrace_policy_rules::{Grant, Principal, Seen, release as release_of};
use notrace_runtime_worker::{End, KillReason, Limits, Outcome, Resource};

use crate::node::Node;
use crate::refusal::Refusal;

/// What may leave of a run. Only [`release`] makes one.
pub(super) struct Verdict {
    /// The answer, or why there is none.
    pub(super) answer: Result<Private<Vec<u8>>, Refusal>,
    /// How the run ended.
    pub(super) end: End,
    /// What the receipt says of that.
    pub(super) ended: Ended,
    /// The run's number.
    pub(super) slot: u64,
}

/// Lets the answer go, or drops it.
pub(super) fn release(
    node: &Node,
    grant: &Grant,
    principal: &Principal,
    outcome: Outcome,
    limits: &Limits,
) -> Verdict {
    let end = outcome.end;
    #[cfg(feature = "planted-leaks")]
    crate::leak::of_outcome(node, &outcome);
    // The rules as they are now: a right that was taken away while the task ran is gone.
    let leave = node.rules().and_then(|rules| Ok(release_of(&rules, grant, principal)?));
    let answer = match leave {
        Err(refusal) => Err(refusal),
        Ok(_) => match end {
            End::Answered => Ok(outcome.answer),
            End::Failed { exit } => {
                let (message, sealed) = (outcome.message, outcome.failure);
                Err(Refusal::TaskFailed { message, exit, sealed })
            }
            End::Trapped(kind) => {
                let (frames, sealed) = (outcome.message, outcome.failure);
                Err(Refusal::TaskTrapped { kind, frames, sealed })
            }
            End::Exhausted(resource) => Err(exhausted(resource, grant, &outcome, limits)),
            End::Killed(reason) => Err(killed(node, grant, reason, &outcome, limits)),
        },
    };
    Verdict { answer, end, ended: end.into(), slot: outcome.slot }
}

fn exhausted(resource: Resource, grant: &Grant, outcome: &Outcome, limits: &Limits) -> Refusal {
    let (limit, used) = match resource {
        Resource::Fuel => (limits.fuel, Some(outcome.fuel_used)),
        Resource::Time => (limits.wall.as_millis() as u64, None),
        Resource::Memory => (limits.memory_bytes, Some(outcome.memory_peak_bytes)),
        Resource::Output => (limits.output_bytes, None),
    };
    // How much a task used tells of what it was given.
    let used = used.filter(|_| grant.seen() == Seen::Plain);
    Refusal::TaskExhausted { resource, limit, used }
}

/// What a worker that did not come to an end of its own means for the requester.
fn killed(
    node: &Node,
    grant: &Grant,
    reason: KillReason,
    outcome: &Outcome,
    limits: &Limits,
) -> Refusal {
    match reason {
        KillReason::Time | KillReason::Processor => {
            exhausted(Resource::Time, grant, outcome, limits)
        }
        KillReason::Fault | KillReason::Seccomp | KillReason::Outside => Refusal::TaskKilled,
        KillReason::Panic | KillReason::Garbled => Refusal::Internal("its worker"),
        KillReason::NotAuthentic => Refusal::Internal("opening an object; the store is damaged"),
        KillReason::SealBroken => Refusal::SealBroken,
        KillReason::CodeRefused => {
            // Made by another build of ours; the next run finds none and has it compiled anew.
            node.codes().remove(grant.task());
            Refusal::TaskCompiling
        }
    }
}
