//! The rule set.

use notrace_policy_promise::digest::{Digest, Domain};

use crate::admit::Denied;
use crate::principal::Principal;

/// What can be asked for outside a run.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Action {
    /// Read objects, lists, histories or watch them.
    ReadObjects,
    /// Put, delete, shred objects.
    WriteObjects,
    /// Create, list and shred pools.
    ManagePools,
    /// Upload, list and remove tasks.
    ManageTasks,
    /// Fetch the receipt of a run.
    ReadReceipts,
}

/// A set of rules. Its digest is in every receipt.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Rules {
    text: &'static str,
}

impl Rules {
    /// The rules of a node with one owner.
    pub fn of_one_owner() -> Self {
        Self {
            text: "v1\nowner may everything\nanyone else may nothing\nsealed pools sealed only\n",
        }
    }

    /// The rules in words, the preimage of [`Rules::digest`].
    pub fn text(&self) -> &str {
        self.text
    }

    /// What stands for these rules in receipts.
    pub fn digest(&self) -> Digest {
        Digest::of(Domain::Rules, self.text.as_bytes())
    }

    /// Whether `principal` may do `action`.
    /// # Errors  [`Denied`] says why not.
    pub fn permit(&self, principal: &Principal, action: Action) -> Result<(), Denied> {
        match (principal, action) {
            (Principal::Anonymous, _) => Err(Denied::Unauthenticated),
            (Principal::Owner { .. }, _) => Ok(()),
        }
    }
}
