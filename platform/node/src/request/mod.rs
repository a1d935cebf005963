//! A request's life, in one direction. Each step takes what only the step before can give.

mod admit;
mod commit;
mod place;
mod read;
mod receipt;
mod release;
mod run;
mod unseal;

use std::time::Duration;

use notrace_policy_promise::digest::Digest;
use notrace_policy_promise::name::ObjectName;
use notrace_policy_promise::private::Private;
use notrace_policy_rules::{Principal, Seen};
use notrace_runtime_worker::scrub;

use crate::ledger::ReceiptId;
use crate::node::Node;
use crate::refusal::Refusal;

pub(crate) use receipt::Facts;

/// What a client asks for: one run of one task.
pub struct Call {
    /// Who asks.
    pub principal: Principal,
    /// Which task.
    pub task: Digest,
    /// The objects it names, in order.
    pub objects: Vec<ObjectName>,
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
    let grant = admit::admit(&node, &call)?;
    let site = place::place(&node, &grant)?;
    let limits = run::limits(&node, call.timeout)?;
    let unsealed = unseal::unseal(&node, &grant, &call.objects, call.body)?;
    let cut = read::read(&node, &grant, &site).await?;
    let asked = receipt::Asked::of(&cut, unsealed.request);
    let principal = call.principal;
    let (outcome, residue) = run::run(&node, &grant, cut, unsealed.given, limits).await?;
    node.telemetry().run_ended(&outcome.end);
    let scrubbed = scrub(residue).await;
    let commit = commit::commit(&grant, &outcome);
    let verdict = release::release(&node, &grant, &principal, outcome, &limits);
    receipt::receipt(&node, asked, &grant, &scrubbed, commit, verdict)
}
