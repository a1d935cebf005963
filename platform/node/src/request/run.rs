//! The run itself, in a worker of its own.

use std::time::Duration;

use notrace_policy_promise::digest::{Digest, Domain};
use notrace_policy_promise::limits::RUN_ARGS_MAX;
use notrace_policy_rules::{Grant, Principal};
use notrace_runtime_worker::{Given, Job, Limits, Outcome, Residue, RunError, Tenant};

use crate::identity::fill;
use crate::node::Node;
use crate::refusal::Refusal;
use crate::request::read::Cut;

/// What a run may use up: the node's bounds, and within them the time that the client asks for and
/// the answer that `fits` the size in which it leaves.
/// # Errors  [`Refusal::TooMuch`] for more time than the node gives anybody.
pub(super) fn limits(node: &Node, timeout: Option<Duration>, fits: u64) -> Result<Limits, Refusal> {
    let bounds = &node.config().task;
    let wall = timeout.unwrap_or(bounds.wall);
    if wall > bounds.wall_max {
        let most = bounds.wall_max.as_millis() as u64;
        return Err(Refusal::TooMuch { what: "the timeout in milliseconds", most });
    }
    Ok(Limits {
        fuel: bounds.fuel,
        memory_bytes: bounds.memory_bytes,
        output_bytes: bounds.output_bytes.min(fits),
        wall,
        ..Limits::default()
    })
}

/// Runs the granted task once on the cut.
/// # Errors  [`Refusal::Busy`] when no worker is free in time; [`Refusal::TaskCompiling`] and
/// [`Refusal::TaskUnknown`] when there is no code.
/// # Cancel  Dropping the future kills the worker.
pub(super) async fn run(
    node: &Node,
    grant: &Grant,
    cut: Cut,
    given: Given,
    limits: Limits,
    principal: &Principal,
) -> Result<(Outcome, Residue), Refusal> {
    // Nobody in particular is one tenant, too; the rules let none of them run anything.
    let tenant = Tenant(match principal {
        Principal::Owner { id, .. } => *id,
        Principal::Anonymous => Digest::of(Domain::Session, b"anonymous"),
    });
    let code = node.code(grant.task()).await?;
    if matches!(&given, Given::Plain { args, .. } if args.len() > RUN_ARGS_MAX) {
        return Err(Refusal::TooMuch {
            what: "the number of arguments",
            most: RUN_ARGS_MAX as u64,
        });
    }
    #[cfg(feature = "planted-leaks")]
    crate::leak::of_run(&given);
    let mut seed = [0; 32];
    fill(&mut seed).map_err(|_| Refusal::Internal("drawing a seed"))?;
    let job = Job {
        tenant,
        code,
        given,
        objects: cut.objects,
        time_unix_micros: cut.time_unix_micros,
        seed,
        limits,
    };
    let wait = node.config().workers.wait;
    node.workers().run(job, wait).await.map_err(|error| match error {
        RunError::Busy => Refusal::Busy { retry_after: Duration::from_secs(1) },
        _ => Refusal::Internal("handing a task to its worker"),
    })
}
