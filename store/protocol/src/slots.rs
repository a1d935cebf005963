//! Which shard owns which part of the keys, and how a part moves from one shard to another while
//! both go on.
//!
//! A key belongs to one of [`SLOTS`] slots for ever, and a slot to one shard at a time. The table
//! of that is ordered like everything else, so all its copies go through the same states. A move
//! takes three operations: it begins; the source seals the slot at a version of its own order, so
//! that the slot has a last update; the target has adopted everything through it, and with that is
//! the owner. Until then the move can be aborted.
//!
//! A copy of the table may lag, so it cannot be what keeps two shards from taking updates of one
//! slot. What does is the epoch: it rises whenever a move ends, each update names the epoch that
//! its sender read, and each shard has a [`Fence`] that is part of its own order.
//!
//! - Who reads an old table sends an update to a former owner, which refuses it, or with a former
//!   epoch, which is refused too; or asks for a move that is not that one any more. Nothing happens
//!   in any of these cases.
//! - A member of a shard that lags behind its own order cannot let an update in: updates are judged
//!   where they stand in the order. It can answer a *read* from its copy as of before the seal,
//!   when the new owner has newer updates. Reads that must see the latest are ordered too.
//!
//! Source: fixed slots as in Redis Cluster's specification; the fence is a fencing token as in
//! Gray and Cheriton, "Leases", SOSP 1989, with an order in the place of a clock.

mod codec;
mod fence;
mod plan;
#[cfg(test)]
mod tests;

use crate::ids::{ShardId, Version};
use crate::limits::SHARDS_MAX;

pub use fence::{Admit, Fence, Fenced};
pub use plan::rebalance;

/// How many slots there are, for ever: enough for [`SHARDS_MAX`] shards to be uneven by a quarter
/// at most.
pub const SLOTS: u16 = 4096;

const _: () = assert!(SLOTS.is_power_of_two(), "the low bits of a hash choose the slot");
const _: () = assert!(SLOTS as usize >= 4 * SHARDS_MAX, "every shard has slots to give away");

/// A part of the keys, below [`SLOTS`].
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Slot(u16);

/// How often a slot's moves have ended, from 1. Under one epoch a slot has one owner.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct SlotEpoch(u32);

impl Slot {
    /// The slot of this number, if there is one.
    #[must_use]
    pub const fn new(number: u16) -> Option<Self> {
        if number < SLOTS { Some(Self(number)) } else { None }
    }

    /// The slot's number.
    #[must_use]
    pub const fn number(self) -> u16 {
        self.0
    }

    /// All slots, ascending.
    pub fn all() -> impl DoubleEndedIterator<Item = Slot> {
        (0..SLOTS).map(Slot)
    }
}

impl SlotEpoch {
    /// The epoch that every slot begins with.
    pub const FIRST: SlotEpoch = SlotEpoch(1);

    /// The epoch's number.
    #[must_use]
    pub const fn number(self) -> u32 {
        self.0
    }

    const fn next(self) -> Option<Self> {
        match self.0.checked_add(1) {
            Some(number) => Some(Self(number)),
            None => None,
        }
    }
}

/// The slot of a key with this hash, which must be the same everywhere for ever.
#[must_use]
pub const fn slot_of(key_hash: u64) -> Slot {
    Slot((key_hash % SLOTS as u64) as u16)
}

/// A change of the table. Each names the epoch in which its sender saw the slot, so that what was
/// meant for one move cannot end another.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Operation {
    /// The slot shall move to another shard.
    Begin {
        /// Which slot.
        slot: Slot,
        /// In which epoch its owner gives it away.
        epoch: SlotEpoch,
        /// Who gets it.
        to: ShardId,
    },
    /// The source takes no more updates of the slot.
    Sealed {
        /// Which slot.
        slot: Slot,
        /// In which epoch.
        epoch: SlotEpoch,
        /// The place of the seal in the source's order: the slot's updates are all before it.
        at: Version,
    },
    /// The target holds what the source had of the slot at the seal.
    Adopted {
        /// Which slot.
        slot: Slot,
        /// In which epoch; the target owns it in the next one.
        epoch: SlotEpoch,
    },
    /// The slot shall stay where it is; its owner goes on in the next epoch.
    Abort {
        /// Which slot.
        slot: Slot,
        /// In which epoch.
        epoch: SlotEpoch,
    },
}

/// What came of an operation.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Outcome {
    /// The table has changed.
    Applied,
    /// The same was done before; nothing has changed.
    Repeated,
    /// It cannot be done; nothing has changed.
    Refused(Refusal),
}

/// Why an operation cannot be done.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Refusal {
    /// There is no shard of this number.
    NoShard,
    /// The shard owns the slot.
    Owned,
    /// The slot is on its way to this shard.
    Moving(ShardId),
    /// The slot does not move.
    Still,
    /// The source has not sealed the slot yet.
    Unsealed,
    /// The source has sealed the slot at this version.
    SealedAt(Version),
    /// The slot is in this later epoch: what was meant is over.
    Past(SlotEpoch),
    /// The slot is in this earlier epoch: nobody can have seen the one named.
    Ahead(SlotEpoch),
    /// The slot has moved as often as it can.
    Exhausted,
}

/// Whether a shard serves a slot, as far as a copy of the table knows.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Serve {
    /// It does.
    Yes,
    /// This one does.
    No(ShardId),
    /// It owns the slot and takes no more updates of it.
    Sealed,
}

/// A move under way.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Moving {
    /// Who gets the slot.
    pub to: ShardId,
    /// Where the source has sealed it.
    pub sealed: Option<Version>,
}

/// How the epoch before this one ended.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Ended {
    /// The slot came from there, with everything before this version of that shard's order.
    Moved {
        /// The owner before.
        from: ShardId,
        /// The place of the seal in its order.
        at: Version,
    },
    /// The slot was to move and stayed.
    Aborted,
}

/// One slot's line in the table.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Entry {
    /// Who owns it.
    pub owner: ShardId,
    /// In which epoch.
    pub epoch: SlotEpoch,
    /// Where it is going.
    pub moving: Option<Moving>,
    /// What brought the epoch about; nothing in the first one alone.
    pub ended: Option<Ended>,
}

/// Which shard owns which slot.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct SlotTable {
    shards: u16,
    entries: Vec<Entry>,
}

impl SlotTable {
    /// The first table for so many shards: each has a run of slots, and none has over one more than
    /// another. There is none for no shards, or for more than [`SHARDS_MAX`].
    #[must_use]
    pub fn even(shards: u16) -> Option<Self> {
        if shards == 0 || usize::from(shards) > SHARDS_MAX {
            return None;
        }
        let entry = |slot: Slot| {
            let owner = u32::from(slot.0) * u32::from(shards) / u32::from(SLOTS);
            let owner = ShardId(owner as u16);
            Entry { owner, epoch: SlotEpoch::FIRST, moving: None, ended: None }
        };
        Some(Self { shards, entries: Slot::all().map(entry).collect() })
    }

    /// How many shards there are.
    #[must_use]
    pub const fn shards(&self) -> u16 {
        self.shards
    }

    /// All about one slot.
    #[must_use]
    pub fn entry(&self, slot: Slot) -> Entry {
        match self.entries.get(usize::from(slot.0)) {
            Some(entry) => *entry,
            None => unreachable!("there is a line for each slot"),
        }
    }

    /// Whether this shard serves this slot. Of all shards at most one gets a yes. A copy of the
    /// table that lags may say what was; so what counts for updates is the shard's [`Fence`].
    #[must_use]
    pub fn serves(&self, slot: Slot, shard: ShardId) -> Serve {
        let entry = self.entry(slot);
        if entry.owner != shard {
            return Serve::No(entry.owner);
        }
        match entry.moving {
            Some(Moving { sealed: Some(_), .. }) => Serve::Sealed,
            _ => Serve::Yes,
        }
    }

    /// Applies the next operation in the order, the same at every copy.
    pub fn apply(&mut self, operation: Operation) -> Outcome {
        let (Operation::Begin { slot, .. }
        | Operation::Sealed { slot, .. }
        | Operation::Adopted { slot, .. }
        | Operation::Abort { slot, .. }) = operation;
        let shards = self.shards;
        match self.entries.get_mut(usize::from(slot.0)) {
            Some(entry) => entry.apply(operation, shards),
            None => unreachable!("there is a line for each slot"),
        }
    }
}

impl Entry {
    fn apply(&mut self, operation: Operation, shards: u16) -> Outcome {
        let (Operation::Begin { epoch, .. }
        | Operation::Sealed { epoch, .. }
        | Operation::Adopted { epoch, .. }
        | Operation::Abort { epoch, .. }) = operation;
        if epoch > self.epoch {
            return Outcome::Refused(Refusal::Ahead(self.epoch));
        }
        if epoch < self.epoch {
            return self.repeats(operation, epoch);
        }
        let done = match operation {
            Operation::Begin { to, .. } => self.begin(to, shards),
            Operation::Sealed { at, .. } => self.seal(at),
            Operation::Adopted { .. } => self.hand_over(),
            Operation::Abort { .. } => self.abort(),
        };
        match done {
            Ok(outcome) => outcome,
            Err(refusal) => Outcome::Refused(refusal),
        }
    }

    /// An operation of a former epoch repeats if the last epoch ended with what it asks for.
    fn repeats(&self, operation: Operation, epoch: SlotEpoch) -> Outcome {
        let last = epoch.next() == Some(self.epoch);
        let same = match (operation, self.ended) {
            (Operation::Begin { to, .. }, Some(Ended::Moved { .. })) => to == self.owner,
            (Operation::Sealed { at, .. }, Some(Ended::Moved { at: sealed, .. })) => at == sealed,
            (Operation::Adopted { .. }, Some(Ended::Moved { .. }))
            | (Operation::Abort { .. }, Some(Ended::Aborted)) => true,
            _ => false,
        };
        if last && same { Outcome::Repeated } else { Outcome::Refused(Refusal::Past(self.epoch)) }
    }

    fn begin(&mut self, to: ShardId, shards: u16) -> Result<Outcome, Refusal> {
        match self.moving {
            Some(moving) if moving.to == to => return Ok(Outcome::Repeated),
            Some(moving) => return Err(Refusal::Moving(moving.to)),
            None => {}
        }
        if to.0 >= shards {
            return Err(Refusal::NoShard);
        }
        if to == self.owner {
            return Err(Refusal::Owned);
        }
        // What begins must be able to end, and that takes another epoch.
        self.epoch.next().ok_or(Refusal::Exhausted)?;
        self.moving = Some(Moving { to, sealed: None });
        Ok(Outcome::Applied)
    }

    fn seal(&mut self, at: Version) -> Result<Outcome, Refusal> {
        let moving = self.moving.as_mut().ok_or(Refusal::Still)?;
        match moving.sealed {
            Some(sealed) if sealed == at => Ok(Outcome::Repeated),
            Some(sealed) => Err(Refusal::SealedAt(sealed)),
            None => {
                moving.sealed = Some(at);
                Ok(Outcome::Applied)
            }
        }
    }

    fn hand_over(&mut self) -> Result<Outcome, Refusal> {
        let moving = self.moving.ok_or(Refusal::Still)?;
        let at = moving.sealed.ok_or(Refusal::Unsealed)?;
        let epoch = self.epoch.next().ok_or(Refusal::Exhausted)?;
        let ended = Some(Ended::Moved { from: self.owner, at });
        *self = Self { owner: moving.to, epoch, moving: None, ended };
        Ok(Outcome::Applied)
    }

    fn abort(&mut self) -> Result<Outcome, Refusal> {
        self.moving.ok_or(Refusal::Still)?;
        let epoch = self.epoch.next().ok_or(Refusal::Exhausted)?;
        *self = Self { owner: self.owner, epoch, moving: None, ended: Some(Ended::Aborted) };
        Ok(Outcome::Applied)
    }
}
