//! Values of every kind that travels, drawn from a seed.

use std::sync::Arc;

use crate::effect::Durable;
use crate::ids::{Life, NodeId, Rank, SeqNum, ShardId, Version, ViewId};
use crate::limits::{FRAMES_MAX, LINE_MAX, MEMBERS_MAX, SHARDS_MAX, WINDOW_BYTES_MAX};
use crate::machine::Place;
use crate::message::{Fetch, Message, Part, Piece, Resume, Start, Write};
use crate::row::{
    Ballot, Call, Content, Frame, Frames, Held, Holding, Learned, MemberGuard, MemberRow, Proposal,
    ShardRow,
};
use crate::time::Hlc;
use crate::view::{Duty, Fate, Member, ShardView, View};

/// Draws numbers, the extreme ones often. Source: SplitMix64 (Steele et al., 2014).
pub(super) struct Draw {
    seed: u64,
    /// Lists are this long at most; `usize::MAX` for as long as they can be.
    pub(super) long: usize,
}

impl Draw {
    pub(super) fn new(seed: u64) -> Self {
        Self { seed, long: 3 }
    }

    pub(super) fn word(&mut self) -> u64 {
        self.seed = self.seed.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let one = (self.seed ^ (self.seed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let two = (one ^ (one >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        two ^ (two >> 31)
    }

    pub(super) fn upto(&mut self, most: u64) -> u64 {
        match self.word() % 8 {
            0 => 0,
            1 => most,
            2 => self.word() % 4 % most.saturating_add(1).max(1),
            _ if most == u64::MAX => self.word(),
            _ => self.word() % (most + 1),
        }
    }

    fn flag(&mut self) -> bool {
        self.word() % 2 == 1
    }

    fn maybe<T>(&mut self, make: impl FnOnce(&mut Self) -> T) -> Option<T> {
        if self.long == usize::MAX || self.flag() { Some(make(self)) } else { None }
    }

    fn list<T>(&mut self, max: usize, mut make: impl FnMut(&mut Self) -> T) -> Vec<T> {
        let most = self.long.min(max);
        let count = if self.long == usize::MAX { most } else { self.upto(most as u64) as usize };
        (0..count).map(|_| make(self)).collect()
    }

    fn node(&mut self) -> NodeId {
        NodeId::new(self.upto(u64::from(u32::MAX) - 1) as u32 + 1).unwrap()
    }

    fn life(&mut self) -> Life {
        Life(self.upto(u32::MAX.into()) as u32)
    }

    fn view_id(&mut self) -> ViewId {
        ViewId::new(self.upto(ViewId::MAX.number().into()) as u32).unwrap()
    }

    fn shard_id(&mut self) -> ShardId {
        ShardId(self.upto(SHARDS_MAX as u64 - 1) as u16)
    }

    fn version(&mut self) -> Version {
        Version::from_wire(self.upto(u64::MAX))
    }

    fn time(&mut self) -> Hlc {
        Hlc::from_wire(self.upto(u64::MAX))
    }

    fn place(&mut self) -> Place {
        Place { version: self.version(), time: self.time() }
    }

    fn count(&mut self) -> u64 {
        self.upto(SeqNum::MAX.number())
    }

    fn number(&mut self) -> u32 {
        self.upto(u32::MAX.into()) as u32
    }

    fn duty(&mut self) -> Duty {
        if self.flag() { Duty::Full } else { Duty::Witness }
    }

    fn ballot(&mut self) -> Ballot {
        Ballot { attempt: self.number(), rank: Rank(self.upto(MEMBERS_MAX as u64 - 1) as u16) }
    }

    fn member(&mut self) -> Member {
        Member { node: self.node(), life: self.life(), duty: self.duty() }
    }

    fn shard_view(&mut self) -> ShardView {
        ShardView {
            since: self.view_id(),
            through: self.version(),
            witness: self.maybe(Self::node),
            members: self.list(MEMBERS_MAX, Self::node),
            keepers: self.list(MEMBERS_MAX, Self::node),
            kept: self.version(),
            fate: if self.flag() { Fate::Held } else { Fate::Lost },
        }
    }

    pub(super) fn view(&mut self) -> View {
        View {
            id: self.view_id(),
            members: self.list(MEMBERS_MAX, Self::member),
            shards: self.list(SHARDS_MAX, Self::shard_view),
        }
    }

    fn proposal(&mut self) -> Arc<Proposal> {
        Arc::new(Proposal { ballot: self.ballot(), view: Arc::new(self.view()) })
    }

    pub(super) fn durable(&mut self) -> Durable {
        Durable {
            born: self.life(),
            life: self.life(),
            view: self.maybe(|draw| Arc::new(draw.view())),
            promised: self.maybe(Self::ballot),
            echo: self.maybe(Self::proposal),
        }
    }

    fn held(&mut self) -> Held {
        Held {
            shard: self.shard_id(),
            since: self.view_id(),
            slots: self.count(),
            last: self.version(),
            how: match self.word() % 3 {
                0 => Holding::Ready,
                1 => Holding::Unready,
                _ => Holding::Log,
            },
        }
    }

    fn learned(&mut self) -> Learned {
        Learned { shard: self.shard_id(), since: self.view_id() }
    }

    fn call(&mut self) -> Call {
        Call { ballot: self.ballot(), shards: self.list(SHARDS_MAX, Self::shard_id) }
    }

    pub(super) fn member_row(&mut self) -> MemberRow {
        MemberRow {
            view: self.view_id(),
            life: self.life(),
            generation: self.upto(u64::MAX),
            suspected: self.upto(u64::MAX),
            stopped: self.flag(),
            leaving: self.flag(),
            call: self.maybe(Self::call),
            held: self.list(SHARDS_MAX, Self::held),
            learned: self.list(SHARDS_MAX, Self::learned),
            promised: self.maybe(Self::ballot),
            proposal: self.maybe(Self::proposal),
            echo: self.maybe(Self::proposal),
        }
    }

    pub(super) fn guard(&mut self) -> MemberGuard {
        MemberGuard {
            view: self.view_id(),
            life: self.life(),
            generation: self.upto(u64::MAX),
            beat: self.upto(u64::MAX),
        }
    }

    pub(super) fn frame(&mut self) -> Frame {
        let most = u64::from(WINDOW_BYTES_MAX);
        if self.long == usize::MAX || self.flag() {
            let offset = self.upto(most);
            let bytes = self.upto(most - offset) as u32;
            let content = Content::Update { offset: offset as u32, bytes, time: self.time() };
            Frame { index: self.upto(SeqNum::MAX.number() - 1), content }
        } else {
            let count = self.upto(u64::from(u32::MAX) - 1) + 1;
            let content = Content::Nulls { count: count as u32 };
            Frame { index: self.upto(SeqNum::MAX.number() - count), content }
        }
    }

    pub(super) fn frames(&mut self) -> Frames {
        let frames = self.list(FRAMES_MAX, Self::frame);
        Frames { shard: self.shard_id(), since: self.view_id(), frames }
    }

    pub(super) fn shard_row(&mut self) -> ShardRow {
        ShardRow {
            shard: self.shard_id(),
            since: self.view_id(),
            sent: self.count(),
            received: self.list(MEMBERS_MAX, Self::count),
            delivered: self.count(),
            persisted: self.version(),
            ready: self.flag(),
        }
    }

    fn start(&mut self) -> Start {
        Start { since: self.view_id(), through: self.version() }
    }

    fn resume(&mut self) -> Resume {
        Resume { at: self.version(), chunk: self.number() }
    }

    fn piece(&mut self) -> Piece {
        let part = match self.word() % 3 {
            0 => Part::Back { to: self.version() },
            1 => Part::Chunk { at: self.place(), chunk: self.number(), last: self.flag() },
            _ => Part::Tail {
                after: self.version(),
                through: self.place(),
                delivered: self.version(),
            },
        };
        Piece { shard: self.shard_id(), line: Arc::new(self.list(LINE_MAX, Self::start)), part }
    }

    /// One of the four messages.
    pub(super) fn message(&mut self, which: u64) -> Message {
        match which % 4 {
            0 => Message::Join { duty: self.duty() },
            1 => Message::Decided(Arc::new(self.view())),
            2 => Message::Fetch(Fetch {
                shard: self.shard_id(),
                have: self.version(),
                resume: self.maybe(Self::resume),
            }),
            _ => Message::Piece(self.piece()),
        }
    }

    /// One of the five writes, and of the messages among them.
    pub(super) fn write(&mut self, which: u64) -> Write {
        match which % 8 {
            0 => Write::Member(Arc::new(self.member_row())),
            1 => Write::Guard(self.guard()),
            2 => Write::Frames(Arc::new(self.frames())),
            3 => Write::Shard(Arc::new(self.shard_row())),
            message => Write::Message(self.message(message)),
        }
    }
}
