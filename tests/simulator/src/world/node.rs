//! A node: a group in one of its lives, the memory that goes with it, and the disk that outlives
//! both.

use std::collections::VecDeque;

use notrace_store_protocol::effect::Slot;
use notrace_store_protocol::group::Group;
use notrace_store_protocol::ids::{Life, NodeId, ViewId};
use notrace_store_protocol::machine::Place;
use notrace_store_protocol::message::{Peer, Resume};

use super::disk::Disk;
use super::queue::Happening;
use super::replica::{Entry, Replica};

/// The node of this index.
pub(crate) fn node_id(index: usize) -> NodeId {
    match NodeId::new(index as u32 + 1) {
        Some(node) => node,
        None => unreachable!("one more than an index is not nothing"),
    }
}

/// The index of this node.
pub(crate) fn index(node: NodeId) -> usize {
    node.number() as usize - 1
}

/// The node as a member of a set.
pub(crate) fn bit(index: usize) -> u64 {
    1 << index
}

/// Whether a node runs.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Status {
    /// Has never started.
    New,
    Up,
    Down,
    /// Left the group by its own wish.
    Left,
}

/// A node.
pub(crate) struct Node {
    pub(crate) index: usize,
    pub(crate) life: Life,
    pub(crate) status: Status,
    pub(crate) paused: bool,
    /// Not to be started when all else is mended.
    pub(crate) never: bool,
    pub(crate) group: Option<Group>,
    /// It was told to leave.
    pub(crate) leaving: bool,
    pub(crate) disk: Disk,
    /// The disk was lost at some time.
    pub(crate) was_lost: bool,
    pub(crate) replicas: Vec<Replica>,
    pub(crate) rings: Rings,
    /// Parts of snapshots, by shard.
    pub(crate) partial: Vec<Option<(Resume, Vec<Entry>)>>,
    /// The sends of this life by request.
    pub(crate) requests: Vec<u32>,
    /// How many sends of this life in each shard.
    pub(crate) numbers: Vec<u32>,
    /// The epoch of each shard that it is a member of, and whether it was seen to be ready in it.
    pub(crate) epochs: Vec<Option<(ViewId, bool)>>,
    /// Everything up to here is on all disks, as it was told.
    pub(crate) stable: Vec<Place>,
    /// The wall clock's distance from the truth, microseconds.
    pub(crate) skew: i64,
    /// What happened while it stood still.
    pub(crate) missed: VecDeque<Happening>,
    pub(crate) scene: Scene,
}

/// What a node is in the middle of, to tell when it died.
#[derive(Clone, Copy, Default, Debug)]
pub(crate) struct Scene {
    pub(crate) leads: bool,
    pub(crate) flushes: bool,
    /// In its first view.
    pub(crate) joins: bool,
}

impl Node {
    pub(crate) fn new(index: usize, shards: usize, nodes: usize) -> Self {
        Self {
            index,
            life: Life(0),
            status: Status::New,
            paused: false,
            never: false,
            group: None,
            leaving: false,
            disk: Disk::new(shards),
            was_lost: false,
            replicas: vec![Replica::default(); shards],
            rings: Rings::new(shards, nodes),
            partial: vec![None; shards],
            requests: Vec::new(),
            numbers: vec![0; shards],
            epochs: vec![None; shards],
            stable: vec![Place::ZERO; shards],
            skew: 0,
            missed: VecDeque::new(),
            scene: Scene::default(),
        }
    }

    pub(crate) fn peer(&self) -> Peer {
        Peer { node: node_id(self.index), life: self.life }
    }

    pub(crate) fn is_running(&self) -> bool {
        self.status == Status::Up && !self.paused
    }

    /// What the memory held is gone.
    pub(crate) fn forget(&mut self) {
        self.group = None;
        self.requests.clear();
        self.numbers.fill(0);
        self.partial.fill(None);
        self.rings.clear();
        self.epochs.fill(None);
        self.stable.fill(Place::ZERO);
        self.missed.clear();
        self.paused = false;
        self.scene = Scene::default();
    }
}

/// A message in a ring: where it lies, and what.
#[derive(Clone, Copy, Debug)]
struct Held {
    index: u64,
    offset: u32,
    bytes: u32,
    payload: u32,
}

/// The rings of all senders as they are in this node's memory, of the two latest epochs each.
#[derive(Debug)]
pub(crate) struct Rings {
    nodes: usize,
    rings: Vec<[(ViewId, Vec<Held>); 2]>,
}

impl Rings {
    fn new(shards: usize, nodes: usize) -> Self {
        let empty = || (ViewId::ZERO, Vec::new());
        Self { nodes, rings: (0..shards * nodes).map(|_| [empty(), empty()]).collect() }
    }

    fn clear(&mut self) {
        for (since, held) in self.rings.iter_mut().flatten() {
            *since = ViewId::ZERO;
            held.clear();
        }
    }

    /// Writes a message into a ring, over whatever was there.
    pub(crate) fn put(&mut self, slot: &Slot, sender: usize, payload: u32) {
        let pair = &mut self.rings[usize::from(slot.shard.0) * self.nodes + sender];
        let at = match pair.iter().position(|(since, _)| *since == slot.since) {
            Some(at) => at,
            None => {
                let older = usize::from(pair[1].0 < pair[0].0);
                if pair[older].0 > slot.since {
                    return;
                }
                pair[older].0 = slot.since;
                pair[older].1.clear();
                older
            }
        };
        let held = &mut pair[at].1;
        let end = slot.offset + slot.bytes;
        held.retain(|it| it.offset + it.bytes <= slot.offset || it.offset >= end);
        let (index, offset, bytes) = (slot.index, slot.offset, slot.bytes);
        held.push(Held { index, offset, bytes, payload });
    }

    /// The message of a ring, if it is there whole.
    pub(crate) fn get(&self, slot: &Slot, sender: usize) -> Option<u32> {
        let pair = &self.rings[usize::from(slot.shard.0) * self.nodes + sender];
        let (_, held) = pair.iter().find(|(since, _)| *since == slot.since)?;
        let found = held.iter().find(|it| it.index == slot.index)?;
        let same = (found.offset, found.bytes) == (slot.offset, slot.bytes);
        same.then_some(found.payload)
    }
}
