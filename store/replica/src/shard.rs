//! One shard as the replica's thread sees it: its machine, its log's lane, its latest updates, and
//! the snapshot that it gives or takes.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use notrace_store_protocol::ids::{ShardId, Version};
use notrace_store_protocol::layout::{Mode, ShardSpec};
use notrace_store_protocol::machine::Place;
use notrace_store_protocol::message::{Piece, Start};

use crate::host::{Company, Host, Made};
use crate::lane::{Asked, Job, Lane};
use crate::limits::{LANE_BYTES_MAX, RECENT_BYTES_MAX, RECENT_MAX, ROOM_KEPT};
use crate::snapshots::{Partial, Snapshots};

/// A shard of this node.
pub(crate) struct Shard {
    pub(crate) id: ShardId,
    pub(crate) spec: ShardSpec,
    pub(crate) host: Box<dyn Host>,
    /// None for a shard that is in memory alone.
    pub(crate) lane: Option<Arc<Lane>>,
    /// The last update applied.
    pub(crate) last: Place,
    /// The last update that only a checkpoint holds.
    pub(crate) trimmed: Version,
    pub(crate) recent: Recent,
    pub(crate) snapshots: Snapshots,
    pub(crate) partial: Partial,
    /// The log is being cut back, or the machine made anew: until that is done, both stand still.
    pub(crate) is_remade: bool,
    /// It is the log that it is made from.
    pub(crate) was_cut: bool,
    /// The machine stands still, because its state is told for this time.
    frozen: Option<u64>,
    freezes: u64,
    /// What is to be stored after that.
    pub(crate) later: VecDeque<(Piece, Bytes)>,
    pub(crate) checkpoint: Checkpoint,
    room: Room,
}

/// What the disk had room for, in bytes, and when it was asked.
#[derive(Clone, Copy, Default)]
struct Room {
    bytes: u64,
    asked: Duration,
}

/// When the next checkpoint is due.
#[derive(Default)]
pub(crate) struct Checkpoint {
    /// Bytes appended since the last one.
    pub(crate) since: u64,
    /// Bytes of the last one.
    pub(crate) bytes: u64,
    /// One is being written; what was appended when it began.
    pub(crate) writing: Option<u64>,
    /// Those who want one of what has been applied since it began.
    pub(crate) asked: Vec<Asked>,
    /// Bytes to wait for, over and above what is due, after one failed.
    pub(crate) patience: u64,
}

/// The latest updates, for those who catch up.
pub(crate) struct Recent {
    /// The last update before the first that is here.
    base: Version,
    updates: VecDeque<(Place, Bytes)>,
    bytes: usize,
}

impl Shard {
    pub(crate) fn new(
        id: ShardId,
        spec: ShardSpec,
        host: Box<dyn Host>,
        lane: Option<Arc<Lane>>,
        last: Place,
        trimmed: Version,
    ) -> Self {
        let recent = Recent::after(last.version);
        let checkpoint = Checkpoint::default();
        let (snapshots, partial) = (Snapshots::default(), Partial::default());
        let (is_remade, was_cut, later) = (false, false, VecDeque::new());
        let room = Room::default();
        Self {
            id,
            spec,
            host,
            lane,
            last,
            trimmed,
            recent,
            snapshots,
            partial,
            is_remade,
            was_cut,
            frozen: None,
            freezes: 0,
            later,
            checkpoint,
            room,
        }
    }

    /// How many more bytes the disk can take. It is asked again after a while, and at once when it
    /// was nearly full.
    pub(crate) fn room(&mut self, now: Duration) -> u64 {
        let Some(lane) = &self.lane else { return u64::MAX };
        let Room { bytes, asked } = self.room;
        let is_ample = bytes > 2 * LANE_BYTES_MAX && now.saturating_sub(asked) < ROOM_KEPT;
        if !is_ample {
            self.room = Room { bytes: lane.room(), asked: now };
        }
        self.room.bytes
    }

    pub(crate) fn is_durable(&self) -> bool {
        self.spec.mode == Mode::Durable
    }

    pub(crate) fn ask(&self, job: Job) {
        if let Some(lane) = &self.lane {
            lane.push(job);
        }
    }

    /// Takes the next update: into the log, the machine, and among the latest. What was dropped of
    /// those, if anything.
    pub(crate) fn take(
        &mut self,
        place: Place,
        payload: Bytes,
        request: Option<notrace_store_protocol::rpc::RequestId>,
    ) -> Option<Version> {
        self.ask(Job::Append(place, payload.clone()));
        self.host.apply(place, &payload, request);
        self.last = place;
        self.checkpoint.since += payload.len() as u64;
        self.recent.push(place, payload)
    }

    /// Notes the starts of epochs that belong before `next`.
    pub(crate) fn note_starts(&self, line: &[Start], next: Version) {
        for start in line {
            let at = crate::line::place(start).version;
            if at < next && start.through <= self.last.version {
                self.ask(Job::Begin(*start));
            }
        }
    }

    /// Becomes what it was in the beginning.
    pub(crate) fn become_first(&mut self) {
        let old = self.host.become_first();
        self.begin_at(Place::ZERO, Version::ZERO, old);
    }

    /// Becomes what was made, as of this update.
    pub(crate) fn become_made(&mut self, last: Place, trimmed: Version, made: Made) {
        let old = self.host.become_made(last.version, made);
        self.begin_at(last, trimmed, old);
    }

    fn begin_at(&mut self, last: Place, trimmed: Version, old: Option<Made>) {
        (self.last, self.trimmed) = (last, trimmed);
        self.recent = Recent::after(last.version);
        self.snapshots.clear();
        self.frozen = None;
        // To take a large machine apart takes time as well. Without a thread it is done here.
        let _ = crate::background::begin("discard", move || drop(old));
    }

    /// Whether the log and the machine stand at the same update.
    pub(crate) fn is_at_rest(&self) -> bool {
        !self.is_remade && self.frozen.is_none()
    }

    /// The same, and no checkpoint is under way.
    pub(crate) fn may_checkpoint(&self) -> bool {
        self.is_at_rest() && self.checkpoint.writing.is_none()
    }

    /// Notes that the machine stands still, while its state is told; which time it is.
    pub(crate) fn freeze(&mut self) -> u64 {
        self.host.be_in(Company::Others);
        self.freezes += 1;
        self.frozen = Some(self.freezes);
        self.freezes
    }

    /// Its state was told for this time; whether it is still that machine.
    pub(crate) fn thaw(&mut self, number: u64) -> bool {
        let same = self.frozen.take_if(|frozen| *frozen == number).is_some();
        if same {
            self.host.thaw();
        }
        same
    }

    pub(crate) fn is_frozen(&self) -> bool {
        self.frozen.is_some()
    }
}

impl Recent {
    /// The last update before the first that is here.
    pub(crate) fn base(&self) -> Version {
        self.base
    }

    pub(crate) fn after(base: Version) -> Self {
        Self { base, updates: VecDeque::new(), bytes: 0 }
    }

    /// Adds the next update; up to where older ones had to go, if any had.
    fn push(&mut self, place: Place, payload: Bytes) -> Option<Version> {
        let before = self.base;
        self.bytes += payload.len();
        self.updates.push_back((place, payload));
        while self.bytes > RECENT_BYTES_MAX || self.updates.len() > RECENT_MAX {
            let Some((place, payload)) = self.updates.pop_front() else { break };
            self.bytes -= payload.len();
            self.base = place.version;
        }
        (self.base != before).then_some(self.base)
    }

    /// The updates after one and up to another, as many as fit; nothing if some of them are not
    /// here.
    pub(crate) fn tail(
        &self,
        after: Version,
        through: Version,
        bytes_max: usize,
    ) -> Option<Vec<(Place, Bytes)>> {
        if after < self.base {
            return None;
        }
        let begin = self.updates.partition_point(|(place, _)| place.version <= after);
        let mut bytes = 0;
        let fits = self.updates.iter().skip(begin).take_while(|(place, payload)| {
            let first = bytes == 0;
            bytes += payload.len() + 1;
            place.version <= through && (first || bytes <= bytes_max)
        });
        Some(fits.cloned().collect())
    }
}
