//! Random lives of a caller, compared step by step with a plain model: each call keeps the list of
//! all that happened to it, and its outcome is read off the list from the beginning. What is
//! claimed is held against the truth of a small world that knows every fate.

use std::collections::{BTreeMap, BTreeSet};

use super::spec::{at, node};
use super::*;

#[derive(Clone)]
enum Fact {
    Delivered(Place),
    Frontier(Version, Version),
    Answer(NodeId, Reply),
    Cut,
    Carried,
    Members(Vec<NodeId>),
    Blind,
}

struct Story {
    /// The shard, the level and whose replies, or whom it called.
    about: Result<(ShardId, Durability, Gather), NodeId>,
    members: Vec<NodeId>,
    facts: Vec<Fact>,
    ended: bool,
}

impl Story {
    fn outcome(&self) -> Option<Outcome> {
        match self.about {
            Ok((_, level, gather)) => self.outcome_of_update(level, gather),
            Err(to) => self.facts.iter().find_map(|fact| match fact {
                Fact::Answer(from, _) if *from != to => None,
                Fact::Answer(from, Reply::Replied) => Some(Outcome::Replied { from: *from }),
                Fact::Answer(_, Reply::ViewChanged) => Some(Outcome::ViewChanged),
                Fact::Answer(_, Reply::Unknown) | Fact::Blind => {
                    Some(Outcome::Unknown { delivered: None })
                }
                _ => None,
            }),
        }
    }

    fn outcome_of_update(&self, level: Durability, gather: Gather) -> Option<Outcome> {
        let whose = |members: &[NodeId]| match gather {
            Gather::None => Vec::new(),
            Gather::Own => vec![node(1)],
            Gather::All => members.to_vec(),
        };
        let (mut place, mut carried, mut from) = (None, false, 0);
        let mut awaited = whose(&self.members);
        for (index, fact) in self.facts.iter().enumerate() {
            let so_far = &self.facts[from..=index];
            let safe = |place: Place| {
                level == Durability::Delivered
                    || self.facts[..=index].iter().any(|fact| match fact {
                        Fact::Frontier(majority, _) if level == Durability::MajorityDurable => {
                            *majority >= place.version
                        }
                        Fact::Frontier(_, all) => *all >= place.version,
                        _ => false,
                    })
            };
            match fact {
                Fact::Delivered(here) => place = Some(*here),
                Fact::Cut => return Some(Outcome::NotApplied),
                Fact::Carried => carried = true,
                Fact::Members(members) if place.is_none() => {
                    if !carried {
                        return Some(Outcome::Unknown { delivered: None });
                    }
                    (carried, from, awaited) = (false, index + 1, whose(members));
                    continue;
                }
                Fact::Blind => {
                    return Some(match place {
                        Some(place) if level > Durability::Delivered && safe(place) => {
                            delivered(place, &awaited, so_far)
                        }
                        delivered => Outcome::Unknown { delivered },
                    });
                }
                _ => {}
            }
            let all = |member: &NodeId| reply(*member, so_far).is_some();
            if let Some(place) = place.filter(|place| safe(*place))
                && awaited.iter().all(all)
            {
                return Some(delivered(place, &awaited, so_far));
            }
        }
        None
    }
}

fn delivered(place: Place, awaited: &[NodeId], facts: &[Fact]) -> Outcome {
    let answer = |member: &NodeId| Answer {
        member: *member,
        reply: reply(*member, facts).unwrap_or(Reply::Unknown),
    };
    Outcome::Delivered { place, replies: awaited.iter().map(answer).collect() }
}

/// What became of a member's reply: the first word that is final, or else that the link broke.
fn reply(member: NodeId, facts: &[Fact]) -> Option<Reply> {
    let words = facts.iter().filter_map(|fact| match fact {
        Fact::Answer(from, reply) if *from == member => Some(*reply),
        Fact::Members(members) if !members.contains(&member) => Some(Reply::ViewChanged),
        _ => None,
    });
    let words: Vec<Reply> = words.collect();
    words.iter().find(|reply| **reply != Reply::Unknown).or(words.first()).copied()
}

struct Shard {
    id: ShardId,
    members: Vec<NodeId>,
    view: u32,
    last: u64,
    majority: Version,
    all: Version,
    pending: Vec<RequestId>,
}

struct World {
    dice: u64,
    calls: Calls,
    stories: BTreeMap<RequestId, Story>,
    shards: Vec<Shard>,
    applied: BTreeMap<RequestId, Place>,
    cut: BTreeSet<RequestId>,
    replied: BTreeSet<(RequestId, NodeId)>,
    seen: BTreeSet<&'static str>,
}

impl World {
    fn new(seed: u64) -> Self {
        let shard = |id| Shard {
            id: ShardId(id),
            members: (1..=3).map(node).collect(),
            view: 1,
            last: 0,
            majority: Version::ZERO,
            all: Version::ZERO,
            pending: Vec::new(),
        };
        Self {
            dice: seed,
            calls: Calls::new(node(1)),
            stories: BTreeMap::new(),
            shards: vec![shard(0), shard(1)],
            applied: BTreeMap::new(),
            cut: BTreeSet::new(),
            replied: BTreeSet::new(),
            seen: BTreeSet::new(),
        }
    }

    /// A number below `sides`. Source: Steele et al., "Fast Splittable Pseudorandom Number
    /// Generators" (2014).
    fn roll(&mut self, sides: u64) -> u64 {
        self.dice = self.dice.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.dice;
        mixed = (mixed ^ mixed >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ mixed >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        (mixed ^ mixed >> 31) % sides
    }

    fn tell(&mut self, whom: impl Fn(RequestId, &Story) -> bool, fact: &Fact) {
        for (request, story) in &mut self.stories {
            if !story.ended && whom(*request, story) {
                story.facts.push(fact.clone());
            }
        }
    }

    fn in_shard(&mut self, shard: ShardId, fact: &Fact) {
        self.tell(|_, story| story.about.is_ok_and(|(of, ..)| of == shard), fact);
    }

    fn open(&mut self) {
        let request = RequestId(self.stories.len() as u64 * 3);
        let story = if self.roll(4) == 0 {
            let to = node(2 + self.roll(4) as u32);
            self.calls.open_p2p(request, to).unwrap();
            Story { about: Err(to), members: Vec::new(), facts: Vec::new(), ended: false }
        } else {
            use Durability::{AllDurable, Delivered, MajorityDurable};
            let level = [Delivered, MajorityDurable, AllDurable][self.roll(3) as usize];
            let gather = [Gather::None, Gather::Own, Gather::All][self.roll(3) as usize];
            let at = self.roll(2) as usize;
            let shard = &mut self.shards[at];
            let (id, members) = (shard.id, shard.members.clone());
            self.calls.open_ordered(request, id, level, gather, &members).unwrap();
            shard.pending.push(request);
            Story { about: Ok((id, level, gather)), members, facts: Vec::new(), ended: false }
        };
        self.stories.insert(request, story);
    }

    fn deliver(&mut self, which: usize) {
        let shard = &mut self.shards[which];
        shard.last += 1;
        let place = at(shard.view, shard.last);
        if shard.pending.is_empty() {
            return;
        }
        let request = shard.pending.remove(0);
        self.applied.insert(request, place);
        self.calls.delivered(request, place);
        self.tell(|one, _| one == request, &Fact::Delivered(place));
    }

    fn persist(&mut self, which: usize) {
        let (majority, all) = (self.roll(4), self.roll(4));
        let shard = &mut self.shards[which];
        let through = |short: u64| at(shard.view, shard.last.saturating_sub(short)).version;
        shard.majority = shard.majority.max(through(majority));
        shard.all = shard.all.max(through(majority + all));
        let (id, majority, all) = (shard.id, shard.majority, shard.all);
        self.calls.durable(id, majority, all);
        self.in_shard(id, &Fact::Frontier(majority, all));
    }

    fn reply(&mut self) {
        let from = node(1 + self.roll(5) as u32);
        let request = RequestId(self.roll(self.stories.len() as u64 + 1) * 3);
        self.replied.insert((request, from));
        self.calls.replied(request, from);
        self.tell(|one, _| one == request, &Fact::Answer(from, Reply::Replied));
    }

    /// Ends an epoch: some updates are delivered to its end, some sent again, some cut off; or
    /// something of that is not known here.
    fn change_view(&mut self, which: usize) {
        let open = self.shards[which].pending.len() as u64;
        for _ in 0..self.roll(open + 1) {
            self.deliver(which);
        }
        // What is claimed holds when it is claimed; a restart may take back what is on no disk.
        self.compare();
        let members: Vec<NodeId> =
            (1..=5).filter(|number| *number == 1 || self.roll(2) == 0).map(node).collect();
        let how = self.roll(8);
        let shard = &mut self.shards[which];
        shard.view += 2;
        shard.members.clone_from(&members);
        let id = shard.id;
        let left = std::mem::take(&mut shard.pending);
        if how == 0 {
            // What was not on disks is left out of the order, though it was delivered.
            let majority = self.shards[which].majority;
            self.applied.retain(|request, place| {
                let here = self.stories[request].about.is_ok_and(|(of, ..)| of == id);
                !here || place.version <= majority
            });
            self.shards[which].last = 0;
            self.calls.lost_sight(id);
            self.in_shard(id, &Fact::Blind);
        } else if how > 1 {
            let carried = self.roll(left.len() as u64 + 1) as usize;
            for (at, request) in left.into_iter().enumerate() {
                if at < carried {
                    self.calls.carried(request);
                    self.tell(|one, _| one == request, &Fact::Carried);
                    self.shards[which].pending.push(request);
                } else {
                    self.calls.cut(request);
                    self.cut.insert(request);
                    self.tell(|one, _| one == request, &Fact::Cut);
                }
            }
        }
        self.calls.view_changed(id, &members);
        self.in_shard(id, &Fact::Members(members));
    }

    fn step(&mut self) {
        let which = self.roll(2) as usize;
        let other = node(2 + self.roll(4) as u32);
        match self.roll(64) {
            0..16 => self.open(),
            16..28 => self.deliver(which),
            28..36 => self.persist(which),
            36..56 => self.reply(),
            56..60 => self.change_view(which),
            60 => {
                self.calls.member_gone(other);
                self.tell(|_, _| true, &Fact::Answer(other, Reply::ViewChanged));
            }
            61..63 => {
                self.calls.link_lost(other);
                self.tell(|_, _| true, &Fact::Answer(other, Reply::Unknown));
            }
            _ if self.roll(4) == 0 => self.stop(),
            _ => {
                let nobody = RequestId(1);
                self.calls.delivered(nobody, at(1, 1));
                self.calls.cut(nobody);
                self.calls.carried(nobody);
            }
        }
        self.compare();
    }

    fn stop(&mut self) {
        self.calls.stopped();
        self.tell(|_, _| true, &Fact::Blind);
    }

    /// Whatever ended just now is what the model says, and true.
    fn compare(&mut self) {
        let mut out = Vec::new();
        self.calls.resolve(&mut out);
        for Resolved { request, outcome } in &out {
            let story = &self.stories[request];
            assert!(!story.ended, "{request:?} ended twice");
            assert_eq!(Some(outcome), story.outcome().as_ref(), "{request:?}");
            self.judge(*request, outcome);
            self.stories.get_mut(request).unwrap().ended = true;
        }
        for (request, story) in &self.stories {
            assert!(story.ended || story.outcome().is_none(), "{request:?} should have ended");
        }
    }

    fn judge(&mut self, request: RequestId, outcome: &Outcome) {
        let kind = match outcome {
            Outcome::Delivered { place, replies } => {
                let (id, level, _) = self.stories[&request].about.unwrap();
                assert_eq!(self.applied.get(&request), Some(place), "not in the order");
                let shard = &self.shards[usize::from(id.0)];
                match level {
                    Durability::Delivered => {}
                    Durability::MajorityDurable => assert!(shard.majority >= place.version),
                    Durability::AllDurable => assert!(shard.all >= place.version),
                }
                for answer in replies {
                    let here = self.replied.contains(&(request, answer.member));
                    assert!(here || answer.reply != Reply::Replied, "a reply was made up");
                }
                "delivered"
            }
            Outcome::NotApplied => {
                assert!(self.cut.contains(&request) && !self.applied.contains_key(&request));
                "not applied"
            }
            Outcome::Replied { from } => {
                assert!(self.replied.contains(&(request, *from)));
                "replied"
            }
            Outcome::ViewChanged => "view changed",
            Outcome::Unknown { delivered: None } => "unknown",
            Outcome::Unknown { delivered: Some(_) } => "unknown, but delivered here",
        };
        self.seen.insert(kind);
    }
}

#[test]
fn every_call_ends_once_and_is_told_no_more_than_is_true() {
    let mut seen = BTreeSet::new();
    for seed in 0..400 {
        let mut world = World::new(seed);
        for _ in 0..250 {
            world.step();
        }
        world.stop();
        world.compare();
        assert!(world.stories.values().all(|story| story.ended), "a call never ended");
        let mut out = Vec::new();
        world.calls.resolve(&mut out);
        assert_eq!(out, []);
        seen.extend(world.seen);
    }
    assert_eq!(seen.len(), 6, "not every outcome was reached");
}
