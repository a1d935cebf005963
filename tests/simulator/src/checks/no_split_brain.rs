//! No split brain: there is one view of each number, decided by more than half of the members of
//! the one before it, who will know that in their next lives.
//!
//! That no two views of one number are installed is noted in [`super::history`]. Here: when a view
//! is installed first, its acceptance is on the disks of a majority. That a minority acknowledges
//! nothing follows, and is asked by the checks of the trim and of durability, because whatever it
//! acknowledged would be missing in the majority's next epoch.
//!
//! Source: single-decree consensus, Lamport, "The Part-Time Parliament" (1998), conditions B1 to
//! B3; one active majority for each view in Jha et al., "Derecho", TOCS 2019, §3.3.

use std::collections::BTreeMap;

use notrace_store_protocol::ids::ViewId;
use notrace_store_protocol::row::Proposal;
use notrace_store_protocol::view::View;

use super::history::History;
use super::{Verdict, violated};
use crate::world::node::{bit, index};

/// Who has written down that it accepts a view, and in which ballot.
#[derive(Default)]
pub(crate) struct NoSplitBrain {
    accepted: BTreeMap<(ViewId, u32, u16), u64>,
}

impl NoSplitBrain {
    /// A node's acceptance of a proposal is on its disk.
    pub(crate) fn accepted(&mut self, node: usize, proposal: &Proposal) {
        let ballot = proposal.ballot;
        let key = (proposal.view.id, ballot.attempt, ballot.rank.0);
        *self.accepted.entry(key).or_default() |= bit(node);
    }

    /// A view is installed for the first time.
    pub(crate) fn decided(&self, history: &History, view: &View) -> Verdict {
        if view.id == ViewId::FIRST {
            return Ok(());
        }
        let before = ViewId::new(view.id.number() - 1).and_then(|id| history.view(id));
        let Some(before) = before else {
            return violated("no_split_brain", format!("view {} follows on none", view.id));
        };
        let members = before.members.iter().fold(0, |mask, it| mask | bit(index(it.node)));
        let first = (view.id, 0, 0);
        let last = (view.id, u32::MAX, u16::MAX);
        let most = self.accepted.range(first..=last).map(|(_, mask)| (mask & members).count_ones());
        if most.max().unwrap_or_default() as usize >= before.majority() {
            return Ok(());
        }
        violated("no_split_brain", format!("view {} was not decided by a majority", view.id))
    }
}
