//! Bookkeeping of the calls of one node: who still waits for what. It holds no bytes and waits for
//! nothing; the shell keeps the replies and wakes the caller.
//!
//! Whatever happens to the group, each call that was opened is resolved, and once: with what was
//! asked for, with the certainty that nothing was applied, with the news that whoever was called
//! has left, or with the word that its fate is not known here. Then the caller asks the session
//! table, see [`crate::sessions`].
//!
//! Source: the futures of Derecho's `QueryResults` (Jha et al., TOCS 2019, §2.3), which may wait
//! for ever once a link breaks; these do not.

mod call;
mod lane;
#[cfg(test)]
mod model;
#[cfg(test)]
mod spec;

use std::collections::BTreeMap;

use crate::ids::{NodeId, ShardId, Version};
use crate::machine::{Durability, Place};
use call::Ordered;
use lane::Lane;

/// Calls of one node that may be open at once.
pub const CALLS_MAX: usize = 65_536;

/// Numbers the calls of one node in one life, direct and ordered alike. Rises with each call that
/// is opened.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct RequestId(pub u64);

/// Whose replies to an ordered update are waited for.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Gather {
    /// Nobody's.
    None,
    /// That of the caller's own replica.
    Own,
    /// Those of all members that deliver it.
    All,
}

/// What came of one reply.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Reply {
    /// It is here.
    Replied,
    /// The member left before its reply was here.
    ViewChanged,
    /// The way to the member broke, and the reply with it perhaps.
    Unknown,
}

/// One member's part in the answer to an ordered update.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Answer {
    /// Whose.
    pub member: NodeId,
    /// What came of it.
    pub reply: Reply,
}

/// How a call ended.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub enum Outcome {
    /// The update was delivered, and is as safe as was asked.
    Delivered {
        /// Where it stands.
        place: Place,
        /// Whose replies were waited for, in the order of the members.
        replies: Vec<Answer>,
    },
    /// Whoever was called directly has replied.
    Replied {
        /// Who.
        from: NodeId,
    },
    /// The update was not applied by anybody and never will be: to send it again is safe.
    NotApplied,
    /// Whoever was called directly left; whether it still acted is not known.
    ViewChanged,
    /// Whether the update is in the order, or as safe as was asked, cannot be told here: the
    /// session table can. To send it again without a session may apply it twice.
    Unknown {
        /// Where it was delivered here, if it was. A restart may have left that out.
        delivered: Option<Place>,
    },
}

/// A call that ended.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct Resolved {
    /// Which.
    pub request: RequestId,
    /// How.
    pub outcome: Outcome,
}

/// [`CALLS_MAX`] calls are open; this one was not.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct CallsFull;

impl core::fmt::Display for CallsFull {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str("too many calls are open")
    }
}

impl core::error::Error for CallsFull {}

/// The open calls of one node. Facts about a call that is not open, or not any more, are ignored.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct Calls {
    me: NodeId,
    last: Option<RequestId>,
    ordered: BTreeMap<RequestId, Ordered>,
    direct: BTreeMap<RequestId, NodeId>,
    /// By shard number, as far as there were calls.
    lanes: Vec<Lane>,
    settled: Vec<Resolved>,
}

impl Calls {
    /// No calls yet, of this node.
    #[must_use]
    pub const fn new(me: NodeId) -> Self {
        Self {
            me,
            last: None,
            ordered: BTreeMap::new(),
            direct: BTreeMap::new(),
            lanes: Vec::new(),
            settled: Vec::new(),
        }
    }

    /// Whether no further call can be opened now.
    #[must_use]
    pub fn is_full(&self) -> bool {
        self.ordered.len() + self.direct.len() + self.settled.len() >= CALLS_MAX
    }

    /// Opens the call of an update that goes to the members of a shard. It is delivered first when
    /// [`Self::delivered`] says so, and resolved once it is as safe as `level` and all of `gather`
    /// have replied.
    /// # Errors  [`CallsFull`]; then nothing was noted.
    pub fn open_ordered(
        &mut self,
        request: RequestId,
        shard: ShardId,
        level: Durability,
        gather: Gather,
        members: &[NodeId],
    ) -> Result<(), CallsFull> {
        self.number(request)?;
        let lanes = usize::from(shard.0) + 1;
        if self.lanes.len() < lanes {
            self.lanes.resize(lanes, Lane::default());
        }
        self.ordered.insert(request, Ordered::sent(shard, level, gather, self.me, members));
        Ok(())
    }

    /// Opens a direct call.
    /// # Errors  [`CallsFull`]; then nothing was noted.
    pub fn open_p2p(&mut self, request: RequestId, to: NodeId) -> Result<(), CallsFull> {
        self.number(request)?;
        self.direct.insert(request, to);
        Ok(())
    }

    fn number(&mut self, request: RequestId) -> Result<(), CallsFull> {
        if self.is_full() {
            return Err(CallsFull);
        }
        // A number that came twice would be answered twice.
        assert!(self.last.is_none_or(|last| last < request), "the number of a call did not rise");
        self.last = Some(request);
        Ok(())
    }

    /// Our own update was delivered here. Deliveries of a shard are told in their order, and those
    /// that end an epoch before the [`Self::view_changed`] that ends it.
    pub fn delivered(&mut self, request: RequestId, place: Place) {
        let Some(call) = self.ordered.get_mut(&request) else { return };
        call.deliver(place);
        let (shard, level) = (call.shard(), call.level());
        match self.lane(shard).and_then(|lane| lane.awaiting(level)) {
            None => self.settle(request, Ordered::reach),
            Some(line) => {
                line.wait(place.version, request);
                self.reach(shard);
            }
        }
    }

    /// How far a shard's updates are on the disks of a majority of its members, and of all. Costs
    /// time in the calls that this moves on, amortised. A frontier of a later epoch covers all of
    /// the earlier ones: a member of an epoch holds whatever came before it.
    pub fn durable(&mut self, shard: ShardId, majority: Version, all: Version) {
        if let Some(lane) = self.lane(shard) {
            lane.learn(majority, all);
            self.reach(shard);
        }
    }

    /// A member's reply is here. What nobody waits for is ignored: peers may say anything.
    pub fn replied(&mut self, request: RequestId, from: NodeId) {
        self.settle(request, |call| call.answer(from, Reply::Replied));
        if self.direct.get(&request) == Some(&from) {
            self.direct.remove(&request);
            self.settled.push(Resolved { request, outcome: Outcome::Replied { from } });
        }
    }

    /// The ragged trim cut the update off and it is not sent again.
    pub fn cut(&mut self, request: RequestId) {
        self.settle(request, |call| Some(call.cut()));
    }

    /// The ragged trim cut the update off, and it was sent again in the next epoch. To be told
    /// before the [`Self::view_changed`] that begins it.
    pub fn carried(&mut self, request: RequestId) {
        self.settle(request, |call| {
            call.carry();
            None
        });
    }

    /// A shard has new members. By now every update of ours that the ended epoch delivered, cut off
    /// or passed on was reported; of those that were not, the fate is unknown.
    pub fn view_changed(&mut self, shard: ShardId, members: &[NodeId]) {
        let me = self.me;
        self.judge(|call| if call.shard() == shard { call.renew(me, members) } else { None });
    }

    /// A node is no member of the group any more.
    pub fn member_gone(&mut self, node: NodeId) {
        self.judge(|call| call.answer(node, Reply::ViewChanged));
        self.hang_up(|to| (to == node).then_some(Outcome::ViewChanged));
    }

    /// The link to a node broke, or comes up anew, perhaps to another of its lives: what was under
    /// way on it may be lost, and nobody repeats it. A reply that still comes while its call is
    /// open counts all the same.
    pub fn link_lost(&mut self, node: NodeId) {
        self.judge(|call| call.answer(node, Reply::Unknown));
        self.hang_up(|to| (to == node).then_some(Outcome::Unknown { delivered: None }));
    }

    /// This node cannot tell any more what becomes of a shard's updates.
    pub fn lost_sight(&mut self, shard: ShardId) {
        self.judge(|call| (call.shard() == shard).then(|| call.lose()));
        if let Some(lane) = self.lane(shard) {
            lane.clear();
        }
    }

    /// This node lost its majority, or its place in the group: it cannot tell any fate any more.
    pub fn stopped(&mut self) {
        self.judge(|call| Some(call.lose()));
        self.hang_up(|_| Some(Outcome::Unknown { delivered: None }));
        self.lanes.iter_mut().for_each(Lane::clear);
    }

    /// Hands out the calls that ended since it was last asked, in the order in which they did.
    pub fn resolve(&mut self, out: &mut Vec<Resolved>) {
        out.append(&mut self.settled);
    }

    fn lane(&mut self, shard: ShardId) -> Option<&mut Lane> {
        self.lanes.get_mut(usize::from(shard.0))
    }

    /// Moves on those who waited for a frontier that is here.
    fn reach(&mut self, shard: ShardId) {
        while let Some(request) = self.lane(shard).and_then(Lane::next) {
            self.settle(request, Ordered::reach);
        }
    }

    /// Changes one call, and ends it if that settles it.
    fn settle(&mut self, request: RequestId, change: impl FnOnce(&mut Ordered) -> Option<Outcome>) {
        if let Some(outcome) = self.ordered.get_mut(&request).and_then(change) {
            self.ordered.remove(&request);
            self.settled.push(Resolved { request, outcome });
        }
    }

    /// Changes all ordered calls, and ends those that are settled by it.
    fn judge(&mut self, mut change: impl FnMut(&mut Ordered) -> Option<Outcome>) {
        let settled = &mut self.settled;
        self.ordered.retain(|request, call| match change(call) {
            None => true,
            Some(outcome) => {
                settled.push(Resolved { request: *request, outcome });
                false
            }
        });
    }

    /// Ends direct calls.
    fn hang_up(&mut self, why: impl Fn(NodeId) -> Option<Outcome>) {
        let settled = &mut self.settled;
        self.direct.retain(|request, to| match why(*to) {
            None => true,
            Some(outcome) => {
                settled.push(Resolved { request: *request, outcome });
                false
            }
        });
    }
}
