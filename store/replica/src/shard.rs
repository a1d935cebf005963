//! One shard as the replica's thread sees it: its machine, its log's lane, its latest updates, and
//! the snapshot that it gives or takes.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use notrace_store_protocol::ids::{ShardId, Version};
use notrace_store_protocol::layout::{Mode, ShardSpec};
use notrace_store_protocol::machine::{Chunk, Place};
use notrace_store_protocol::message::{Resume, Start};

use crate::host::Host;
use crate::lane::{Asked, Job, Lane};
use crate::limits::{
    CHUNK_BYTES, LANE_BYTES_MAX, RECENT_BYTES_MAX, RECENT_MAX, ROOM_KEPT, SNAPSHOT_BYTES_MAX,
};

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
    pub(crate) snapshot: Option<Snapshot>,
    pub(crate) partial: Option<Partial>,
    pub(crate) checkpoint: Checkpoint,
    /// What the disk had room for, and when it was asked.
    room: (u64, Duration),
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

/// A state that somebody is being sent.
pub(crate) struct Snapshot {
    pub(crate) place: Place,
    chunks: Vec<Chunk>,
    pub(crate) used: Duration,
}

/// A state of which a part has come.
pub(crate) struct Partial {
    resume: Resume,
    bytes: Vec<u8>,
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
        let (snapshot, partial, room) = (None, None, (0, Duration::ZERO));
        Self { id, spec, host, lane, last, trimmed, recent, snapshot, partial, checkpoint, room }
    }

    /// How many more bytes the disk can take. It is asked again after a while, and at once when it
    /// was nearly full.
    pub(crate) fn room(&mut self, now: Duration) -> u64 {
        let Some(lane) = &self.lane else { return u64::MAX };
        let (room, asked) = self.room;
        let is_ample = room > 2 * LANE_BYTES_MAX && now.saturating_sub(asked) < ROOM_KEPT;
        if !is_ample {
            self.room = (lane.room(), now);
        }
        self.room.0
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

    /// Becomes what a state says, or what it was in the beginning. Whether it could be read.
    pub(crate) fn become_of(&mut self, place: Place, state: Option<&[u8]>) -> bool {
        if self.host.restore(place.version, state).is_err() {
            return false;
        }
        self.last = place;
        self.recent = Recent::after(place.version);
        self.snapshot = None;
        true
    }

    /// A chunk of a snapshot came; where to go on, or the whole of it.
    pub(crate) fn gather(&mut self, at: Version, chunk: u32, last: bool, bytes: &[u8]) -> Gathered {
        let here = Resume { at, chunk };
        let mut partial = match self.partial.take() {
            Some(partial) if partial.resume == here => partial,
            _ if chunk == 0 => Partial { resume: here, bytes: Vec::new() },
            _ => return Gathered::Nothing,
        };
        if partial.bytes.len() + bytes.len() > SNAPSHOT_BYTES_MAX {
            return Gathered::Nothing;
        }
        partial.bytes.extend_from_slice(bytes);
        if last {
            return Gathered::Whole(partial.bytes);
        }
        partial.resume.chunk += 1;
        let resume = partial.resume;
        self.partial = Some(partial);
        Gathered::Part(resume)
    }

    /// The snapshot that somebody asked for by its version, or the latest one.
    pub(crate) fn snapshot(&mut self, wanted: Option<Version>, now: Duration) -> &Snapshot {
        let kept = self.snapshot.take();
        let kept = kept.filter(|it| wanted == Some(it.place.version) || it.place == self.last);
        let mut snapshot = kept.unwrap_or_else(|| Snapshot {
            place: self.last,
            chunks: self.host.snapshot(),
            used: now,
        });
        snapshot.used = now;
        self.snapshot.insert(snapshot)
    }
}

/// What became of a chunk.
pub(crate) enum Gathered {
    Nothing,
    Part(Resume),
    Whole(Vec<u8>),
}

impl Snapshot {
    /// The bytes of a chunk, and whether it is the last one.
    pub(crate) fn chunk(&self, number: u32) -> (Vec<u8>, bool) {
        let mut skip = number as usize * CHUNK_BYTES;
        let mut bytes = Vec::new();
        for part in &self.chunks {
            let part = part.as_ref();
            if skip >= part.len() {
                skip -= part.len();
                continue;
            }
            let rest = part.get(skip..).unwrap_or_default();
            skip = 0;
            let fits = rest.len().min(CHUNK_BYTES - bytes.len());
            bytes.extend_from_slice(rest.get(..fits).unwrap_or_default());
            if bytes.len() == CHUNK_BYTES {
                break;
            }
        }
        let whole: usize = self.chunks.iter().map(|part| part.as_ref().len()).sum();
        let end = (number as usize + 1).saturating_mul(CHUNK_BYTES);
        (bytes, end >= whole)
    }
}

impl Recent {
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
