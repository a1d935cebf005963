//! What members ask each other about the ledger: entries that one lacks, receipts that another has.

use std::sync::Arc;
use std::time::Duration;

use notrace_store_protocol::ids::NodeId;
use notrace_store_replica::SendError;
use tokio::time::Instant;

use super::LEDGER;
use crate::ledger::{Found, ReceiptId, Receipts};
use crate::limits::RECEIPT_ASK_MAX;
use crate::node::{Node, ReceiptState};
use crate::refusal::Refusal;

/// Asked of another member: entries of the log from a leaf on, and a receipt.
pub(super) const ENTRIES: u8 = 6;
/// See [`ENTRIES`].
pub(super) const RECEIPT: u8 = 7;

/// What a question for a receipt is answered with before the proof.
const READY: u8 = 0;
const PENDING: u8 = 1;
const UNKNOWN: u8 = 2;

impl Node {
    /// Sends this node's receipts, and has its log follow the book, until it ends.
    pub(super) fn keep_ledger(&self) {
        let ledger = self.ledger();
        let Some(outbox) = ledger.outbox().cloned() else { return };
        let weak = Arc::downgrade(ledger);
        let log = weak.clone();
        tokio::spawn(outbox.send(move || log.upgrade()));
        let node = self.downgrade();
        let fetch = move |first| {
            let node = Self::upgrade(&node);
            async move { node?.entries_elsewhere(first).await }
        };
        tokio::spawn(Receipts::follow(weak, fetch));
    }

    /// Has the group's ledger begin with this node's, if this is the first; and looks whether this
    /// node's is a beginning of the group's.
    /// # Errors  [`SendError`]: it is not known to have begun.
    pub(crate) async fn begin_ledger(&self) -> Result<(), SendError> {
        if self.leads(LEDGER) {
            self.ledger().begin_book().await?;
        }
        // What is astray takes no runs, and says so; the objects are not to suffer for it.
        let _ = self.ledger().check_against_book().await;
        Ok(())
    }

    fn other_members(&self) -> Vec<NodeId> {
        let status = self.group().member.status();
        let members = status.view.iter().flat_map(|view| &view.members).map(|member| member.node);
        members.filter(|node| *node != status.node).collect()
    }

    /// Entries of the log from this leaf on, from whoever has them.
    async fn entries_elsewhere(&self, first: u64) -> Option<Vec<u8>> {
        let call = [&[ENTRIES][..], &first.to_be_bytes()].concat();
        for member in self.other_members() {
            match self.group().member.p2p_send(member, call.clone()).await {
                Ok(told) if !told.is_empty() => return Some(told.to_vec()),
                _ => {}
            }
        }
        None
    }

    /// A receipt that this node does not know: another may have it, or have it on its way.
    /// # Errors  [`Refusal::ReceiptUnknown`]; [`Refusal::Unavailable`] if one that may know it
    /// could not be asked.
    pub(crate) async fn receipt_elsewhere(
        &self,
        id: ReceiptId,
        wait: Duration,
    ) -> Result<ReceiptState, Refusal> {
        if self.group().links.is_none() {
            return Err(Refusal::ReceiptUnknown);
        }
        let until = Instant::now() + wait;
        let mut silent = false;
        for member in self.other_members() {
            loop {
                let left = until.saturating_duration_since(Instant::now()).min(RECEIPT_ASK_MAX);
                let millis = left.as_millis() as u16;
                let id = id.to_string();
                let call = [&[RECEIPT][..], &millis.to_be_bytes(), id.as_bytes()].concat();
                let told = self.group().member.p2p_send(member, call).await.ok();
                match told.as_deref().and_then(|told| told.split_first()) {
                    Some((&READY, proof)) => {
                        let proof = String::from_utf8(proof.to_vec());
                        let proof = proof.map_err(|_| Refusal::Internal("reading a proof"))?;
                        return Ok(ReceiptState::Ready(proof));
                    }
                    Some((&PENDING, _)) if left.is_zero() => {
                        return Ok(ReceiptState::Pending { retry_after: Duration::from_secs(1) });
                    }
                    Some((&PENDING, _)) => continue,
                    Some((&UNKNOWN, _)) => {}
                    _ => silent = true,
                }
                break;
            }
        }
        Err(if silent { Refusal::Unavailable } else { Refusal::ReceiptUnknown })
    }

    /// Answers another member's question.
    pub(super) async fn tell_of_ledger(&self, call: &[u8]) -> Vec<u8> {
        match call.split_first() {
            Some((&ENTRIES, first)) => {
                let first = first.first_chunk().map(|first| u64::from_be_bytes(*first));
                first.map_or(Vec::new(), |first| self.ledger().entries(first))
            }
            Some((&RECEIPT, question)) => self.tell_of_receipt(question).await,
            _ => Vec::new(),
        }
    }

    async fn tell_of_receipt(&self, question: &[u8]) -> Vec<u8> {
        let Some((millis, id)) = question.split_first_chunk() else { return vec![UNKNOWN] };
        let wait = Duration::from_millis(u16::from_be_bytes(*millis).into()).min(RECEIPT_ASK_MAX);
        let id = core::str::from_utf8(id).ok().and_then(|id| id.parse().ok());
        let Some(id) = id else { return vec![UNKNOWN] };
        match self.ledger().receipt(id, Some(wait).filter(|wait| !wait.is_zero())).await {
            Found::Ready(proof) => [&[READY][..], proof.as_bytes()].concat(),
            Found::Pending { .. } => vec![PENDING],
            Found::Unknown => vec![UNKNOWN],
        }
    }
}
