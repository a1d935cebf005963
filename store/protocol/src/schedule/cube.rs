//! The binomial pipeline's arithmetic. All of it is closed form: a step costs a few operations on
//! words of `l` bits, wherever in the object it is.

use super::Step;

/// A hypercube of `2^dimensions` corners with the members on it, and the object that crosses it.
/// Position `q` from `2^dimensions` on is the twin at corner `q + 1 - 2^dimensions`.
pub(super) struct Cube {
    members: u16,
    dimensions: u32,
    blocks: u32,
}

/// A corner of the cube: a label, one bit for each dimension.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Corner(u16);

impl Cube {
    /// The largest cube that these members, at least two of them, can fill.
    pub(super) const fn new(members: u16, blocks: u32) -> Self {
        Self { members, dimensions: members.ilog2(), blocks }
    }

    /// What the member at position `me` does in step `at`.
    pub(super) fn step(&self, me: u16, at: u32) -> Step {
        let corner = self.corner_of(me);
        if at >= self.crossing() {
            return self.exchange(me, corner, at);
        }
        let other = Corner(corner.0 ^ 1 << (at % self.dimensions));
        let takes = self.taker(corner, at) == me;
        let sends = self.sender(corner, at) == me;
        let arrives = self.arrives(corner, at).map(|block| (self.sender(other, at), block));
        let leaves = self.arrives(other, at).map(|block| (self.taker(other, at), block));
        // A twin that does not deal with the outside deals with its twin: who takes has a block
        // for who sends, which by now only the first of them took.
        let within = || self.took_before(corner, at);
        let receive =
            if takes { arrives } else { within().map(|block| (self.taker(corner, at), block)) };
        let send =
            if sends { leaves } else { within().map(|block| (self.sender(corner, at), block)) };
        Step { at, receive, send }
    }

    /// How many steps it takes until every corner, whoever of its twins it is, has all blocks.
    const fn crossing(&self) -> u32 {
        self.blocks - 1 + self.dimensions
    }

    /// The step after the crossing: each twin gives the other what it took last.
    fn exchange(&self, me: u16, corner: Corner, at: u32) -> Step {
        let Some(twin) = self.twin_of(me) else {
            return Step { at, receive: None, send: None };
        };
        let last = at - 1;
        let latest = self.arrives(corner, last);
        let former = self.early_before(corner, last).and_then(|step| self.arrives(corner, step));
        let took_latest = self.taker(corner, last) == me;
        let (mine, its) = if took_latest { (latest, former) } else { (former, latest) };
        let with_twin = |block| (twin, block);
        Step { at, receive: its.map(with_twin), send: mine.map(with_twin) }
    }

    /// Which block comes to this corner from outside in this step of the crossing.
    fn arrives(&self, corner: Corner, at: u32) -> Option<u32> {
        if corner.0 == 0 {
            return None;
        }
        let due = if self.is_early(corner, at) { self.early_after(corner, at) } else { at };
        Some(due.checked_sub(self.dimensions)?.min(self.blocks - 1))
    }

    /// Which block the twin that takes in this step took last before it.
    fn took_before(&self, corner: Corner, at: u32) -> Option<u32> {
        let last = at.checked_sub(1)?;
        let step = if self.is_early(corner, last) {
            // The roles changed after `last`: its former turn ended with the early step before.
            self.early_before(corner, last)?
        } else {
            last
        };
        self.arrives(corner, step)
    }

    /// Who of the corner takes what comes from outside in this step.
    fn taker(&self, corner: Corner, at: u32) -> u16 {
        self.twins(corner, at).0
    }

    /// Who of the corner sends to the outside in this step.
    fn sender(&self, corner: Corner, at: u32) -> u16 {
        self.twins(corner, at).1
    }

    /// Who takes and who sends: the same member where the corner has but one. The roles have
    /// changed once for each early step that is over.
    fn twins(&self, corner: Corner, at: u32) -> (u16, u16) {
        let low = corner.0;
        let Some(high) = self.twin_of(low) else { return (low, low) };
        let (rounds, dimension) = (at / self.dimensions, at % self.dimensions);
        let over = corner.0 & ((1 << dimension) - 1);
        // Only the parity counts, so the product may wrap.
        let changes = rounds.wrapping_mul(corner.0.count_ones()).wrapping_add(over.count_ones());
        if changes.is_multiple_of(2) { (low, high) } else { (high, low) }
    }

    /// Whether the corner's bit of this step's dimension is 1, so that it takes a block early.
    fn is_early(&self, corner: Corner, at: u32) -> bool {
        corner.0 >> (at % self.dimensions) & 1 == 1
    }

    /// The first early step after this one, for a corner that has any.
    fn early_after(&self, corner: Corner, at: u32) -> u32 {
        at + 1 + self.seen_from(corner, at + 1).trailing_zeros()
    }

    /// The last early step before this one.
    fn early_before(&self, corner: Corner, at: u32) -> Option<u32> {
        let highest = self.seen_from(corner, at).checked_ilog2()?;
        at.checked_sub(self.dimensions - highest)
    }

    /// The corner's label rotated so that the step's dimension comes first.
    fn seen_from(&self, corner: Corner, at: u32) -> u32 {
        let (label, dimension) = (u32::from(corner.0), at % self.dimensions);
        (label >> dimension | label << (self.dimensions - dimension)) & ((1 << self.dimensions) - 1)
    }

    fn corners(&self) -> u16 {
        1 << self.dimensions
    }

    fn corner_of(&self, position: u16) -> Corner {
        Corner(if position < self.corners() { position } else { position + 1 - self.corners() })
    }

    /// The other member at this one's corner. The root has none.
    fn twin_of(&self, position: u16) -> Option<u16> {
        if position >= self.corners() {
            return Some(position + 1 - self.corners());
        }
        let twin = (position + self.corners()).checked_sub(1)?;
        (position > 0 && twin < self.members).then_some(twin)
    }
}
