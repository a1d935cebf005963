//! A request's life, in one direction. Each step takes what only the step before can give.

mod admit;
mod commit;
mod place;
mod read;
mod receipt;
mod release;
mod run;

use std::time::Duration;

use notrace_policy_promise::digest::Digest;
use notrace_policy_promise::name::ObjectName;
use notrace_policy_promise::private::Private;
use notrace_policy_rules::Principal;
use notrace_runtime_worker::scrub;

use crate::ledger::ReceiptId;
use crate::node::Node;
use crate::refusal::Refusal;

/// What a client asks for: one run of one task.
pub struct Call {
    /// Who asks.
    pub principal: Principal,
    /// Which task.
    pub task: Digest,
    /// The objects it names, in order.
    pub objects: Vec<ObjectName>,
    /// Its arguments, in order.
    pub args: Vec<Private<String>>,
    /// Its input.
    pub input: Private<Vec<u8>>,
    /// How long the client lets it run; the node's default if not said.
    pub timeout: Option<Duration>,
}

/// What came of a run that took place. It has a receipt, whether it has an answer or not.
pub struct Reply {
    /// The answer, or how the task failed to give one.
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
    let cut = read::read(&node, &grant, &site).await?;
    let asked = receipt::Asked::of(&cut);
    let principal = call.principal;
    let (outcome, residue) = run::run(&node, &grant, cut, call, limits).await?;
    let scrubbed = scrub(residue).await;
    let commit = commit::commit(&grant, &outcome);
    let verdict = release::release(&node, &grant, &principal, outcome, &limits);
    receipt::receipt(&node, asked, &grant, &scrubbed, commit, verdict)
}
