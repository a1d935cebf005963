//! The receipt: made from proof of the scrub, and on its way into the log before the answer leaves.

use notrace_policy_promise::cohosting::{Apart, ApartFact, Cohosting};
use notrace_policy_promise::digest::Digest;
use notrace_policy_promise::receipt::{
    Commitment, Passage, Receipt, Scrub, ScrubCheck, ScrubFact, Span, TrustLevel,
};
use notrace_policy_promise::release::Release;
use notrace_policy_rules::{Grant, Seen};
use notrace_runtime_worker::Scrubbed;

use crate::clock;
use crate::identity::fill;
use crate::node::Node;
use crate::refusal::Refusal;
use crate::request::Reply;
use crate::request::commit::Commit;
use crate::request::read::Cut;
use crate::request::release::Verdict;

/// Digests that every receipt of this node repeats.
pub(crate) struct Facts {
    pub(crate) config: Digest,
    pub(crate) node: Digest,
}

/// What the receipt needs of a request after the request itself is gone.
pub(super) struct Asked {
    cut: u64,
    began_unix_micros: u64,
    /// What a client that sealed its request knows its receipt by.
    request: Option<Commitment>,
    release: Release,
}

impl Asked {
    pub(super) fn of(cut: &Cut, request: Option<Commitment>, release: Release) -> Self {
        let began_unix_micros = clock::unix_micros();
        Self { cut: cut.version.to_wire(), began_unix_micros, request, release }
    }
}

/// Puts the run's receipt on its way into the log, and only then gives the answer out.
/// # Errors  [`Refusal::OutcomeUnknown`]: it ran, and the answer is dropped. A node whose ledger
/// takes no receipts takes no runs either, until it does again.
pub(super) fn receipt(
    node: &Node,
    asked: Asked,
    grant: &Grant,
    scrubbed: &Scrubbed,
    commit: Commit,
    verdict: Verdict,
) -> Result<Reply, Refusal> {
    let facts = node.facts();
    let mut random = [[0; 32]; 2];
    for drawn in &mut random {
        fill(drawn).map_err(|_| Refusal::Internal("drawing a salt"))?;
    }
    let [salt, nonce] = random;
    let receipt = Receipt {
        task: grant.task(),
        promise: node.promise().digest(),
        rules: grant.rules(),
        config: facts.config,
        node: facts.node,
        trust: TrustLevel::Software,
        slot: verdict.slot,
        passage: match grant.seen() {
            Seen::Plain => Passage::Plain,
            Seen::Sealed => Passage::Sealed,
        },
        cut: asked.cut,
        commit: commit.version.map(|version| version.to_wire()),
        ended: verdict.ended,
        // A plain request brings no nonce of the client's, so the receipt is bound to one of ours.
        request: asked.request.unwrap_or(Commitment::to(&nonce, &[])),
        scrub: scrub_facts(node, scrubbed),
        check: ScrubCheck::None,
        span: Span::between(asked.began_unix_micros / 1_000_000, clock::unix_micros() / 1_000_000),
        release: asked.release,
        cohosting: node.config().workers.cohosting,
        apart: apart_facts(node),
    };
    #[cfg(feature = "planted-leaks")]
    let receipt = crate::leak::receipt(receipt);
    let appended = node.ledger().append(receipt, salt).map_err(|_| Refusal::OutcomeUnknown)?;
    Ok(Reply { answer: verdict.answer, receipt: appended.id })
}

fn scrub_facts(node: &Node, scrubbed: &Scrubbed) -> Scrub {
    let posture = node.known_posture();
    let known = [
        // A `Scrubbed` exists only once these four hold.
        (ScrubFact::WorkerReaped, true),
        (ScrubFact::SingleUse, true),
        (ScrubFact::AddressSpaceDestroyed, true),
        (ScrubFact::KeysWiped, true),
        (ScrubFact::SecretMemory, scrubbed.secret_memory()),
        (ScrubFact::KernelZeroOnFree, posture.holds(&["kernel_zero_on_free"])),
        (ScrubFact::NoCoreDumps, posture.holds(&["no_core_dump", "not_dumpable"])),
        (ScrubFact::NoSwap, posture.holds(&["swap_off"])),
    ];
    let held: Vec<ScrubFact> =
        known.into_iter().filter(|(_, holds)| *holds).map(|(fact, _)| fact).collect();
    Scrub::of(&held)
}

/// What kept the run apart from others on its hardware. A run that could not be put on its core did
/// not take place.
fn apart_facts(node: &Node) -> Apart {
    let posture = node.known_posture();
    let mode = node.config().workers.cohosting;
    let known = [
        (ApartFact::CoreAlone, mode != Cohosting::Shared),
        (ApartFact::NodeAlone, mode == Cohosting::TenantExclusiveNode),
        (ApartFact::CoreScheduled, posture.holds(&["core_scheduling"])),
        (ApartFact::CacheFlushed, posture.holds(&["cache_flush"])),
        (ApartFact::BranchesFlushed, posture.holds(&["indirect_branch_off"])),
        (ApartFact::NoSiblings, posture.holds(&["smt_off"])),
    ];
    let held = known.into_iter().filter(|(_, holds)| *holds);
    Apart::of(&held.map(|(fact, _)| fact).collect::<Vec<_>>())
}
