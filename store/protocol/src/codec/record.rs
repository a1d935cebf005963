//! The values that are one field after the other.

use std::sync::Arc;

use super::input::{Input, Listed, Part};
use crate::effect::Durable;
use crate::ids::{Life, NodeId, Rank, SeqNum, ShardId, Version, ViewId};
use crate::limits::{FRAMES_MAX, LINE_MAX, MEMBERS_MAX, SHARDS_MAX};
use crate::machine::{Malformed, Place};
use crate::message::{self, Fetch, Piece, Resume, Start};
use crate::row::{
    Ballot, Call, Frame, Frames, Held, Holding, Learned, MemberGuard, MemberRow, Proposal, ShardRow,
};
use crate::time::Hlc;
use crate::view::{Duty, Fate, Member, ShardView, View};

/// A value that is a number, and perhaps not every number.
macro_rules! word {
    ($type:ty, $number:ty, $wire:expr, $parse:expr) => {
        impl Part for $type {
            const LEAST: usize = size_of::<$number>();
            const MOST: usize = Self::LEAST;

            fn put(&self, out: &mut Vec<u8>) {
                let wire: fn(&$type) -> $number = $wire;
                wire(self).put(out);
            }

            fn parse(input: &mut Input<'_>) -> Result<Self, Malformed> {
                let parse: fn($number) -> Option<$type> = $parse;
                parse(<$number>::parse(input)?).ok_or(Malformed)
            }
        }
    };
}

word!(NodeId, u32, |node| node.number(), NodeId::new);
word!(Life, u32, |life| life.0, |number| Some(Life(number)));
word!(ViewId, u32, |view| view.number(), ViewId::new);
word!(Version, u64, |version| version.to_wire(), |wire| Some(Version::from_wire(wire)));
word!(Hlc, u64, |time| time.to_wire(), |wire| Some(Hlc::from_wire(wire)));
word!(Rank, u16, |rank| rank.0, |number| {
    (usize::from(number) < MEMBERS_MAX).then_some(Rank(number))
});
word!(ShardId, u16, |shard| shard.0, |number| {
    (usize::from(number) < SHARDS_MAX).then_some(ShardId(number))
});

/// A value that is its fields, in this order.
macro_rules! record {
    ($type:ident { $($field:ident: $part:ty),* $(,)? }) => {
        impl Part for $type {
            const LEAST: usize = 0 $(+ <$part>::LEAST)*;
            const MOST: usize = 0 $(+ <$part>::MOST)*;

            fn put(&self, out: &mut Vec<u8>) {
                $(self.$field.put(out);)*
            }

            fn parse(input: &mut Input<'_>) -> Result<Self, Malformed> {
                Ok(Self { $($field: <$part>::parse(input)?),* })
            }
        }
    };
}

record!(Place { version: Version, time: Hlc });
record!(Start { since: ViewId, through: Version });
record!(Resume { at: Version, chunk: u32 });
record!(Fetch { shard: ShardId, have: Version, resume: Option<Resume> });
record!(Piece {
    shard: ShardId,
    line: Arc<Vec<Start>>,
    part: message::Part,
});

record!(Member { node: NodeId, life: Life, duty: Duty });
record!(ShardView {
    since: ViewId,
    through: Version,
    witness: Option<NodeId>,
    members: Vec<NodeId>,
    keepers: Vec<NodeId>,
    kept: Version,
    fate: Fate,
});
record!(View { id: ViewId, members: Vec<Member>, shards: Vec<ShardView> });

record!(Ballot { attempt: u32, rank: Rank });
record!(Proposal { ballot: Ballot, view: Arc<View> });
record!(Call { ballot: Ballot, shards: Vec<ShardId> });
record!(Learned { shard: ShardId, since: ViewId });
record!(MemberRow {
    view: ViewId,
    life: Life,
    generation: u64,
    suspected: u64,
    stopped: bool,
    leaving: bool,
    call: Option<Call>,
    held: Vec<Held>,
    learned: Vec<Learned>,
    promised: Option<Ballot>,
    proposal: Option<Arc<Proposal>>,
    echo: Option<Arc<Proposal>>,
});
record!(MemberGuard { view: ViewId, life: Life, generation: u64, beat: u64 });
record!(Frames { shard: ShardId, since: ViewId, frames: Vec<Frame> });
record!(Durable {
    born: Life,
    life: Life,
    view: Option<Arc<View>>,
    promised: Option<Ballot>,
    echo: Option<Arc<Proposal>>,
});

impl Part for Held {
    const LEAST: usize = ShardId::LEAST + ViewId::LEAST + 8 + Version::LEAST + Holding::LEAST;
    const MOST: usize = Self::LEAST;

    fn put(&self, out: &mut Vec<u8>) {
        self.shard.put(out);
        self.since.put(out);
        self.slots.put(out);
        self.last.put(out);
        self.how.put(out);
    }

    fn parse(input: &mut Input<'_>) -> Result<Self, Malformed> {
        let shard = ShardId::parse(input)?;
        let since = ViewId::parse(input)?;
        let slots = input.count()?;
        Ok(Self { shard, since, slots, last: Version::parse(input)?, how: Holding::parse(input)? })
    }
}

impl Part for ShardRow {
    const LEAST: usize = ShardId::LEAST + ViewId::LEAST + 8 + 2 + 8 + Version::LEAST + 1;
    const MOST: usize = Self::LEAST + MEMBERS_MAX * 8;

    fn put(&self, out: &mut Vec<u8>) {
        self.shard.put(out);
        self.since.put(out);
        self.sent.put(out);
        self.received.put(out);
        self.delivered.put(out);
        self.persisted.put(out);
        self.ready.put(out);
    }

    fn parse(input: &mut Input<'_>) -> Result<Self, Malformed> {
        let shard = ShardId::parse(input)?;
        let since = ViewId::parse(input)?;
        let sent = input.count()?;
        let received = Vec::<u64>::parse(input)?;
        if received.iter().any(|count| *count > SeqNum::MAX.number()) {
            return Err(Malformed);
        }
        let delivered = input.count()?;
        let persisted = Version::parse(input)?;
        Ok(Self { shard, since, sent, received, delivered, persisted, ready: bool::parse(input)? })
    }
}

macro_rules! listed {
    ($($type:ty: $max:expr),* $(,)?) => {$(
        impl Listed for $type {
            const LIST_MAX: usize = $max;
        }
    )*};
}

listed! {
    NodeId: MEMBERS_MAX,
    Member: MEMBERS_MAX,
    ShardId: SHARDS_MAX,
    ShardView: SHARDS_MAX,
    Held: SHARDS_MAX,
    Learned: SHARDS_MAX,
    Frame: FRAMES_MAX,
    Start: LINE_MAX,
    // What a row says of each sender.
    u64: MEMBERS_MAX,
}
