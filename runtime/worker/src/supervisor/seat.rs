//! A run's seat: the core that is its tenant's while its process lives.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use notrace_policy_promise::cohosting::Cohosting;
use rustix::thread::CpuSet;
use tokio::sync::Notify;
use tokio::time::{Instant, timeout_at};

use super::run::Waiting;
use super::{Inner, SupervisorConfig};
use crate::cores::{CoreId, Cores, Tenant};
use crate::job::RunError;
use crate::topology;

/// The cores, where tenants are kept apart.
pub(crate) struct Seats {
    cores: Mutex<Cores>,
    changed: Notify,
    began: Instant,
}

/// A place on a core. To be dropped when the process that had it is dead.
pub(crate) struct Seat {
    inner: Arc<Inner>,
    core: CoreId,
}

/// A run that waits for a core.
struct Arrived<'a> {
    seats: &'a Seats,
    tenant: Tenant,
    seated: bool,
}

impl Seats {
    /// None where anybody may be anywhere.
    pub(super) fn of(config: &SupervisorConfig) -> Option<Self> {
        let groups = match config.cohosting {
            Cohosting::Shared => return None,
            Cohosting::TenantExclusiveCore => topology::cores(),
            Cohosting::TenantExclusiveNode => topology::whole(topology::cores()),
        };
        // As many on each core that all together are no more than may run: so nobody who has a core
        // waits because of others.
        let most = u32::from(config.running_max) / groups.len().max(1) as u32;
        let cores = Mutex::new(Cores::new(groups, most));
        Some(Self { cores, changed: Notify::new(), began: Instant::now() })
    }

    fn now(&self) -> Duration {
        self.began.elapsed()
    }

    fn cores(&self) -> MutexGuard<'_, Cores> {
        self.cores.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Inner {
    /// A seat for this tenant's next run, waited for until then; none where there are no seats.
    pub(super) async fn seat(
        self: &Arc<Self>,
        tenant: Tenant,
        deadline: Instant,
    ) -> Result<Option<Seat>, RunError> {
        let Some(seats) = &self.seats else { return Ok(None) };
        let _waiting = Waiting::enter(self).ok_or(RunError::Busy)?;
        seats.cores().arrive(tenant, seats.now());
        let mut arrived = Arrived { seats, tenant, seated: false };
        loop {
            let changed = seats.changed.notified();
            tokio::pin!(changed);
            // From here on no change is missed.
            changed.as_mut().enable();
            let taken = seats.cores().take(tenant, seats.now());
            if let Some(core) = taken {
                arrived.seated = true;
                return Ok(Some(Seat { inner: self.clone(), core }));
            }
            if self.is_draining() {
                return Err(RunError::Draining);
            }
            timeout_at(deadline, changed).await.map_err(|_| RunError::Busy)?;
        }
    }
}

impl Seat {
    /// The processors of its core.
    pub(super) fn cpus(&self) -> CpuSet {
        let mut set = CpuSet::new();
        if let Some(seats) = &self.inner.seats {
            seats.cores().cpus(self.core).iter().for_each(|cpu| set.set(usize::from(*cpu)));
        }
        set
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        if let Some(seats) = &self.inner.seats {
            seats.cores().leave(self.core, seats.now());
            seats.changed.notify_waiters();
        }
    }
}

impl Drop for Arrived<'_> {
    fn drop(&mut self) {
        if !self.seated {
            self.seats.cores().give_up(self.tenant, self.seats.now());
            // A promise may have been withdrawn, which others wait for.
            self.seats.changed.notify_waiters();
        }
    }
}
