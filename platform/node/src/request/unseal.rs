//! Whether a sealed request is for this, and the keys with which the worker will open it.

use notrace_policy_promise::name::ObjectName;
use notrace_policy_promise::receipt::Commitment;
use notrace_policy_promise::release::Release;
use notrace_policy_rules::Grant;
use notrace_runtime_worker::Given;
use notrace_sdk_seal::{Binding, SealedRequest, WordKey};

use crate::node::Node;
use crate::refusal::Refusal;
use crate::request::Body;
use crate::request_keys::Now;

/// What goes to the worker, and what the receipt is bound to. Only [`unseal`] makes one.
pub(super) struct Unsealed {
    pub(super) given: Given,
    pub(super) request: Option<Commitment>,
    /// What the node's word is sealed with, if the worker cannot say what became of the run.
    pub(super) word: Option<WordKey>,
}

/// Derives a sealed request's keys. Nothing is opened here: what the client sealed goes on to the
/// worker as it is. A plain body passes.
/// # Errors  [`Refusal::SealMalformed`], and all that says that it is not for this node, not for
/// this run, or was here before.
pub(super) fn unseal(
    node: &Node,
    grant: &Grant,
    objects: &[ObjectName],
    body: Body,
    release: Release,
) -> Result<Unsealed, Refusal> {
    let bytes = match body {
        Body::Plain { args, input } => {
            let given = Given::Plain { args, input };
            return Ok(Unsealed { given, request: None, word: None });
        }
        Body::Sealed(bytes) => bytes,
    };
    let request = SealedRequest::parse(bytes).map_err(Refusal::SealMalformed)?;
    let binding = Binding { task: grant.task(), promise: node.promise().digest(), objects };
    let keys = node.request_keys().take(&request, &binding, Now::read())?;
    let commitment = keys.commitment(request.nonce());
    let word = Some(keys.word_key());
    let Release { sizes, failures, .. } = release;
    let given = Given::Sealed { keys, content: request.into_content(), sizes, failures };
    Ok(Unsealed { given, request: Some(commitment), word })
}
