//! What lets updates of a slot into a shard, or keeps them out.

use std::collections::BTreeMap;

use super::{Slot, SlotEpoch, SlotTable};
use crate::ids::{ShardId, Version};

/// How one shard stands to the slots that it ever had to do with. It is part of the shard's state
/// and changed by commands in the shard's order alone, so all members judge each update alike,
/// however far each has come, and whatever their copies of the table say.
///
/// Who sees in any copy of the table that a shard owns a slot has it [`Fence::open`] it; that a
/// slot is moving, has the source [`Fence::seal`] it; that it is sealed, brings its content to the
/// target, which takes it if it may [`Fence::adopt`] it. Anybody may do so, late and repeatedly.
///
/// Memory: a few words for each slot that it ever had to do with, so at most all of them.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct Fence {
    pub(super) stands: BTreeMap<Slot, Stand>,
}

/// How the shard stands to one slot, as of the latest epoch that its order knows.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(super) struct Stand {
    pub(super) epoch: SlotEpoch,
    pub(super) gate: Gate,
}

#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(super) enum Gate {
    /// Another shard owns the slot in this epoch; what it had at its seal is here.
    Adopted,
    /// The shard owns the slot and takes updates.
    Open,
    /// It took its last update of this epoch before this version.
    Sealed(Version),
}

/// Whether an update may take effect where it stands.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Admit {
    /// It may.
    Yes,
    /// The slot is about to move or has moved: look for its owner again.
    Sealed,
    /// Its sender looked at an old table: look again.
    Past,
    /// The shard has not opened the slot in this epoch, or does not own it: look and send again.
    NotYet,
}

/// What came of a change of the fence.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Fenced {
    /// It has changed.
    Applied,
    /// It was so, or had gone further in the same epoch; nothing has changed.
    Repeated,
    /// The slot is in a later epoch here; nothing has changed.
    Past,
}

impl Fence {
    /// The fence of a shard in the first table: open for what it owns there.
    #[must_use]
    pub fn of(table: &SlotTable, shard: ShardId) -> Self {
        let owned = Slot::all().filter(|slot| table.entry(*slot).owner == shard);
        let stand = |slot| (slot, Stand { epoch: table.entry(slot).epoch, gate: Gate::Open });
        Self { stands: owned.map(stand).collect() }
    }

    /// Whether an update whose sender read this epoch may take effect here.
    #[must_use]
    pub fn admits(&self, slot: Slot, epoch: SlotEpoch) -> Admit {
        match self.stands.get(&slot) {
            Some(stand) if stand.epoch > epoch => Admit::Past,
            Some(Stand { epoch: known, gate }) if *known == epoch => match gate {
                Gate::Open => Admit::Yes,
                Gate::Sealed(_) => Admit::Sealed,
                Gate::Adopted => Admit::NotYet,
            },
            _ => Admit::NotYet,
        }
    }

    /// Lets updates in from here on: some copy of the table says that the shard owns the slot in
    /// this epoch. A seal of the same epoch is not undone.
    pub fn open(&mut self, slot: Slot, epoch: SlotEpoch) -> Fenced {
        self.rise(slot, Stand { epoch, gate: Gate::Open })
    }

    /// Lets no more updates in: some copy of the table says that the slot moves away in this epoch.
    /// `at` is the place of the command that does this. See [`Fence::sealed`] for what to report.
    pub fn seal(&mut self, slot: Slot, epoch: SlotEpoch, at: Version) -> Fenced {
        match self.stands.get_mut(&slot) {
            Some(stand) if stand.epoch == epoch && stand.gate == Gate::Open => {
                stand.gate = Gate::Sealed(at);
                Fenced::Applied
            }
            _ => self.rise(slot, Stand { epoch, gate: Gate::Sealed(at) }),
        }
    }

    /// Where the slot is sealed in this epoch.
    #[must_use]
    pub fn sealed(&self, slot: Slot, epoch: SlotEpoch) -> Option<Version> {
        match self.stands.get(&slot) {
            Some(Stand { epoch: known, gate: Gate::Sealed(at) }) if *known == epoch => Some(*at),
            _ => None,
        }
    }

    /// Whether the content that the source had at its seal of this epoch is to be taken: only if
    /// applied. Content of a move that is over would replace what came after it.
    pub fn adopt(&mut self, slot: Slot, epoch: SlotEpoch) -> Fenced {
        self.rise(slot, Stand { epoch, gate: Gate::Adopted })
    }

    /// Whether the content of the source's seal in this epoch has been taken.
    #[must_use]
    pub fn has_adopted(&self, slot: Slot, epoch: SlotEpoch) -> bool {
        self.stands.get(&slot) == Some(&Stand { epoch, gate: Gate::Adopted })
    }

    /// Stands somewhere else from a later epoch on.
    fn rise(&mut self, slot: Slot, to: Stand) -> Fenced {
        match self.stands.get(&slot) {
            Some(stand) if stand.epoch > to.epoch => Fenced::Past,
            Some(stand) if stand.epoch == to.epoch => Fenced::Repeated,
            _ => {
                self.stands.insert(slot, to);
                Fenced::Applied
            }
        }
    }
}
