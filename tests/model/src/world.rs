//! A whole cluster as one value: nodes with their disks, and what is on its way between them.
//!
//! Nothing here chooses: whoever drives the world says what happens next. What one step writes to
//! one peer travels as one packet; packets of a link arrive in order.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use notrace_store_protocol::effect::{Durable, Effect, Slot};
use notrace_store_protocol::event::{Event, Now};
use notrace_store_protocol::group::{Begin, Group, Setup};
use notrace_store_protocol::ids::{Life, NodeId, ShardId, Version, ViewId};
use notrace_store_protocol::journal::Journal;
use notrace_store_protocol::layout::LayoutSpec;
use notrace_store_protocol::limits::Limits;
use notrace_store_protocol::machine::{Durability, Place};
use notrace_store_protocol::mark::Mark;
use notrace_store_protocol::message::{Fetch, Message, Part, Peer, Piece, Start, Write};
use notrace_store_protocol::rpc::{Gather, Outcome, RequestId};
use notrace_store_protocol::time::Hlc;
use notrace_store_protocol::view::{Duty, View};

/// The bytes of an update stand for themselves: who sent it, and its call.
pub type Payload = (NodeId, RequestId);

/// What one node's disk holds of one shard.
#[derive(Clone, PartialEq, Eq, Hash, Debug, Default)]
pub struct Log {
    /// The updates, in order.
    pub entries: Vec<(Place, Payload)>,
    /// The epochs it noted.
    pub line: Vec<Start>,
}

/// A node: what runs, and what survives when it does not.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct Node {
    /// Who it is.
    pub id: NodeId,
    /// Its present life, or its last one.
    pub life: Life,
    /// What runs, if it is up.
    pub group: Option<Group>,
    /// What its disk remembers.
    pub durable: Option<Arc<Durable>>,
    /// Its logs, by shard; what a volatile shard has in memory, too.
    pub logs: Vec<Log>,
}

/// The cluster.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct World {
    /// The layout.
    pub spec: Arc<LayoutSpec>,
    /// The bounds and times.
    pub limits: Limits,
    /// What time it is, for everybody.
    pub micros: u64,
    /// The nodes.
    pub nodes: Vec<Node>,
    /// From each node to each other one.
    pub links: Vec<VecDeque<Vec<Write>>>,
    /// Updates sent so far.
    pub sent: u64,
    /// What stands in whose ring.
    pub rings: BTreeMap<(NodeId, ShardId, ViewId, u64), Payload>,
    /// What was delivered at which place of which shard.
    pub history: BTreeMap<(ShardId, Version), (Payload, Hlc)>,
    /// Every view that was installed.
    pub views: BTreeMap<ViewId, Arc<View>>,
    /// Updates that a client was told of.
    pub acked: Vec<(ShardId, Version, Payload)>,
    /// What went wrong.
    pub failures: Vec<&'static str>,
}

fn node_id(number: u32) -> NodeId {
    match NodeId::new(number) {
        Some(node) => node,
        None => unreachable!("nodes are numbered from 1"),
    }
}

impl World {
    /// Nodes that are all down.
    #[must_use]
    pub fn new(n: u32, spec: Arc<LayoutSpec>, limits: Limits) -> Self {
        let shards = spec.shards().count();
        let node = |number| Node {
            id: node_id(number),
            life: Life(0),
            group: None,
            durable: None,
            logs: vec![Log::default(); shards],
        };
        Self {
            spec,
            limits,
            micros: 1_000_000,
            nodes: (1..=n).map(node).collect(),
            links: vec![VecDeque::new(); (n * n) as usize],
            sent: 0,
            rings: BTreeMap::new(),
            history: BTreeMap::new(),
            views: BTreeMap::new(),
            acked: Vec::new(),
            failures: Vec::new(),
        }
    }

    /// What time it is.
    #[must_use]
    pub fn now(&self) -> Now {
        Now { micros: self.micros, wall: Hlc::from_unix_micros(self.micros) }
    }

    /// Links on which something is under way.
    #[must_use]
    pub fn busy(&self) -> Vec<(usize, usize)> {
        let n = self.nodes.len();
        let links = self.links.iter().enumerate().filter(|(_, link)| !link.is_empty());
        links.map(|(link, _)| (link / n, link % n)).collect()
    }

    /// Lets everything arrive, in some order.
    pub fn drain(&mut self) {
        while let Some((from, to)) = self.busy().first().copied() {
            self.deliver(from, to);
        }
    }

    /// Lets every node feel that time went by.
    pub fn tick(&mut self) {
        for at in 0..self.nodes.len() {
            self.step(at, Event::Tick);
        }
    }

    /// Whether one node's view has another one in a life that is over.
    #[must_use]
    pub fn is_other_life(&self, at: usize, other: usize) -> bool {
        let view = self.nodes[at].group.as_ref().and_then(|group| group.view());
        let rank = view.and_then(|view| view.rank_of(self.nodes[other].id));
        let member = view.zip(rank).and_then(|(view, rank)| view.member(rank));
        member.is_some_and(|member| member.life != self.nodes[other].life)
    }

    /// Whether one node has another one in its view, and does not suspect it yet.
    #[must_use]
    pub fn may_suspect(&self, at: usize, other: usize) -> bool {
        let group = self.nodes[at].group.as_ref();
        group.is_some_and(|group| group.may_suspect(self.nodes[other].id))
    }

    /// Whether some node that is up has walked a rare path.
    #[must_use]
    pub fn has_walked(&self, mark: Mark) -> bool {
        let up = self.nodes.iter().filter_map(|node| node.group.as_ref());
        up.into_iter().any(|group| group.marks().has(mark))
    }

    /// Whether no two logs differ at a version that both have delivered.
    #[must_use]
    pub fn has_one_order(&self) -> bool {
        let logs = self.nodes.iter().flat_map(|node| node.logs.iter().enumerate());
        logs.into_iter().all(|(shard, log)| {
            log.entries.iter().all(|(place, payload)| {
                let key = (ShardId(shard as u16), place.version);
                self.history.get(&key) == Some(&(*payload, place.time))
            })
        })
    }

    /// Whether all that are ready in an epoch hold the same up to its beginning.
    #[must_use]
    pub fn epochs_begin_alike(&self) -> bool {
        let mut begun: BTreeMap<(usize, ViewId), Vec<&(Place, Payload)>> = BTreeMap::new();
        for node in &self.nodes {
            let Some(group) = &node.group else { continue };
            for (shard, log) in node.logs.iter().enumerate() {
                let epoch = group.epoch(ShardId(shard as u16)).filter(|epoch| epoch.is_ready());
                let Some(start) = epoch.map(|epoch| epoch.start()) else { continue };
                let before = log.entries.iter().filter(|it| it.0.version <= start.through);
                let before: Vec<_> = before.collect();
                let known = begun.entry((shard, start.since)).or_insert_with(|| before.clone());
                if *known != before {
                    return false;
                }
            }
        }
        true
    }

    fn index(&self, node: NodeId) -> usize {
        node.number() as usize - 1
    }

    /// The number of a link.
    #[must_use]
    pub fn link(&self, from: usize, to: usize) -> usize {
        from * self.nodes.len() + to
    }

    /// Whether a node is up.
    #[must_use]
    pub fn is_up(&self, at: usize) -> bool {
        self.nodes[at].group.is_some()
    }

    fn peer(&self, at: usize) -> Peer {
        Peer { node: self.nodes[at].id, life: self.nodes[at].life }
    }

    /// Starts a node in its next life.
    pub fn start(&mut self, at: usize, founds: bool) {
        let contacts: Vec<NodeId> = self.nodes.iter().map(|node| node.id).collect();
        let node = &mut self.nodes[at];
        node.life = Life(node.life.0 + 1);
        let begin = match node.durable.clone() {
            Some(durable) => Begin::Restart { durable, contacts },
            None if founds => Begin::Found,
            None => Begin::Join { contacts },
        };
        let journal = |log: &Log| {
            let last = log.entries.last().map_or(Place::ZERO, |entry| entry.0);
            Journal::restored(last, Version::ZERO, log.line.clone())
        };
        let setup = Setup {
            node: node.id,
            life: node.life,
            duty: Duty::Full,
            spec: self.spec.clone(),
            limits: self.limits,
            begin,
            journals: node.logs.iter().map(journal).collect(),
        };
        let mut out = Vec::new();
        let group = Group::new(setup, self.now(), &mut out);
        self.nodes[at].group = Some(group);
        self.perform(at, out);
        for other in 0..self.nodes.len() {
            if other != at && self.is_up(other) {
                let (here, there) = (self.peer(at), self.peer(other));
                self.step(at, Event::LinkUp { peer: there });
                self.step(other, Event::LinkUp { peer: here });
            }
        }
    }

    /// Kills a node. What it wrote may still arrive; what was on its way to it does not.
    pub fn crash(&mut self, at: usize) {
        self.nodes[at].group = None;
        for from in 0..self.nodes.len() {
            let link = self.link(from, at);
            self.links[link].clear();
        }
    }

    /// Lets the next packet of a link arrive.
    pub fn deliver(&mut self, from: usize, to: usize) {
        let link = self.link(from, to);
        let Some(packet) = self.links[link].pop_front() else { return };
        let peer = self.peer(from);
        for write in packet {
            self.step(to, Event::Arrived { from: peer, write });
        }
    }

    /// Lets a node send an update.
    pub fn send(&mut self, at: usize, shard: ShardId, level: Durability) {
        self.sent += 1;
        let request = RequestId(self.sent);
        self.step(at, Event::Send { request, shard, bytes: 1, level, gather: Gather::None });
    }

    /// Lets something happen to a node, and does what it asks for.
    pub fn step(&mut self, at: usize, event: Event) {
        let now = self.now();
        let Some(group) = self.nodes[at].group.as_mut() else { return };
        let mut out = Vec::new();
        group.step(now, event, &mut out);
        self.perform(at, out);
    }

    fn perform(&mut self, at: usize, effects: Vec<Effect>) {
        let mut packets: BTreeMap<usize, Vec<Write>> = BTreeMap::new();
        let mut follow = Vec::new();
        let mut leaves = false;
        for effect in effects {
            match effect {
                Effect::Write { to, write } => {
                    let to = self.index(to);
                    if to != at && self.is_up(to) {
                        packets.entry(to).or_default().push(write);
                    }
                }
                Effect::Leave => leaves = true,
                effect => self.perform_here(at, effect, &mut follow),
            }
        }
        for (to, packet) in packets {
            let link = self.link(at, to);
            self.links[link].push_back(packet);
        }
        for event in follow {
            self.step(at, event);
        }
        if leaves {
            self.crash(at);
        }
    }

    fn perform_here(&mut self, at: usize, effect: Effect, follow: &mut Vec<Event>) {
        let id = self.nodes[at].id;
        match effect {
            Effect::Record { number, durable } => {
                self.nodes[at].durable = Some(durable);
                follow.push(Event::Recorded { number });
            }
            Effect::Begin { shard, start } => {
                self.nodes[at].logs[usize::from(shard.0)].line.push(start);
            }
            Effect::Place { request, slot } => self.put(id, slot, (id, request)),
            Effect::Carry { request, target, .. } => {
                let owner = (id, request);
                self.put(id, target, owner);
            }
            Effect::Deliver { place, sender, slot, .. } => self.delivered(at, place, sender, slot),
            Effect::Sync { shard, through } => follow.push(Event::Synced { shard, through }),
            Effect::Resolve(resolved) => {
                if let Outcome::Delivered { place, .. } = resolved.outcome {
                    let payload = (id, resolved.request);
                    self.acknowledged(place, payload);
                }
            }
            Effect::Install { view } => self.installed(view),
            Effect::SendTail { to, fetch, through, line } => {
                let piece = self.tail(at, &fetch, through, line);
                let to = self.index(to);
                if self.is_up(to) {
                    let link = self.link(at, to);
                    self.links[link].push_back(vec![Write::Message(Message::Piece(piece))]);
                }
            }
            Effect::SendChunk { .. } => self.failures.push("a chunk of a log never trimmed"),
            Effect::Store { from, piece } => self.store(at, from, &piece, follow),
            Effect::Refuse { .. }
            | Effect::Observe { .. }
            | Effect::Stable { .. }
            | Effect::Lose { .. }
            | Effect::Stop { .. } => {}
            Effect::Write { .. } | Effect::Leave => unreachable!(),
        }
    }

    fn tail(&self, at: usize, fetch: &Fetch, through: Version, line: Arc<Vec<Start>>) -> Piece {
        let log = &self.nodes[at].logs[usize::from(fetch.shard.0)];
        let wanted = log.entries.iter().map(|entry| entry.0);
        let mut wanted = wanted.filter(|it| it.version > fetch.have && it.version <= through);
        let last = wanted.next_back().unwrap_or(Place { version: fetch.have, time: Hlc::ZERO });
        let part = Part::Tail { after: fetch.have, through: last, delivered: through };
        Piece { shard: fetch.shard, line, part }
    }

    fn acknowledged(&mut self, place: Place, payload: Payload) {
        let mut history = self.history.iter();
        let found = history.find(|((_, at), (it, _))| *at == place.version && *it == payload);
        match found.map(|((shard, _), _)| *shard) {
            Some(shard) => self.acked.push((shard, place.version, payload)),
            None => self.failures.push("acknowledged what was not delivered"),
        }
    }

    fn put(&mut self, id: NodeId, slot: Slot, payload: Payload) {
        self.rings.insert((id, slot.shard, slot.since, slot.index), payload);
    }

    fn delivered(&mut self, at: usize, place: Place, sender: NodeId, slot: Slot) {
        let ring = (sender, slot.shard, slot.since, slot.index);
        let Some(payload) = self.rings.get(&ring).copied() else {
            return self.failures.push("delivered what nobody sent");
        };
        let log = &mut self.nodes[at].logs[usize::from(slot.shard.0)];
        if log.entries.last().is_some_and(|last| last.0.version >= place.version) {
            self.failures.push("versions fell");
        }
        if log.entries.iter().any(|entry| entry.1 == payload) {
            self.failures.push("delivered twice");
        }
        log.entries.push((place, payload));
        let told = (payload, place.time);
        let known = *self.history.entry((slot.shard, place.version)).or_insert(told);
        if known != told {
            self.failures.push("two updates at one place");
        }
    }

    fn installed(&mut self, view: Arc<View>) {
        let known = self.views.entry(view.id).or_insert_with(|| view.clone());
        if *known != view {
            self.failures.push("two views of one number");
        }
        for (shard, next) in view.shards() {
            let lost = self.acked.iter().any(|(of, version, _)| {
                *of == shard && version.view() < next.since && *version > next.through
            });
            if lost && view.id == next.since {
                self.failures.push("a view lost an acknowledged update");
            }
        }
    }

    fn store(&mut self, at: usize, from: Peer, piece: &Piece, follow: &mut Vec<Event>) {
        let shard = usize::from(piece.shard.0);
        let mut log = self.nodes[at].logs[shard].clone();
        match piece.part {
            Part::Back { to } => {
                log.entries.retain(|entry| entry.0.version <= to);
                log.line.retain(|start| start.since <= to.view());
            }
            Part::Tail { after, through, .. } => {
                let donor = self.index(from.node);
                let more = self.nodes[donor].logs[shard]
                    .entries
                    .iter()
                    .filter(|entry| entry.0.version > after && entry.0.version <= through.version);
                log.entries.extend(more.copied());
            }
            Part::Chunk { .. } => {}
        }
        let last = log.entries.last().map_or(Place::ZERO, |entry| entry.0);
        let known = log.line.last().map(|start| start.since);
        for start in piece.line.iter() {
            let crossed = Some(start.since) > known && start.since <= last.version.view();
            if crossed || log.line.is_empty() {
                log.line.push(*start);
            }
        }
        self.nodes[at].logs[shard] = log;
        follow.push(Event::Stored { shard: piece.shard, last, resume: None });
        follow.push(Event::Synced { shard: piece.shard, through: last.version });
    }
}
