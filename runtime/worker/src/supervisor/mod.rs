//! The supervisor: keeps jailed workers waiting, hands each one job, and sees it off.
//!
//! Nothing here ticks. A run costs two wake-ups: the worker's death, which is its answer, and the
//! arrival of the worker that replaces it.

mod pool;
pub(crate) mod process;
mod run;
pub(crate) mod seat;
pub(crate) mod slot;
mod sweeper;
pub(crate) mod template;

use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, AtomicUsize};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use notrace_policy_promise::cohosting::Cohosting;
use notrace_runtime_jail::{Fence, State, Why};
use tokio::runtime::Handle;
use tokio::sync::{Semaphore, oneshot, watch};
use tokio::task::JoinSet;

use crate::channel::{FromTemplate, exactly};
use crate::limits::{COMPILING_MAX, SLOTS_MAX, TEMPLATE_PAUSE_MAX};
use crate::residue::{Place, Residue, scrub};
use pool::{Idle, Pool};
use seat::Seats;
use slot::Slot;
use sweeper::Sweeper;
use template::{StartError, Template};

/// What a supervisor is started with.
#[derive(Clone, Debug)]
pub struct SupervisorConfig {
    /// The binary that has the hidden subcommands `worker` and `compile`: our own.
    pub exe: PathBuf,
    /// How many jailed workers wait ahead of need.
    pub idle_workers: u16,
    /// How many runs there may be at once.
    pub running_max: u16,
    /// Whose runs may be on the same hardware at the same time.
    pub cohosting: Cohosting,
}

impl Default for SupervisorConfig {
    /// This very binary, and a pool that suits a machine of a few cores.
    fn default() -> Self {
        let exe = PathBuf::from("/proc/self/exe");
        Self { exe, idle_workers: 8, running_max: 32, cohosting: Cohosting::Shared }
    }
}

/// Starts, feeds and buries workers. Cheap to clone; all clones are the same supervisor.
#[derive(Clone)]
pub struct Supervisor(pub(crate) Arc<Inner>);

pub(crate) struct Inner {
    pub(crate) config: SupervisorConfig,
    pool: Mutex<Pool>,
    /// One permit for each worker that waits.
    ready: Semaphore,
    /// One permit for each run that may still begin.
    pub(crate) running: Arc<Semaphore>,
    pub(crate) compiling: Semaphore,
    seats: Option<Seats>,
    pub(crate) sweeper: Sweeper,
    waiting: AtomicUsize,
    runs: AtomicU64,
    secret_memory: bool,
    pub(crate) runtime: Handle,
    draining: watch::Sender<bool>,
    ended: watch::Receiver<bool>,
}

impl Supervisor {
    /// Starts a template and orders the first workers. Call it inside a tokio runtime.
    ///
    /// # Errors  [`StartError`]; no process of ours is left behind.
    pub async fn start(config: SupervisorConfig) -> Result<Self, StartError> {
        let (idle, running) = (usize::from(config.idle_workers), usize::from(config.running_max));
        if idle == 0 || running == 0 || idle + running > SLOTS_MAX {
            return Err(StartError::BadConfig);
        }
        let count = u32::try_from(idle + running).map_err(|_| StartError::BadConfig)?;
        let slots = (0..count).map(Slot::new).collect::<Result<Vec<_>, _>>();
        let slots = slots.map_err(|_| StartError::NoMemory)?;
        let (ended_sender, ended) = watch::channel(false);
        let inner = Arc::new(Inner {
            seats: Seats::of(&config),
            sweeper: Sweeper::of(&config.exe),
            config,
            secret_memory: slots.iter().all(Slot::is_secret_memory),
            pool: Mutex::new(Pool::new(idle, slots)),
            ready: Semaphore::new(0),
            running: Arc::new(Semaphore::new(running)),
            compiling: Semaphore::new(COMPILING_MAX),
            waiting: AtomicUsize::new(0),
            runs: AtomicU64::new(0),
            runtime: Handle::current(),
            draining: watch::Sender::new(false),
            ended,
        });
        let (started_sender, started) = oneshot::channel();
        tokio::spawn(manage(inner.clone(), started_sender, ended_sender));
        started.await.unwrap_or(Err(StartError::EndedEarly))?;
        Ok(Self(inner))
    }

    /// The fences around the workers, in the order in which they were put up.
    pub fn fences(&self) -> Vec<(Fence, State)> {
        let mut fences = self.0.pool().fences().clone();
        let secret = match self.0.secret_memory {
            true => State::On,
            false => State::Missing { why: Why::NotSupported },
        };
        fences.set(Fence::SecretMemory, secret);
        fences.list().to_vec()
    }

    /// How many workers wait for a job right now.
    pub fn idle_workers(&self) -> usize {
        self.0.pool().idle_count()
    }

    /// Takes no more jobs, waits for those that run, and ends every process of ours. Returns when
    /// none is left.
    ///
    /// # Cancel  Draining goes on, unobserved.
    pub async fn drain(&self) {
        self.0.draining.send_replace(true);
        self.0.running.close();
        self.0.ready.close();
        let mut ended = self.0.ended.clone();
        // An error means that the manager is gone, which is what is waited for.
        let _ = ended.wait_for(|ended| *ended).await;
    }
}

impl Inner {
    /// The pool. A panic while it was locked aborts in release; in tests the pool is still whole,
    /// because none of its methods stops half-way.
    pub(crate) fn pool(&self) -> MutexGuard<'_, Pool> {
        self.pool.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn drained(&self) {
        let mut draining = self.draining.subscribe();
        let _ = draining.wait_for(|draining| *draining).await;
    }

    fn is_draining(&self) -> bool {
        *self.draining.borrow()
    }
}

/// Keeps a template alive until the supervisor drains.
async fn manage(
    inner: Arc<Inner>,
    started: oneshot::Sender<Result<(), StartError>>,
    ended: watch::Sender<bool>,
) {
    let mut started = Some(started);
    let mut old = JoinSet::new();
    let mut pause = Duration::from_millis(10);
    while !inner.is_draining() {
        match Template::start(&inner.config).await {
            Ok(template) => {
                pause = Duration::from_millis(10);
                inner.pool().attach(template.line.clone(), template.fences.clone());
                if let Some(started) = started.take() {
                    inner.sweeper.begin();
                    let _ = started.send(Ok(()));
                }
                tokio::select! {
                    () = attend(&inner, &template) => {}
                    () = inner.drained() => {}
                }
                inner.pool().detach();
                old.spawn(template.see_off());
            }
            Err(error) => {
                if let Some(started) = started.take() {
                    let _ = started.send(Err(error));
                    break;
                }
                tokio::select! {
                    () = tokio::time::sleep(pause) => {}
                    () = inner.drained() => {}
                }
                pause = (pause * 2).min(TEMPLATE_PAUSE_MAX);
            }
        }
        while old.try_join_next().is_some() {}
    }
    let idle = inner.pool().close();
    for idle in idle {
        dismiss(&inner, idle).await;
    }
    // Every template is seen off only after its last worker was scrubbed.
    while old.join_next().await.is_some() {}
    inner.sweeper.see_off().await;
    ended.send_replace(true);
}

/// Takes in the workers that a template forks, until it is gone.
async fn attend(inner: &Arc<Inner>, template: &Template) {
    loop {
        match template.next().await {
            Ok((FromTemplate::Forked { slot }, fds)) => {
                let Ok([pidfd]) = exactly(fds) else { return };
                if inner.pool().came(slot, pidfd) {
                    inner.ready.add_permits(1);
                }
            }
            Ok((FromTemplate::NotForked { slot }, _)) => {
                inner.pool().did_not_come(slot);
                // The host is short of something. Trying again at once would be a busy loop.
                let inner = inner.clone();
                tokio::spawn(async move {
                    tokio::time::sleep(Duration::from_millis(50)).await;
                    inner.pool().refill();
                });
            }
            // Anything else is not a template of ours.
            Ok(_) | Err(_) => return,
        }
    }
}

/// Ends a worker that never got a job.
async fn dismiss(inner: &Arc<Inner>, idle: Idle) {
    let Idle { slot, doorbell, process, membership } = idle;
    drop(doorbell);
    process.kill();
    let place = Place { _membership: membership, _permit: None, _seat: None };
    scrub(Residue::new(inner.clone(), process, slot, place, 0)).await;
}
