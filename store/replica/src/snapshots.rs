//! A state on its way from one member to another, in chunks: kept by the donor while it is used,
//! and put together by the learner.

use std::time::Duration;

use bytes::{Bytes, BytesMut};
use notrace_store_protocol::ids::Version;
use notrace_store_protocol::machine::{Chunk, Place};
use notrace_store_protocol::message::Resume;

use crate::limits::{
    CHUNK_BYTES, SHARED_BYTES_MIN, SNAPSHOT_BYTES_MAX, SNAPSHOT_KEPT, SNAPSHOT_RESTS, SNAPSHOTS_MAX,
};

/// A chunk as it is sent.
pub(crate) struct Cut {
    pub(crate) body: Vec<Bytes>,
    pub(crate) is_last: bool,
}

/// A state in memory that somebody is being sent.
pub(crate) struct Snapshot {
    pub(crate) place: Place,
    /// What it consists of, and where each part ends.
    parts: Vec<Part>,
}

struct Part {
    bytes: Bytes,
    end: usize,
}

impl Snapshot {
    pub(crate) fn new(place: Place, chunks: Vec<Chunk>) -> Self {
        let mut end = 0;
        let parts = chunks.into_iter().map(|chunk| {
            let bytes = match chunk {
                Chunk::Owned(bytes) => Bytes::from(bytes),
                Chunk::Shared(bytes) => Bytes::from_owner(bytes),
            };
            end += bytes.len();
            Part { bytes, end }
        });
        Self { place, parts: parts.collect() }
    }

    /// A chunk: slices of what there is, but for small parts, which are put together.
    pub(crate) fn chunk(&self, number: u32) -> Cut {
        let whole = self.parts.last().map_or(0, |part| part.end);
        let begin = (number as usize).saturating_mul(CHUNK_BYTES);
        let end = begin.saturating_add(CHUNK_BYTES);
        let (mut body, mut small) = (Vec::new(), BytesMut::new());
        let first = self.parts.partition_point(|part| part.end <= begin);
        for part in self.parts.iter().skip(first) {
            let at = part.end - part.bytes.len();
            if at >= end {
                break;
            }
            let slice = part.bytes.slice(begin.saturating_sub(at)..part.bytes.len().min(end - at));
            if slice.len() >= SHARED_BYTES_MIN {
                body.push(small.split().freeze());
                body.push(slice);
            } else {
                small.extend_from_slice(&slice);
            }
        }
        body.push(small.freeze());
        body.retain(|part| !part.is_empty());
        Cut { body, is_last: end >= whole }
    }
}

/// The snapshots of a shard that are used.
#[derive(Default)]
pub(crate) struct Snapshots {
    kept: Vec<Kept>,
}

struct Kept {
    snapshot: Snapshot,
    used: Duration,
}

impl Snapshots {
    /// The one that is named, or the latest of which it `serves` to be sent anew.
    pub(crate) fn find(
        &mut self,
        wanted: Option<Resume>,
        now: Duration,
        serves: impl Fn(Version) -> bool,
    ) -> Option<&Snapshot> {
        let version = |kept: &Kept| kept.snapshot.place.version;
        let named = |kept: &Kept| wanted.is_some_and(|resume| resume.at == version(kept));
        let serving = |kept: &Kept| serves(version(kept));
        let found = self.kept.iter().position(named).or(self.kept.iter().rposition(serving))?;
        let kept = self.kept.get_mut(found)?;
        kept.used = now;
        Some(&kept.snapshot)
    }

    /// Whether there is room for another, because others are few, or one of them rests.
    pub(crate) fn has_room(&self, now: Duration) -> bool {
        let rests = |kept: &Kept| now.saturating_sub(kept.used) >= SNAPSHOT_RESTS;
        self.kept.len() < SNAPSHOTS_MAX || self.kept.iter().any(rests)
    }

    /// Keeps another, in the place of the one that rests longest if there are as many as may be.
    pub(crate) fn keep(&mut self, snapshot: Snapshot, now: Duration) {
        let since = self.kept.iter().map(|kept| kept.used);
        if let Some((oldest, _)) = since.enumerate().min_by_key(|(_, used)| *used)
            && self.kept.len() >= SNAPSHOTS_MAX
        {
            self.kept.remove(oldest);
        }
        self.kept.push(Kept { snapshot, used: now });
    }

    pub(crate) fn forget_old(&mut self, now: Duration) {
        self.kept.retain(|kept| now.saturating_sub(kept.used) <= SNAPSHOT_KEPT);
    }

    pub(crate) fn clear(&mut self) {
        self.kept.clear();
    }
}

/// A state of which a part has come.
#[derive(Default)]
pub(crate) struct Partial {
    /// What comes next, once something has come.
    next: Option<Resume>,
    parts: Vec<Bytes>,
    bytes: usize,
}

/// What became of a chunk.
pub(crate) enum Gathered {
    /// It was none that is wanted, or none that a donor sends; what had come before is forgotten.
    Nothing,
    Part(Resume),
    Whole(Vec<Bytes>),
}

/// Whether a chunk is the last one of its state.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Position {
    Within,
    Last,
}

impl Partial {
    /// Takes a chunk. All but the last are as long as a chunk is.
    pub(crate) fn gather(&mut self, here: Resume, position: Position, bytes: Bytes) -> Gathered {
        let mut so_far = std::mem::take(self);
        match so_far.next {
            Some(next) if next == here => {}
            _ if here.chunk == 0 => so_far = Self::default(),
            _ => return Gathered::Nothing,
        }
        let fits = match position {
            Position::Within => bytes.len() == CHUNK_BYTES,
            Position::Last => bytes.len() <= CHUNK_BYTES,
        };
        so_far.bytes += bytes.len();
        if !fits || so_far.bytes > SNAPSHOT_BYTES_MAX {
            return Gathered::Nothing;
        }
        so_far.parts.push(bytes);
        let Some(chunk) = here.chunk.checked_add(1) else { return Gathered::Nothing };
        if position == Position::Last {
            return Gathered::Whole(so_far.parts);
        }
        let next = Resume { chunk, ..here };
        so_far.next = Some(next);
        *self = so_far;
        Gathered::Part(next)
    }

    pub(crate) fn forget(&mut self) {
        *self = Self::default();
    }
}

/// All of a state in one piece; each part is given up as soon as it is there. Nothing if there is
/// no memory for it.
pub(crate) fn in_one_piece(parts: Vec<Bytes>) -> Option<Vec<u8>> {
    let mut whole = Vec::new();
    whole.try_reserve_exact(parts.iter().map(Bytes::len).sum()).ok()?;
    parts.into_iter().for_each(|part| whole.extend_from_slice(&part));
    Some(whole)
}

#[cfg(test)]
mod spec;
