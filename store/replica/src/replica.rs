//! The replica: its configuration, its opening, and its one thread.

use std::path::PathBuf;
use std::sync::{Arc, RwLock};
use std::time::Duration;

use notrace_store_log::disk::{Disk, FileDisk};
use notrace_store_log::limits::SEGMENT_BYTES_DEFAULT;
use notrace_store_log::{Log, LogConfig, Record, Recovered, write_checkpoint};
use notrace_store_protocol::ids::{SeqNum, Version, ViewId};
use notrace_store_protocol::machine::{Machine, Malformed, Place};
use notrace_store_protocol::time::Hlc;

use crate::clock::Clock;
use crate::error::OpenError;
use crate::limits::{
    CHECKPOINT_BYTES_MIN_DEFAULT, QUEUE_BYTES_MAX_DEFAULT, QUEUE_MAX_DEFAULT, SYNC_LAG_MAX_DEFAULT,
};
use crate::queue::Queue;
use crate::replicated::{Replicated, Shared};
use crate::watchers::Watchers;
use crate::worker::Worker;

/// Where a replica keeps its log, and its bounds.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ReplicaConfig {
    /// The folder of the log. One replica at a time uses it.
    pub dir: PathBuf,
    /// A segment of the log that is longer than this gets no further record, in bytes.
    pub segment_bytes: u64,
    /// Log bytes after which a checkpoint is due, unless the state is larger.
    pub checkpoint_bytes_min: u64,
    /// Updates that may wait to be ordered.
    pub queue_max: usize,
    /// Bytes of the updates that may wait. One is taken however large it is.
    pub queue_bytes_max: u64,
    /// How long a delivered update may be away from the disk.
    pub sync_lag_max: Duration,
}

impl ReplicaConfig {
    /// The usual bounds.
    pub fn new(dir: PathBuf) -> Self {
        Self {
            dir,
            segment_bytes: SEGMENT_BYTES_DEFAULT,
            checkpoint_bytes_min: CHECKPOINT_BYTES_MIN_DEFAULT,
            queue_max: QUEUE_MAX_DEFAULT,
            queue_bytes_max: QUEUE_BYTES_MAX_DEFAULT,
            sync_lag_max: SYNC_LAG_MAX_DEFAULT,
        }
    }
}

/// A member of a group. This one's group has no other.
pub struct Replica;

impl Replica {
    /// Opens the replica below `config.dir`: recovers its state, or begins with `initial` where
    /// there is none, installs the next view, and starts its thread.
    ///
    /// `initial` is written down before anything else and never asked again, so that what a command
    /// once did it does at every replay.
    /// # Errors  [`OpenError`]
    pub fn open<M: Machine>(
        config: ReplicaConfig,
        initial: impl FnOnce() -> M,
        clock: impl Clock,
    ) -> Result<Replicated<M>, OpenError> {
        let disk = FileDisk::open(&config.dir).map_err(OpenError::Log)?;
        Self::open_on(disk, config, initial, clock)
    }

    /// Opens the replica on `disk`. `config.dir` is not looked at.
    /// # Errors  [`OpenError`]
    pub fn open_on<M: Machine, D: Disk>(
        disk: D,
        config: ReplicaConfig,
        initial: impl FnOnce() -> M,
        clock: impl Clock,
    ) -> Result<Replicated<M>, OpenError> {
        let recovery = Recovery::run(&disk, &config, initial)?;
        let Recovery { mut log, machine, last } = recovery;
        let place = install_next_view(&mut log, last, clock.wall())?;
        let shared = Arc::new(Shared {
            machine: RwLock::new(machine),
            queue: Queue::new(config.queue_max, config.queue_bytes_max),
            watchers: Watchers::new(place.version),
        });
        Worker::start(shared.clone(), disk, log, place, clock, config)
            .map_err(|error| OpenError::Thread { kind: error.kind() })?;
        Ok(Replicated::new(shared))
    }
}

/// What a log held.
struct Recovery<M, D: Disk> {
    log: Log<D>,
    machine: M,
    last: Place,
}

const START: Place = Place { version: Version::ZERO, time: Hlc::ZERO };

impl<M: Machine, D: Disk> Recovery<M, D> {
    fn run(
        disk: &D,
        config: &ReplicaConfig,
        initial: impl FnOnce() -> M,
    ) -> Result<Self, OpenError> {
        let (mut machine, mut last, mut headless) = (None, START, false);
        let segments = LogConfig { segment_bytes: config.segment_bytes };
        let opened = Log::open(disk.clone(), segments, |recovered| match recovered {
            Recovered::Checkpoint { place, state } => {
                last = place;
                machine = Some(M::restore(&state)?);
                Ok(())
            }
            Recovered::Record { place, payload } => {
                last = place;
                headless = machine.is_none();
                let machine = machine.as_mut().ok_or(Malformed)?;
                if !is_view(place.version) {
                    machine.apply(place, M::decode(payload)?);
                }
                Ok(())
            }
        });
        let log = match opened {
            Err(_) if headless => return Err(OpenError::NoCheckpoint),
            opened => opened.map_err(OpenError::Log)?,
        };
        let machine = match machine {
            Some(machine) => machine,
            None => {
                let machine = initial();
                write_checkpoint(disk, START, &machine.snapshot_chunks())
                    .map_err(OpenError::Checkpoint)?;
                machine
            }
        };
        Ok(Self { log, machine, last })
    }
}

/// A record whose number in its view is 0 is no update: it says that the view was installed.
fn is_view(version: Version) -> bool {
    version.seq().number() == 0
}

/// Begins a view that no earlier run of this replica had, so that no version is given twice: what a
/// run had delivered but lost in a crash keeps its versions to itself.
pub(crate) fn install_next_view<D: Disk>(
    log: &mut Log<D>,
    last: Place,
    wall: Hlc,
) -> Result<Place, OpenError> {
    let view = last.version.view().number().checked_add(1).and_then(ViewId::new);
    let view = view.ok_or(OpenError::OutOfViews)?;
    let start = SeqNum::new(0).ok_or(OpenError::OutOfViews)?;
    let place = Place { version: Version::new(view, start), time: last.time.tick(wall) };
    log.append(&[Record { place, payload: &[] }]).map_err(OpenError::Append)?;
    log.sync().map_err(OpenError::Sync)?;
    Ok(place)
}
