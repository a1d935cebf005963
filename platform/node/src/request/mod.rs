//! A request's life, in one direction. Each step takes what only the step before can give.

mod admit;
mod commit;
mod place;
mod read;
mod receipt;
mod release;
mod run;
mod shows;
mod unseal;

use std::time::Duration;

use notrace_policy_promise::digest::Digest;
use notrace_policy_promise::label::Label;
use notrace_policy_promise::name::ObjectName;
use notrace_policy_promise::private::Private;
use notrace_policy_rules::{Principal, Seen};
use notrace_runtime_worker::scrub;
use tokio::time::Instant;

use crate::ledger::ReceiptId;
use crate::node::Node;
use crate::refusal::Refusal;
use shows::Shows;

pub(crate) use receipt::Facts;

/// What a client asks for: one run of one task.
pub struct Call {
    /// Who asks.
    pub principal: Principal,
    /// Which task.
    pub task: Digest,
    /// The objects it names, in order.
    pub objects: Vec<ObjectName>,
    /// The labels that the answer is not to carry; the rules say who may take them off.
    pub declassify: Vec<Label>,
    /// What the task is given besides them.
    pub body: Body,
    /// How long the client lets it run; the node's default if not said.
    pub timeout: Option<Duration>,
}

/// What a task is given besides objects, and how it came.
pub enum Body {
    /// In the clear, inside TLS that ends in this process.
    Plain {
        /// The task's arguments, in order.
        args: Vec<Private<String>>,
        /// Its input.
        input: Private<Vec<u8>>,
    },
    /// Sealed to this node's request key; arguments and input are in there.
    Sealed(Vec<u8>),
}

impl Body {
    fn seen(&self) -> Seen {
        match self {
            Body::Plain { .. } => Seen::Plain,
            Body::Sealed(_) => Seen::Sealed,
        }
    }
}

/// What came of a run that took place. It has a receipt, whether it has an answer or not.
pub struct Reply {
    /// The answer, or how the task failed to give one; sealed if the call was.
    pub answer: Result<Private<Vec<u8>>, Refusal>,
    /// Under which id the receipt can be fetched.
    pub receipt: ReceiptId,
}

/// Serves one call from leave to receipt.
/// # Errors  [`Refusal`] before the run; nothing was run then.
pub(crate) async fn serve(node: Node, call: Call) -> Result<Reply, Refusal> {
    let arrived = Instant::now();
    let grant = admit::admit(&node, &call)?;
    let site = place::place(&node, &grant)?;
    let shows = Shows::of(&node, &grant);
    let _place = shows.place(&node)?;
    let limits = run::limits(&node, call.timeout, shows.fits())?;
    let unsealed = unseal::unseal(&node, &grant, &call.objects, call.body, shows.release)?;
    let cut = read::read(&node, &grant, &site).await?;
    let asked = receipt::Asked::of(&cut, unsealed.request, shows.release);
    let principal = call.principal;
    let (outcome, residue) =
        run::run(&node, &grant, cut, unsealed.given, limits, &principal).await?;
    node.telemetry().run_ended(&outcome.end);
    let scrubbed = scrub(residue).await;
    let commit = commit::commit(&grant, &outcome);
    let verdict = release::release(&node, &grant, &principal, outcome, &limits);
    let verdict = shows.alike(verdict, unsealed.word);
    // From here on there is nothing of the run that could show how long it took: its receipt, too,
    // goes into the log when its answer leaves.
    shows.wait(arrived, limits.wall + node.config().workers.wait).await;
    receipt::receipt(&node, asked, &grant, &scrubbed, commit, verdict)
}
