//! A node, from start to drained.

use std::path::PathBuf;
use std::sync::{Arc, RwLock};
use std::time::Duration;

use notrace_policy_promise::digest::Digest;
use notrace_policy_promise::name::PoolName;
use notrace_policy_promise::release::Release;
use notrace_runtime_worker::{CodeCache, Supervisor, SupervisorConfig};
use notrace_sdk_seal::WrappingKey;
use notrace_store_objects::{
    Command, Consistency, Kept, Objects, ObjectsConfig, PoolSpec, Retain, Transport,
};
use notrace_store_protocol::machine::Durability;
use notrace_store_replica::{Replicated, SendError};
use tokio::sync::Semaphore;
use tokio::sync::watch;

use crate::config::{Config, Strictness};
use crate::group::{self, Group};
use crate::identity::Identity;
use crate::keys::{Epoch, KeyError, KeyTable};
use crate::ledger::{Found, Ledger, Pace, ReceiptId, Receipts};
use crate::limits::{
    CODE_CACHE_BYTES_MAX, DRAIN_MAX, RETENTION_LAG_MAX, SETTLE_AGAIN_MAX, SETTLE_AGAIN_MIN,
    WAITING_ANSWERS_MAX,
};
use crate::pool_keys::Strays;
use crate::posture::{Host, Posture};
use crate::promise::SignedPromise;
use crate::refusal::Refusal;
use crate::request::{self, Call, Facts, Reply as RunReply};
use crate::request_keys::RequestKeys;
use crate::rules::{LastRead, rules_pool};
use crate::stack::wipe_unused_stack;
use crate::start_error::StartError;
use crate::tasks::{self, Tasks};
use crate::telemetry::{Event, Telemetry};

/// A running node. Clones are handles to the same one.
#[derive(Clone)]
pub struct Node(Arc<Inner>);

pub(crate) struct Inner {
    config: Config,
    identity: Identity,
    rules: LastRead,
    group: Group,
    keys: RwLock<KeyTable>,
    /// Held while pool keys change, so that one change never takes another's new key for a stray.
    key_changes: tokio::sync::Mutex<Strays>,
    /// Held shared by each write on its way, and alone by a shred that writes kept overtaking.
    writes: tokio::sync::RwLock<()>,
    workers: Supervisor,
    codes: CodeCache,
    tasks: Tasks,
    ledger: Arc<Receipts>,
    posture: Posture,
    telemetry: Telemetry,
    promise: SignedPromise,
    facts: Facts,
    request_keys: RequestKeys,
    draining: watch::Sender<bool>,
    /// It has become what its store says.
    settled: watch::Sender<bool>,
    /// Held for reading by each run until its receipt is on its way.
    running: Arc<tokio::sync::RwLock<()>>,
    /// One permit for each run whose answer may wait for its time.
    waiting: Semaphore,
}

/// Where a receipt is.
pub enum ReceiptState {
    /// In the log: a C2SP `tlog-proof`.
    Ready(String),
    /// On its way into the log.
    Pending {
        /// When asking again makes sense.
        retry_after: Duration,
    },
}

impl Node {
    /// Starts a node on what `config.dir` holds. It serves once it is ready, see
    /// [`Node::become_ready`].
    /// # Errors  [`StartError`]
    pub async fn start(
        config: Config,
        identity: Identity,
        exe: PathBuf,
    ) -> Result<Self, StartError> {
        let workers = Supervisor::start(SupervisorConfig {
            exe,
            idle_workers: config.workers.idle,
            running_max: config.workers.running_max,
            cohosting: config.workers.cohosting,
        });
        let (says, group) = (config.says, group::open(&config, &identity)?);
        let store = group.shelves.home();
        let mut keys = open_keys(&config)?;
        let alone = group.links.is_none();
        store
            .read(|objects| {
                let live = objects.pools().into_iter().map(|pool| (pool.name, pool.key_epoch));
                // One of several may be behind the others, who give it what it lacks.
                if alone {
                    keys.fits(objects.version(), live)?;
                }
                keys.reached(objects.version());
                Ok(())
            })
            .map_err(StartError::NotItsStore)?;
        let log = open_ledger(&config, &identity)?;
        let codes =
            CodeCache::open(&config.dir.join("cache"), identity.cache_key(), CODE_CACHE_BYTES_MAX)
                .map_err(|_| StartError::Step("open the cache of compiled code"))?;
        let workers = workers.await.map_err(StartError::Workers)?;
        let posture = survey(&workers, &config)?;
        let now_unix_s = crate::clock::unix_micros() / 1_000_000;
        let path = config.dir.join("promise.txt");
        let promise = SignedPromise::open(&path, &config, &identity, now_unix_s)
            .map_err(|_| StartError::Step("make its promise; check `operator`"))?;
        let node = crate::promise::node_digest(&identity, log.vkey());
        let facts = Facts { config: config.digest(), node };
        let request_keys = RequestKeys::of(&identity, promise.digest());
        let request_keys = request_keys.ok_or(StartError::Step("make its request keys"))?;
        let outbox = group.outbox().map_err(|_| StartError::Step("number its run"))?;
        let node = Self(Arc::new(Inner {
            config,
            identity,
            rules: LastRead::default(),
            group,
            keys: RwLock::new(keys),
            key_changes: tokio::sync::Mutex::default(),
            writes: tokio::sync::RwLock::new(()),
            workers,
            codes,
            tasks: Tasks::default(),
            ledger: Arc::new(Receipts::new(log, outbox)),
            posture,
            telemetry: Telemetry::new(says),
            request_keys,
            promise,
            facts,
            draining: watch::Sender::new(false),
            settled: watch::Sender::new(false),
            running: Arc::default(),
            waiting: Semaphore::new(WAITING_ANSWERS_MAX),
        }));
        node.keep_up();
        Ok(node)
    }

    /// Begins what goes on until the node ends.
    fn keep_up(&self) {
        self.keep_group();
        tokio::spawn(end_with_the_store(self.downgrade()));
        self.keep_looking();
        self.keep_saying();
    }

    /// Becomes a member of its group, as soon as more than half of the others are there, and then
    /// what its store says. Until it is, the node serves nobody and says so.
    /// # Errors  [`StartError`]
    /// # Cancel  Dropping the future leaves the node as it is; asking again goes on.
    pub async fn become_ready(&self) -> Result<(), StartError> {
        self.be_member().await?;
        self.settle().await?;
        self.0.settled.send_replace(true);
        self.0.telemetry.event(Event::Serving { members: self.members() });
        Ok(())
    }

    /// Waits until this node is a member of its group, with a majority of the others.
    async fn be_member(&self) -> Result<(), StartError> {
        let ready = |status: &notrace_store_replica::Status| {
            let home = status.shards.get(usize::from(group::HOME.0));
            status.serves() && home.is_some_and(|shard| shard.holds)
        };
        let serves = self.0.group.member.when(ready).await;
        let failed = || {
            self.failure()
                .map_or(StartError::Step("become a member of its group"), StartError::Failed)
        };
        serves.map(drop).ok_or_else(failed)
    }

    /// Makes itself known to its group, and its own table what the group's keyring says: without
    /// the keys it could open nothing of what it holds.
    async fn settle_among_others(&self) -> Result<(), StartError> {
        self.insist("make itself known to its group", async || self.announce().await).await?;
        let begin = async || {
            self.begin_ledger().await.map_err(|error| match error {
                SendError::Stopped => Refusal::Internal("ordering its beginning"),
                _ => Refusal::Unavailable,
            })
        };
        self.insist("begin its group's ledger", begin).await?;
        self.insist("take over its group's keys", async || self.follow_keyring_now().await).await
    }

    /// Does a step that may be done twice, again and again while the others of its group come or
    /// go: it is no use to give up.
    async fn insist(
        &self,
        step: &'static str,
        attempt: impl AsyncFn() -> Result<(), Refusal>,
    ) -> Result<(), StartError> {
        let mut pause = SETTLE_AGAIN_MIN;
        while let Err(refusal) = attempt().await {
            let passes = matches!(
                refusal,
                Refusal::Busy { .. }
                    | Refusal::Unavailable
                    | Refusal::OutcomeUnknown
                    | Refusal::NoMajority
            );
            if self.0.group.links.is_none() || !passes {
                return Err(StartError::Step(step));
            }
            tokio::time::sleep(pause).await;
            pause = (pause * 2).min(SETTLE_AGAIN_MAX);
        }
        Ok(())
    }

    /// What a start does once everything is open: forget keys that a crash left over, make the
    /// platform's own pools, read the tasks, and begin to watch retention.
    async fn settle(&self) -> Result<(), StartError> {
        self.refound_memory();
        if self.0.group.links.is_some() {
            self.settle_among_others().await?;
        }
        let cleared = self.clear_keys().await;
        // Among others a shard may be out of reach now; it is tried again with retention.
        if self.0.group.links.is_none() {
            cleared.map_err(|_| StartError::Step("clear old keys"))?;
        }
        self.insist("set the store's bounds", async || self.configure_store().await).await?;
        for pool in [tasks::modules_pool(), tasks::names_pool(), rules_pool()] {
            let spec = PoolSpec {
                retain: Retain::Forever,
                durability: Durability::AllDurable,
                kept: Kept::OnDisk,
                consistency: Consistency::Linearizable,
                transport: Transport::Tls,
                label: None,
                release: Release::OPEN,
            };
            let make = async || self.create_pool(&pool, spec.clone(), None).await.map(drop);
            self.insist("make the pools of its own", make).await?;
        }
        self.load_tasks().map_err(|_| StartError::Step("read its tasks"))?;
        let weak = Arc::downgrade(&self.0);
        tokio::spawn(async move {
            while let Some(inner) = weak.upgrade() {
                // What could not be cleared now is tried again; reads refuse nothing meanwhile.
                let node = Node(inner);
                let _ = node.retire(crate::clock::wall()).await;
                // Keys that nobody asks for are followed by others all the same.
                let _ = node.request_key();
                drop(node);
                tokio::time::sleep(RETENTION_LAG_MAX).await;
            }
        });
        Ok(())
    }

    /// The store's bounds are part of its state, because replies depend on them; a changed setting
    /// is ordered like everything else.
    async fn configure_store(&self) -> Result<(), Refusal> {
        let wanted = bounds(&self.0.config);
        for shelf in self.0.group.shelves.all() {
            let (shard, durability) = match shelf.shard() {
                group::MEMORY => (group::MEMORY, Durability::Delivered),
                shard => (shard, Durability::AllDurable),
            };
            if self.holds(shard) && shelf.read(|objects| objects.config() != wanted) {
                self.order_at(shard, Command::Configure(wanted), durability).await?;
            }
        }
        Ok(())
    }

    /// Runs one call from leave to receipt.
    /// # Errors  [`Refusal`] if nothing was run.
    /// # Cancel  Dropping the future abandons the answer. The run goes on to its end and is
    /// scrubbed and receipted as any other.
    pub async fn run(&self, call: Call) -> Result<RunReply, Refusal> {
        let held = self.0.running.clone().read_owned().await;
        let node = self.clone();
        let life = tokio::spawn(async move {
            let served = request::serve(node, call).await;
            drop(held);
            served
        });
        life.await.unwrap_or(Err(Refusal::Internal("serving a run")))
    }

    /// Places for answers that wait for their time.
    pub(crate) fn waiting(&self) -> &Semaphore {
        &self.0.waiting
    }

    /// The receipt of a run, waiting for its epoch up to `wait`.
    /// # Errors  [`Refusal::ReceiptUnknown`]
    pub async fn receipt(&self, id: &str, wait: Option<Duration>) -> Result<ReceiptState, Refusal> {
        let id: ReceiptId = id.parse().map_err(|_| Refusal::ReceiptUnknown)?;
        match self.0.ledger.receipt(id, wait).await {
            Found::Ready(proof) => Ok(ReceiptState::Ready(proof)),
            Found::Pending { retry_after } => Ok(ReceiptState::Pending { retry_after }),
            Found::Unknown => self.receipt_elsewhere(id, wait.unwrap_or_default()).await,
        }
    }

    /// Takes nothing new from now on.
    pub fn stop_taking(&self) {
        if !self.0.draining.send_replace(true) {
            self.0.telemetry.event(Event::Draining);
        }
    }

    /// Ends what runs, publishes what is pending, closes the store.
    pub async fn drain(&self) {
        self.stop_taking();
        // Past the bound, workers are killed with their supervisor, which is scrub enough.
        let _ = tokio::time::timeout(DRAIN_MAX, self.0.running.write()).await;
        let _ = tokio::time::timeout(DRAIN_MAX, self.0.workers.drain()).await;
        self.0.ledger.close(DRAIN_MAX).await;
        self.0.group.member.close().await;
        if self.0.group.has_left() {
            // What fails now is done at the next start.
            let _ = group::leave_nothing(&self.0.config.dir);
        }
    }

    /// Whether the node has become what its store says, now or within `wait`.
    /// # Cancel  Dropping the future changes nothing.
    pub async fn is_ready_within(&self, wait: Duration) -> bool {
        let mut settled = self.0.settled.subscribe();
        if *settled.borrow_and_update() {
            return true;
        }
        let ready = settled.wait_for(|settled| *settled);
        matches!(tokio::time::timeout(wait, ready).await, Ok(Ok(_)))
    }

    /// The number of the group's view, the latest that this node knows something of. A client that
    /// shows it to another node sees there what it could see here: see [`Node::has_reached`].
    pub fn view(&self) -> u32 {
        self.0.group.view().number()
    }

    /// Waits until this node is in that view of the group or a later one; whether it is after
    /// `wait`.
    /// # Cancel  Dropping the future changes nothing.
    pub async fn has_reached(&self, view: u32, wait: Duration) -> bool {
        let is_there =
            self.0.group.member.when(move |status| {
                status.view.as_ref().is_some_and(|now| now.id.number() >= view)
            });
        matches!(tokio::time::timeout(wait, is_there).await, Ok(Some(_)))
    }

    /// Whether the node takes requests: it does not drain, and it can log.
    pub fn is_serving(&self) -> bool {
        let member = self.0.group.member.status().serves();
        !self.is_draining() && *self.0.settled.borrow() && member && self.0.ledger.ready().is_ok()
    }

    /// Why its store ended by itself, if it did; nothing can be served then.
    pub fn failure(&self) -> Option<notrace_store_replica::Failure> {
        self.0.group.member.status().failure
    }

    /// Waits until the node takes nothing new.
    /// # Cancel  Dropping the future changes nothing.
    pub async fn drains(&self) {
        // It ends when the node does, which is no less of an end.
        let _ = self.0.draining.subscribe().wait_for(|draining| *draining).await;
    }

    /// Where this node listens for others of its group, if it does.
    pub fn cluster_address(&self) -> Option<String> {
        self.0.group.links.as_ref().map(|links| links.address.clone())
    }

    /// Whether the node takes nothing new because it is about to end.
    pub fn is_draining(&self) -> bool {
        *self.0.draining.borrow()
    }

    /// How many workers wait for a task.
    pub fn workers_ready(&self) -> u32 {
        self.0.workers.idle_workers() as u32
    }

    /// Whether `token` is the owner's, and if so a digest that stands for it.
    pub fn owner_of_token(&self, token: &str) -> Option<Digest> {
        self.0.identity.owner_of_token(token)
    }

    /// The rules as they were last read.
    pub(crate) fn last_rules(&self) -> &LastRead {
        &self.0.rules
    }

    /// What holds on this host, as it was last looked at.
    pub(crate) fn telemetry(&self) -> &Telemetry {
        &self.0.telemetry
    }

    pub(crate) fn known_posture(&self) -> &Posture {
        &self.0.posture
    }

    /// Where the node's keys live: 0, in software.
    pub fn trust_level(&self) -> u8 {
        0
    }

    /// What this node promises, signed.
    pub fn promise(&self) -> &SignedPromise {
        &self.0.promise
    }

    /// The ledger's origin line.
    pub fn ledger_origin(&self) -> &str {
        self.0.ledger.log().origin()
    }

    /// The ledger's public key, as a signed-note verifier key.
    pub fn ledger_vkey(&self) -> &str {
        self.0.ledger.log().vkey()
    }

    /// The ledger's latest checkpoint; in a group, none that is behind what another member showed,
    /// if that can be found out in a second.
    /// # Cancel  Dropping the future changes nothing.
    pub async fn checkpoint(&self) -> String {
        self.0.ledger.checkpoint().await
    }

    /// A tile of the ledger, by its path below `tile/`.
    pub fn tile(&self, path: &str) -> Option<Vec<u8>> {
        self.0.ledger.log().tile(path)
    }

    pub(crate) fn config(&self) -> &Config {
        &self.0.config
    }

    pub(crate) fn request_keys(&self) -> &RequestKeys {
        &self.0.request_keys
    }

    pub(crate) fn facts(&self) -> &Facts {
        &self.0.facts
    }

    pub(crate) fn group(&self) -> &Group {
        &self.0.group
    }

    pub(crate) fn identity(&self) -> &Identity {
        &self.0.identity
    }

    pub(crate) fn downgrade(&self) -> std::sync::Weak<Inner> {
        Arc::downgrade(&self.0)
    }

    pub(crate) fn upgrade(weak: &std::sync::Weak<Inner>) -> Option<Self> {
        weak.upgrade().map(Self)
    }

    /// Where clients find the other nodes of the group, as those have said.
    pub fn urls_of_others(&self) -> Vec<String> {
        let own = self.0.group.links.as_ref().map(|links| links.node.number());
        self.0.group.registry.read(|registry| {
            let others = registry.nodes().iter().filter(|(node, _)| Some(**node) != own);
            others.map(|(_, entry)| entry.url.clone()).collect()
        })
    }

    /// How many members the node's view has.
    pub fn members(&self) -> u32 {
        self.0.group.member.status().view.as_ref().map_or(0, |view| view.members.len() as u32)
    }

    /// Which keys the table has.
    pub(crate) fn key_places(&self) -> Vec<(PoolName, Epoch)> {
        self.0.keys.read().map(|keys| keys.places()).unwrap_or_default()
    }

    /// Whether the table has this very key in this place.
    pub(crate) fn has_key(&self, pool: &PoolName, epoch: Epoch, key: &[u8; 32]) -> bool {
        let held = self.0.keys.read().ok().and_then(|keys| keys.key(pool, epoch));
        held.is_some_and(|held| held.reveal(|bytes| bytes == key))
    }

    pub(crate) fn store(&self) -> &Replicated<Objects> {
        self.0.group.shelves.home()
    }

    pub(crate) fn workers(&self) -> &Supervisor {
        &self.0.workers
    }

    pub(crate) fn codes(&self) -> &CodeCache {
        &self.0.codes
    }

    pub(crate) fn tasks_table(&self) -> &Tasks {
        &self.0.tasks
    }

    pub(crate) fn ledger(&self) -> &Arc<Receipts> {
        &self.0.ledger
    }

    pub(crate) fn key_changes(&self) -> &tokio::sync::Mutex<Strays> {
        &self.0.key_changes
    }

    pub(crate) fn writes(&self) -> &tokio::sync::RwLock<()> {
        &self.0.writes
    }

    /// Waits until everything that is known of pools is known here that anybody was told of.
    pub(crate) async fn latest(&self) -> Result<(), Refusal> {
        group::latest_of(self.store()).await
    }

    pub(crate) fn pool_key(&self, pool: &PoolName, epoch: Epoch) -> Result<WrappingKey, Refusal> {
        let keys = self.0.keys.read().map_err(|_| Refusal::Internal("reading its keys"))?;
        keys.key(pool, epoch).ok_or(Refusal::Internal("finding a pool's key"))
    }

    pub(crate) fn change_keys(
        &self,
        change: impl FnOnce(&mut KeyTable) -> Result<(), KeyError>,
    ) -> Result<(), Refusal> {
        let work = || {
            let mut keys = self.0.keys.write().map_err(|_| Refusal::Internal("its keys"))?;
            let changed = change(&mut keys);
            // A thread that was let block does not pass by where others wipe their stacks before
            // they wait, and a table that is sealed leaves its master key in the frames it used.
            wipe_unused_stack();
            changed.map_err(|error| match error {
                KeyError::Files { kind: std::io::ErrorKind::StorageFull, .. } => {
                    Refusal::OutOfSpace
                }
                _ => Refusal::Internal("keeping its keys"),
            })
        };
        tokio::task::block_in_place(work)
    }
}

/// Lets the node end once its store has ended by itself: it could serve nobody.
async fn end_with_the_store(node: std::sync::Weak<Inner>) {
    let Some(member) = node.upgrade().map(|node| node.group.member.clone()) else { return };
    let failed = member.when(|status| status.failure.is_some()).await;
    if let (Some(_), Some(node)) = (failed, Node::upgrade(&node)) {
        node.0.telemetry.event(Event::StoreFailed);
        node.stop_taking();
    }
}

fn bounds(config: &Config) -> ObjectsConfig {
    ObjectsConfig { bytes_max: config.store_bytes_max, ..ObjectsConfig::default() }
}

/// What protects this host's runs; all that is required of it, where the node is strict.
fn survey(workers: &Supervisor, config: &Config) -> Result<Posture, StartError> {
    let posture = Posture::survey(&workers.fences(), Host::here());
    let missing = posture.missing();
    match config.strictness == Strictness::Refuse && !missing.is_empty() {
        true => Err(StartError::Missing(missing)),
        false => Ok(posture),
    }
}

fn open_keys(config: &Config) -> Result<KeyTable, StartError> {
    KeyTable::open(&config.dir.join("keys")).map_err(StartError::Keys)
}

fn open_ledger(config: &Config, identity: &Identity) -> Result<Ledger, StartError> {
    let origin = crate::promise::ledger_origin(identity);
    let dir = config.dir.join("ledger");
    let pace = Pace { epoch: config.epoch, receipt_window: config.receipt_window };
    Ledger::open_at(&dir, &origin, identity.ledger_seed(), pace).map_err(StartError::Ledger)
}
