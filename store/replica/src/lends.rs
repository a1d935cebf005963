//! The checkpoints that a log lends to those who learn, in chunks, right from the disk: nobody's
//! machine has to stop for it, and no memory holds a second copy.

use std::io;
use std::sync::Arc;

use bytes::Bytes;
use notrace_store_log::disk::Disk;
use notrace_store_log::{Log, Stored};
use notrace_store_protocol::ids::NodeId;
use notrace_store_protocol::machine::Place;
use notrace_store_protocol::message::{Fetch, Resume, Start};

use crate::limits::{CHUNK_BYTES, LENDS_MAX};
use crate::line;
use crate::snapshots::Cut;

/// A chunk that was asked for.
pub(crate) struct Loan {
    pub(crate) to: NodeId,
    pub(crate) fetch: Fetch,
    pub(crate) line: Arc<Vec<Start>>,
}

/// What a log has for it.
pub(crate) struct Lent {
    pub(crate) place: Place,
    pub(crate) chunk: u32,
    pub(crate) cut: Cut,
}

/// A checkpoint is not what was written.
pub(crate) struct Decayed;

/// Checkpoints in use, the last used last. One that the log has replaced stays until those who
/// began with it are done.
pub(crate) struct Lends<D: Disk> {
    used: Vec<Used<D>>,
}

struct Used<D: Disk> {
    stored: Stored<D::File>,
    /// Where the state begins.
    front: u64,
}

impl<D: Disk> Lends<D> {
    pub(crate) fn new() -> Self {
        Self { used: Vec::new() }
    }

    /// The chunk that is wanted, or the first one of the newest checkpoint.
    /// # Errors  What the system says.
    pub(crate) fn chunk(
        &mut self,
        log: &Log<D>,
        resume: Option<Resume>,
    ) -> io::Result<Result<Lent, Decayed>> {
        let at = |used: &Used<D>| used.stored.place().version;
        let named = |used: &Used<D>| resume.is_some_and(|resume| resume.at == at(used));
        let known = self.used.iter().position(named);
        let mut used = match known {
            Some(known) => self.used.remove(known),
            None => match self.newest(log)? {
                Some(newest) => newest,
                None => return Ok(Err(Decayed)),
            },
        };
        let chunk = resume.filter(|resume| resume.at == at(&used)).map_or(0, |it| it.chunk);
        let length = used.stored.length();
        let begin = (used.front + u64::from(chunk) * CHUNK_BYTES as u64).min(length);
        let mut bytes = vec![0; CHUNK_BYTES.min((length - begin) as usize)];
        used.stored.read_at(begin, &mut bytes)?;
        let is_last = begin + bytes.len() as u64 == length;
        if is_last && !used.stored.is_whole()? {
            return Ok(Err(Decayed));
        }
        let place = used.stored.place();
        self.used.push(used);
        let excess = self.used.len().saturating_sub(LENDS_MAX);
        self.used.drain(..excess);
        let cut = Cut { body: vec![Bytes::from(bytes)], is_last };
        Ok(Ok(Lent { place, chunk, cut }))
    }

    /// Lends nothing of what there was any more.
    pub(crate) fn clear(&mut self) {
        self.used.clear();
    }

    fn newest(&mut self, log: &Log<D>) -> io::Result<Option<Used<D>>> {
        let Some(mut stored) = log.stored()? else { return Ok(None) };
        let known = self.used.iter().position(|used| used.stored.place() == stored.place());
        if let Some(known) = known {
            return Ok(Some(self.used.remove(known)));
        }
        let mut count = [0; line::COUNT_BYTES];
        if stored.length() < count.len() as u64 {
            return Ok(None);
        }
        // In order, so that the checksum is known at the end.
        stored.read_at(0, &mut count)?;
        let mut starts = vec![0; line::front_bytes(count) - count.len()];
        if stored.length() < (count.len() + starts.len()) as u64 {
            return Ok(None);
        }
        stored.read_at(count.len() as u64, &mut starts)?;
        let front = (count.len() + starts.len()) as u64;
        Ok(Some(Used { stored, front }))
    }
}
