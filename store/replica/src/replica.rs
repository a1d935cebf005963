//! How a member begins: what it is told, what its disks hold, and its thread.

use std::sync::atomic::{AtomicBool, AtomicU64};
use std::sync::{Arc, Mutex, RwLock};
use std::thread;
use std::time::Duration;

use notrace_store_fabric::Fabric;
use notrace_store_log::disk::Disk;
use notrace_store_log::limits::SEGMENT_BYTES_DEFAULT;
use notrace_store_log::{CheckpointError, Log, LogConfig, write_checkpoint};
use notrace_store_protocol::effect::Durable;
use notrace_store_protocol::group::{Begin, Stage};
use notrace_store_protocol::ids::{Life, NodeId, ShardId, Version};
use notrace_store_protocol::journal::Journal;
use notrace_store_protocol::layout::{LayoutSpec, Mode, ShardSpec};
use notrace_store_protocol::limits::Limits;
use notrace_store_protocol::machine::{Chunk, Machine, Place};
use notrace_store_protocol::view::Duty;

use crate::admission::{Admission, everybody};
use crate::asks::Asks;
use crate::bell::Bell;
use crate::clock::Clock;
use crate::error::OpenError;
use crate::host::{Host, Shared, Typed, Wishes};
use crate::lane::Lane;
use crate::limits::{
    CHECKPOINT_BYTES_MIN_DEFAULT, CHECKPOINTS_MAX, LIMITS_DEFAULT, QUEUE_BYTES_MAX_DEFAULT,
    QUEUE_MAX_DEFAULT, READERS_MAX, SEND_WAIT_MAX_DEFAULT, SPIN_DEFAULT,
    TRANSFER_BYTES_PER_S_DEFAULT,
};
use crate::line;
use crate::member::{BootId, Inner, Member, OnCall, ShardStatus, Status};
use crate::past::Past;
use crate::records::Records;
use crate::replicated::Replicated;
use crate::reports::Reports;
use crate::seats::Seats;
use crate::shard::Shard;
use crate::storage::{Storage, read_record};
use crate::watchers::{Changes, Watchers};
use crate::worker::{Beginning, Worker};

/// Who a member is, and its bounds.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ReplicaConfig {
    /// Who it is; for ever.
    pub node: NodeId,
    /// Which process this is; drawn at random where folders can be copied.
    pub boot: BootId,
    /// What for.
    pub duty: Duty,
    /// The protocol's bounds and times; the windows the same at every member.
    pub limits: Limits,
    /// What this end lends to each link, in bytes; what its fabric was told.
    pub region_bytes: u32,
    /// A segment of a log that is longer than this gets no further record, in bytes.
    pub segment_bytes: u64,
    /// Log bytes after which a checkpoint is due, unless the state is larger.
    pub checkpoint_bytes_min: u64,
    /// Updates of a shard that may wait to be ordered.
    pub queue_max: usize,
    /// Bytes of the updates that may wait. One is taken however large it is.
    pub queue_bytes_max: u64,
    /// How long an update may wait to be taken into the order.
    pub send_wait_max: Duration,
    /// What this member sends to those who catch up, in bytes a second.
    pub transfer_bytes_per_s: u64,
    /// How long the thread looks for more to do before it sleeps.
    pub spin: Duration,
}

impl ReplicaConfig {
    /// The usual bounds.
    #[must_use]
    pub const fn new(node: NodeId) -> Self {
        Self {
            node,
            boot: BootId(0),
            duty: Duty::Full,
            limits: LIMITS_DEFAULT,
            region_bytes: notrace_store_fabric::limits::REGION_BYTES_DEFAULT,
            segment_bytes: SEGMENT_BYTES_DEFAULT,
            checkpoint_bytes_min: CHECKPOINT_BYTES_MIN_DEFAULT,
            queue_max: QUEUE_MAX_DEFAULT,
            queue_bytes_max: QUEUE_BYTES_MAX_DEFAULT,
            send_wait_max: SEND_WAIT_MAX_DEFAULT,
            transfer_bytes_per_s: TRANSFER_BYTES_PER_S_DEFAULT,
            spin: SPIN_DEFAULT,
        }
    }
}

/// How a node comes to a group, unless it is in one already.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Entry {
    /// It founds one, alone.
    Found,
    /// It asks these to be taken in, each at its address.
    Join(Vec<(NodeId, String)>),
}

/// Begins the thread of a log, once there is somebody to report to.
type StartLane = Box<dyn FnOnce(Arc<Reports>) -> std::io::Result<(Arc<Lane>, Joiner)> + Send>;
type Joiner = thread::JoinHandle<()>;

/// A shard before the member begins.
struct Prepared {
    spec: ShardSpec,
    host: Box<dyn Host>,
    journal: Journal,
    last: Place,
    trimmed: Version,
    lane: Option<StartLane>,
}

/// A member before it begins: shards are added in the order of their numbers, the same at every
/// node of the group for ever.
pub struct Replica<S: Storage> {
    config: ReplicaConfig,
    storage: S,
    bell: Arc<Bell>,
    shards: Vec<Prepared>,
    admission: Admission,
}

impl<S: Storage> Replica<S> {
    /// A member that keeps what it has to in `storage`.
    #[must_use]
    pub fn on(storage: S, config: ReplicaConfig) -> Self {
        let admission = everybody();
        Self { config, storage, bell: Arc::default(), shards: Vec::new(), admission }
    }

    /// Has every node judged before it is linked to. Unless this is said, the fabric alone decides.
    pub fn admit(&mut self, admission: Admission) {
        self.admission = admission;
    }

    /// Adds a shard of this machine, and recovers what its log holds. Where there is nothing, it is
    /// `initial`, which must be the same at every node of the group.
    /// # Errors  [`OpenError`]
    pub fn shard<M: Machine>(
        &mut self,
        spec: ShardSpec,
        initial: impl Fn() -> M + Send + 'static,
    ) -> Result<Replicated<M>, OpenError> {
        let shard = ShardId(self.shards.len() as u16);
        let shared = Arc::new(Shared {
            shard,
            machine: RwLock::new(initial()),
            wishes: Mutex::new(Wishes::new()),
            generation: AtomicU64::new(0),
            applied: Watchers::new(Version::ZERO),
            majority: Watchers::new(Version::ZERO),
            all: Watchers::new(Version::ZERO),
            alone: AtomicBool::new(false),
            bell: self.bell.clone(),
            count_max: self.config.queue_max,
            bytes_max: self.config.queue_bytes_max,
            readers: Seats::new(READERS_MAX),
            checkpoints: Seats::new(CHECKPOINTS_MAX),
        });
        let mut host: Box<dyn Host> = Box::new(Typed::new(shared.clone(), Box::new(initial)));
        let (journal, last, trimmed, lane) = if spec.mode == Mode::Durable {
            let disk = self.storage.folder(&format!("shard-{}", shard.0))?;
            let first = host.snapshot();
            let (past, log) = open_log(&disk, &first, self.config.segment_bytes)?;
            let last = past.last();
            let trimmed = past.trimmed();
            let journal = Journal::restored(last, trimmed, past.line.clone());
            replay(&mut *host, past)?;
            let start: StartLane =
                Box::new(move |reports| Lane::start(shard, disk, log, first, reports));
            (journal, last, trimmed, Some(start))
        } else {
            (Journal::empty(), Place::ZERO, Version::ZERO, None)
        };
        self.shards.push(Prepared { spec, host, journal, last, trimmed, lane });
        Ok(Replicated { shared })
    }

    /// Begins: where the disk knows of a group, as its member, otherwise as `entry` says. Calls of
    /// other members are handed to `on_call`.
    /// # Errors  [`OpenError`]
    pub fn start<F: Fabric, C: Clock>(
        self,
        fabric: F,
        clock: C,
        entry: Entry,
        on_call: OnCall,
    ) -> Result<Member, OpenError> {
        let group_disk = self.storage.folder("group")?;
        // A record from before the layout grew knows nothing of the later shards.
        let shards = self.shards.len() as u16;
        let durable = read_record(&group_disk)?.map(|durable| Arc::new(durable.widened_to(shards)));
        let view = durable.as_ref().and_then(|durable| durable.view.as_ref());
        if view.is_some_and(|view| view.shards.len() > usize::from(shards)) {
            return Err(OpenError::FewerShards);
        }
        let before = durable.as_ref().map_or(0, |durable| durable.life.0);
        let life = Life(before.checked_add(1).ok_or(OpenError::OutOfLives)?);
        let specs = self.shards.iter().map(|shard| shard.spec).collect();
        let spec = Arc::new(LayoutSpec::new(specs).map_err(OpenError::Layout)?);
        let (begin, contacts) = beginning(durable, entry);
        let failed = |error: std::io::Error| OpenError::Thread { kind: error.kind() };
        self.bell.hang(fabric.waker());
        let reports = Arc::new(Reports::new(fabric.waker()));
        let (records, thread) = Records::start(group_disk, reports.clone()).map_err(failed)?;
        let (mut shards, mut journals, mut threads) = (Vec::new(), Vec::new(), vec![thread]);
        for (prepared, number) in self.shards.into_iter().zip(0..) {
            let lane = match prepared.lane {
                None => None,
                Some(start) => {
                    let (lane, thread) = start(reports.clone()).map_err(failed)?;
                    threads.push(thread);
                    Some(lane)
                }
            };
            let Prepared { spec, host, journal, last, trimmed, .. } = prepared;
            shards.push(Shard::new(ShardId(number), spec, host, lane, last, trimmed));
            journals.push(journal);
        }
        let node = self.config.node;
        let asks = Arc::new(Asks::new(self.bell.clone()));
        let status = Arc::new(Changes::new(first_status(node, life, &shards)));
        let beginning = Beginning {
            config: self.config,
            life,
            spec,
            begin,
            journals,
            contacts,
            shards,
            reports,
            records,
            threads,
            bell: self.bell,
            asks: asks.clone(),
            status: status.clone(),
            on_call,
            admission: self.admission,
        };
        let worker = thread::Builder::new().name("replica".into());
        worker.spawn(move || Worker::run(beginning, fabric, clock)).map_err(failed)?;
        Ok(Member(Arc::new(Inner { asks, status })))
    }
}

/// How a node begins, and whom it turns to.
fn beginning(durable: Option<Arc<Durable>>, entry: Entry) -> (Begin, Vec<(NodeId, String)>) {
    let contacts = match entry {
        Entry::Found => Vec::new(),
        Entry::Join(contacts) => contacts,
    };
    let nodes = contacts.iter().map(|(node, _)| *node).collect();
    let begin = match durable {
        Some(durable) => Begin::Restart { durable, contacts: nodes },
        None if contacts.is_empty() => Begin::Found,
        None => Begin::Join { contacts: nodes },
    };
    (begin, contacts)
}

fn first_status(node: NodeId, life: Life, shards: &[Shard]) -> Status {
    let shards = shards.iter().map(|shard| ShardStatus {
        shard: shard.id,
        holds: false,
        applied: shard.last.version,
        majority: Version::ZERO,
        all: Version::ZERO,
        disk_backlog: 0,
    });
    Status {
        node,
        life,
        stage: Stage::Joining,
        view: None,
        suspected: Vec::new(),
        linked: Vec::new(),
        cut_off: Vec::new(),
        shards: shards.collect(),
        ended: false,
        failure: None,
    }
}

/// Opens a log; a new one begins with the machine's first state, so that what a command once did
/// it does at every replay.
fn open_log<D: Disk>(
    disk: &D,
    first: &[Chunk],
    segment_bytes: u64,
) -> Result<(Past, Log<D>), OpenError> {
    let mut past = Past::default();
    let config = LogConfig { segment_bytes };
    let log = Log::open(disk.clone(), config, |found| past.take(found)).map_err(OpenError::Log)?;
    if past.state.is_none() {
        if !past.updates.is_empty() {
            return Err(OpenError::NoCheckpoint);
        }
        write_first(disk, first).map_err(OpenError::Checkpoint)?;
    }
    Ok((past, log))
}

/// Writes the state down that a machine has before its first update.
pub(crate) fn write_first<D: Disk>(disk: &D, first: &[Chunk]) -> Result<u64, CheckpointError> {
    let line = line::encode(&[]);
    let parts: Vec<&[u8]> =
        [&line[..]].into_iter().chain(first.iter().map(AsRef::as_ref)).collect();
    write_checkpoint(disk, Place::ZERO, &parts)
}

/// Brings a machine to where its log is.
fn replay(host: &mut dyn Host, past: Past) -> Result<(), OpenError> {
    let last = past.last().version;
    // A log that was only now begun holds what the machine is.
    let Some((place, state)) = past.state else { return Ok(()) };
    let refused = OpenError::Log(notrace_store_log::OpenError::Refused { version: place.version });
    let made = host.maker()(place, &state, &past.updates).map_err(|_| refused)?;
    drop(host.become_made(last, made));
    Ok(())
}
