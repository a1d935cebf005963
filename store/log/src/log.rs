//! The log: append, sync, trim.

use std::collections::VecDeque;
use std::io::IoSlice;

use notrace_store_protocol::ids::Version;
use notrace_store_protocol::machine::Malformed;

use crate::checkpoint::{self, Stored};
use crate::disk::{Disk, DiskFile};
use crate::error::{AppendError, OpenError, SyncError, opening};
use crate::limits::{RECORD_BYTES_MAX, SEGMENT_BYTES_DEFAULT};
use crate::record::{HEADER_BYTES, Header, Record};
use crate::recover::{Recovered, Recovery};
use crate::segment::{self, HEAD_BYTES, Segment};

/// How a log is laid out.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct LogConfig {
    /// A segment that is longer than this gets no further record, in bytes.
    pub segment_bytes: u64,
}

impl Default for LogConfig {
    fn default() -> Self {
        Self { segment_bytes: SEGMENT_BYTES_DEFAULT }
    }
}

/// A log of records in order. One owner, no threads.
pub struct Log<D: Disk> {
    pub(crate) disk: D,
    config: LogConfig,
    pub(crate) current: Segment<D::File>,
    pub(crate) closed: VecDeque<(u64, Version)>,
    pub(crate) last: Version,
    pub(crate) checkpoint: Version,
    /// Bytes of all records since the log was opened, and of the recovered ones.
    pub(crate) appended: u64,
    /// What `appended` was at the last checkpoint.
    pub(crate) checkpointed_at: u64,
    pub(crate) checkpoint_bytes: u64,
    pub(crate) poisoned: bool,
}

/// A point in the log that a checkpoint can be made of: all records up to it are safe on disk.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Mark {
    version: Version,
    appended: u64,
}

/// Files that a checkpoint has made superfluous. Left where they are they cost room and nothing
/// else: the next checkpoint or opening removes them.
#[must_use]
#[derive(Debug)]
pub struct Superseded {
    names: Vec<String>,
}

impl Superseded {
    /// Removes them, durably. Takes tens of milliseconds for each segment on some file systems, so
    /// it is done beside the log, on any thread.
    /// # Errors  [`SyncError`] when they could not be.
    pub fn remove<D: Disk>(self, disk: &D) -> Result<(), SyncError> {
        let failed = |error: std::io::Error| SyncError { kind: error.kind() };
        for name in &self.names {
            disk.remove(name).map_err(failed)?;
        }
        if self.names.is_empty() { Ok(()) } else { disk.sync_names().map_err(failed) }
    }
}

impl<D: Disk> Log<D> {
    /// Opens the log on `disk`, handing what it holds to `visit`: the newest checkpoint, if there
    /// is one, then the records after it. What is handed out is safe on disk. A last record that
    /// was not written whole is cut off.
    /// # Errors  [`OpenError`]
    pub fn open(
        disk: D,
        config: LogConfig,
        visit: impl FnMut(Recovered<'_>) -> Result<(), Malformed>,
    ) -> Result<Self, OpenError> {
        let found = Recovery::run(&disk, visit)?;
        let current = match found.current {
            Some(current) => current,
            None => segment::create(&disk, 0, Version::ZERO).map_err(opening("made"))?,
        };
        let mut log = Self {
            disk,
            config,
            current,
            closed: found.closed,
            last: found.last,
            checkpoint: Version::ZERO,
            appended: found.since,
            checkpointed_at: 0,
            checkpoint_bytes: found.checkpoint_bytes,
            poisoned: false,
        };
        log.trim(found.checkpoint).map_err(|error| opening("removed")(error.kind.into()))?;
        Ok(log)
    }

    /// Appends all of `records`, or none. They are handed to the system, not yet safe on disk.
    /// # Errors  [`AppendError`]
    pub fn append(&mut self, records: &[Record<'_>]) -> Result<(), AppendError> {
        if self.poisoned {
            return Err(AppendError::Poisoned);
        }
        if records.iter().any(|record| record.payload.len() > RECORD_BYTES_MAX as usize) {
            return Err(AppendError::TooLarge);
        }
        let rising = records.iter().try_fold(self.last, |last, record| {
            (record.place.version > last).then_some(record.place.version)
        });
        assert!(rising.is_some(), "a record does not stand after the last");
        let bytes: u64 = records.iter().map(|it| (HEADER_BYTES + it.payload.len()) as u64).sum();
        let used = self.current.length > HEAD_BYTES as u64;
        if used && self.current.length + bytes > self.config.segment_bytes {
            self.roll()?;
        }
        let witness = self.current.synced;
        let number = self.current.number;
        let headers = records.iter().map(|record| Header::of(record, witness).to_bytes(number));
        let headers: Vec<_> = headers.collect();
        let mut parts: Vec<IoSlice<'_>> = Vec::with_capacity(2 * records.len());
        for (header, record) in headers.iter().zip(records) {
            parts.push(IoSlice::new(header));
            parts.push(IoSlice::new(record.payload));
        }
        self.write(&mut parts)?;
        self.appended += bytes;
        self.last = records.last().map_or(self.last, |record| record.place.version);
        Ok(())
    }

    /// Makes everything appended safe on disk. Costs one `fdatasync`, or nothing if all is.
    /// # Errors  [`SyncError`]; the log takes no more until it is opened anew.
    pub fn sync(&mut self) -> Result<(), SyncError> {
        if self.poisoned {
            return Err(SyncError { kind: std::io::ErrorKind::Other });
        }
        if self.is_synced() {
            return Ok(());
        }
        match self.current.file.sync() {
            Ok(()) => {
                self.current.synced = self.current.length;
                Ok(())
            }
            Err(error) => {
                self.poisoned = true;
                Err(SyncError { kind: error.kind() })
            }
        }
    }

    /// Whether everything appended is safe on disk.
    pub fn is_synced(&self) -> bool {
        self.current.synced == self.current.length
    }

    /// Syncs, and testifies to it, so that the next opening can tell decay of the last records from
    /// a write cut short. For an orderly end.
    /// # Errors  [`SyncError`]
    pub fn seal(&mut self) -> Result<(), SyncError> {
        self.sync()?;
        let seal = Header::seal(self.current.synced).to_bytes(self.current.number);
        // Without room for it, the end is as safe as after a kill; only its decay could not be
        // told.
        let _ = self.write(&mut [IoSlice::new(&seal)]);
        self.sync()
    }

    /// The newest checkpoint, to be read in parts; none before the first one.
    /// # Errors  What the system says.
    pub fn stored(&self) -> std::io::Result<Option<Stored<D::File>>> {
        match checkpoint::open(&self.disk, self.checkpoint) {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
            opened => opened,
        }
    }

    /// How it is laid out.
    pub fn config(&self) -> LogConfig {
        self.config
    }

    /// The last version appended or recovered.
    pub fn last(&self) -> Version {
        self.last
    }

    /// Bytes of the records that are not in a checkpoint.
    pub fn bytes_since_checkpoint(&self) -> u64 {
        self.appended - self.checkpointed_at
    }

    /// Bytes of the last checkpoint; 0 if there is none.
    pub fn checkpoint_bytes(&self) -> u64 {
        self.checkpoint_bytes
    }

    /// Syncs and marks where the state stands that is to be checkpointed: at `version`, after which
    /// the log has no update. The log must not be behind its checkpoint after a crash, hence the
    /// sync.
    /// # Errors  [`SyncError`]
    pub fn mark(&mut self, version: Version) -> Result<Mark, SyncError> {
        assert!(version <= self.last, "a checkpoint of what is not in the log");
        self.sync()?;
        Ok(Mark { version, appended: self.appended })
    }

    /// Goes on from a checkpoint of `bytes` that [`crate::write_checkpoint`] has written of the
    /// state at `mark`. What it supersedes is for the caller to remove, at the latest before the
    /// log is cut, cleared or given another state.
    /// # Errors  What the system says when it lists the names; the next one finds them again.
    pub fn checkpointed(&mut self, mark: Mark, bytes: u64) -> Result<Superseded, SyncError> {
        self.checkpoint_bytes = bytes;
        self.checkpointed_at = mark.appended;
        self.supersede(mark.version)
    }

    /// Removes what a checkpoint supersedes.
    pub(crate) fn trim(&mut self, checkpoint: Version) -> Result<(), SyncError> {
        self.supersede(checkpoint)?.remove(&self.disk)
    }

    /// Files that nothing is needed of once the state at `checkpoint` is safe, and any that an
    /// earlier removal left: older checkpoints, and the segments that are wholly in it.
    fn supersede(&mut self, checkpoint: Version) -> Result<Superseded, SyncError> {
        let names = self.disk.list().map_err(|error| SyncError { kind: error.kind() })?;
        self.checkpoint = self.checkpoint.max(checkpoint);
        while self.closed.front().is_some_and(|(_, last)| *last <= self.checkpoint) {
            self.closed.pop_front();
        }
        let first = self.closed.front().map_or(self.current.number, |(number, _)| *number);
        let old = |name: &String| {
            checkpoint::version(name).is_some_and(|version| version < self.checkpoint)
                || segment::number(name).is_some_and(|number| number < first)
        };
        let mut names: Vec<_> = names.into_iter().filter(old).collect();
        // Checkpoints, then segments from the oldest: what a crash leaves of them has no gap.
        names.sort_unstable_by_key(|name| (segment::number(name), checkpoint::version(name)));
        Ok(Superseded { names })
    }

    /// Closes the segment and begins the next. All of the old one is safe before there is a new
    /// one, so that only the last segment can have an end that was cut short.
    fn roll(&mut self) -> Result<(), AppendError> {
        self.sync().map_err(|error| AppendError::Disk { kind: error.kind })?;
        let number = self.current.number + 1;
        match segment::create(&self.disk, number, self.last) {
            Ok(next) => {
                self.closed.push_back((self.current.number, self.last));
                self.current = next;
                Ok(())
            }
            Err(error) => {
                // It must not come back after a crash: the old segment will have gone on by then.
                if segment::discard(&self.disk, number).is_ok() {
                    return Err(AppendError::of(&error));
                }
                self.poisoned = true;
                Err(AppendError::Poisoned)
            }
        }
    }

    /// Writes at the end. If that fails, what was written of it is taken back, durably: a whole
    /// record of a group that failed must not be there after a crash, since its sender was told so.
    fn write(&mut self, parts: &mut [IoSlice<'_>]) -> Result<(), AppendError> {
        let error = match self.current.file.write_all_at(self.current.length, parts) {
            Ok(end) => {
                self.current.length = end;
                return Ok(());
            }
            Err(error) => error,
        };
        let file = &mut self.current.file;
        if file.truncate(self.current.length).and_then(|()| file.sync()).is_err() {
            self.poisoned = true;
            return Err(AppendError::Poisoned);
        }
        self.current.synced = self.current.length;
        Err(AppendError::of(&error))
    }
}
