//! How a large object travels: cut into blocks, each of which every member passes on at most once
//! or twice, so that no member's link carries the object more than a little over once.
//!
//! A schedule says for each member and step which block comes from whom and which goes to whom. It
//! is a pure function of the members' count, the member's position and the count of blocks: nobody
//! negotiates. A step is the time of one block, not a moment: who relays follows the order of its
//! own steps, sends when it has the block, and needs no clock in common with anybody.
//!
//! Chain: position `i` passes every block on to `i + 1`. Pipeline: the members are the corners of
//! a hypercube and in step `t` exchange along dimension `t mod l`. Corner `v` takes block `t - l`
//! along the dimensions where its own bit is 0. Where its bit is 1 it takes, early, the block that
//! it will send from then on until its bit comes to be 1 again. The root's bits are all 0: it puts
//! a new block in with each step. After the last block is in, that block takes the place of those
//! that would follow it.
//!
//! Where the count is no power of two, corners from 1 on stand for two members, twins. One takes
//! what comes from outside while the other sends to the outside what it took before; they change
//! roles whenever the corner has taken a block early. Meanwhile the one who takes passes the other
//! what it took in the step before, or, just after a change, what it took last in its former turn.
//! In the end each twin lacks the one block that the other took last: one more step.
//!
//! Source: binomial pipeline in Ganesan and Seshadri, "On Cooperative Content Distribution and the
//! Price of Barter", ICDCS 2005; used for this in Behrens et al., "RDMC", DSN 2018.

mod cube;
mod relay;
#[cfg(test)]
mod tests;

use core::fmt;

use crate::limits::MEMBERS_MAX;
pub use relay::{Relay, Unexpected};

/// Blocks of one object, at most: so that the number of each step fits 32 bits too.
pub const BLOCKS_MAX: u32 = u32::MAX - MEMBERS_MAX as u32;

/// Which way the blocks go.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Kind {
    /// From each member to the next: least work for each, but the last one waits for all others.
    Chain,
    /// Along a hypercube's dimensions in turn: the fewest steps that there can be.
    BinomialPipeline,
}

/// What one member does in one step.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Step {
    /// The step's number, from 0.
    pub at: u32,
    /// The position of the one who sends to this member, and which block.
    pub receive: Option<(u16, u32)>,
    /// The position of the one whom this member sends to, and which block; it held it before.
    pub send: Option<(u16, u32)>,
}

/// The steps of one member.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Schedule {
    kind: Kind,
    members: u16,
    me: u16,
    blocks: u32,
}

/// Why there is no such schedule.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum NoSchedule {
    /// No members, or more than [`MEMBERS_MAX`].
    Members,
    /// The position is not one of the members'.
    Position,
    /// No blocks, or more than [`BLOCKS_MAX`].
    Blocks,
}

impl fmt::Display for NoSchedule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            NoSchedule::Members => "a schedule is for 1 to 64 members",
            NoSchedule::Position => "the position is not among the members",
            NoSchedule::Blocks => "an object has at least 1 block and not over 2^32 - 65",
        })
    }
}

impl core::error::Error for NoSchedule {}

impl Schedule {
    /// What the member at position `me` of `members` does for an object of `blocks` blocks that the
    /// member at position 0 has.
    /// # Errors  [`NoSchedule`] says which number is out of its bounds.
    pub const fn new(kind: Kind, members: u16, me: u16, blocks: u32) -> Result<Self, NoSchedule> {
        if members == 0 || members as usize > MEMBERS_MAX {
            return Err(NoSchedule::Members);
        }
        if me >= members {
            return Err(NoSchedule::Position);
        }
        if blocks == 0 || blocks > BLOCKS_MAX {
            return Err(NoSchedule::Blocks);
        }
        Ok(Self { kind, members, me, blocks })
    }

    /// How many steps it takes until all members have all blocks. With `l = floor(log2 n)`: a chain
    /// takes `B + n - 2`, a pipeline `B + l - 1` for `n = 2^l` and else `B + l`, which is as few as
    /// can be: `B - 1` blocks must leave the root before the last one, which then needs
    /// `ceil(log2 n)` doublings. One member takes none.
    #[must_use]
    pub const fn steps(&self) -> u32 {
        if self.members == 1 {
            return 0;
        }
        match self.kind {
            Kind::Chain => self.blocks + self.members as u32 - 2,
            Kind::BinomialPipeline => {
                self.blocks - 1 + self.members.next_power_of_two().trailing_zeros()
            }
        }
    }

    /// What this member does in this step; nothing after the last.
    #[must_use]
    pub fn step(&self, at: u32) -> Step {
        if at >= self.steps() {
            return Step { at, receive: None, send: None };
        }
        match self.kind {
            Kind::Chain => self.step_of_chain(at),
            Kind::BinomialPipeline => cube::Cube::new(self.members, self.blocks).step(self.me, at),
        }
    }

    /// All steps of this member, in order.
    pub fn iter(&self) -> impl Iterator<Item = Step> + use<> {
        let schedule = *self;
        (0..self.steps()).map(move |at| schedule.step(at))
    }

    /// How many blocks the object has.
    #[must_use]
    pub const fn blocks(&self) -> u32 {
        self.blocks
    }

    /// Whether this member has the object from the beginning.
    #[must_use]
    pub const fn is_root(&self) -> bool {
        self.me == 0
    }

    fn step_of_chain(&self, at: u32) -> Step {
        let place = u32::from(self.me);
        let block =
            |steps_behind: u32| at.checked_sub(steps_behind).filter(|block| *block < self.blocks);
        let before = self.me.checked_sub(1);
        let receive = before.and_then(|from| Some((from, block(place - 1)?)));
        let after = Some(self.me + 1).filter(|to| *to < self.members);
        let send = after.and_then(|to| Some((to, block(place)?)));
        Step { at, receive, send }
    }
}
