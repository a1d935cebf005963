//! Which core a tenant's run gets, so that no two tenants are on one core at the same time.
//!
//! A core here is all hardware threads that share one: a sibling is never another's. A core is its
//! tenant's while runs are on it, and for some time after the last: so tenants that are all at work
//! keep their own cores, and none learns from a wait what another does. Who has no core takes a
//! free one, or an idle one of whoever has most; finding none, it is promised one: nobody enters
//! that from then on, so it becomes empty within the longest time that a run may have. Promises go
//! round in the order in which tenants came, so none waits behind another's second turn.
//!
//! Nothing here waits, reads a clock or asks the kernel. Time is what has passed since any moment.

use core::time::Duration;

use notrace_policy_promise::digest::Digest;

use crate::limits::KEPT;

/// On whose behalf a run takes place. Whoever shows another credential is another tenant: two
/// credentials of one person keep apart more than they must, and never less.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Tenant(pub Digest);

/// One of the cores.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct CoreId(usize);

/// The cores, and who is on them.
pub(crate) struct Cores {
    cores: Vec<Core>,
    /// How many runs may be on one core.
    runs_max: u32,
    /// Who waits, with how many runs, in the order in which promises go round.
    waiting: Vec<(Tenant, u32)>,
}

struct Core {
    cpus: Box<[u16]>,
    /// Whose it was last.
    tenant: Option<Tenant>,
    /// How many runs are on it.
    runs: u32,
    /// Until when it stays its tenant's without a run.
    kept_until: Duration,
    /// Who gets it next.
    promised: Option<Tenant>,
}

impl Core {
    /// Whose it is.
    fn owner(&self, now: Duration) -> Option<Tenant> {
        self.tenant.filter(|_| self.runs > 0 || now < self.kept_until)
    }
}

impl Cores {
    /// Cores of these processors, all free. There is one at least.
    pub(crate) fn new(groups: Vec<Box<[u16]>>, runs_max: u32) -> Self {
        let free = |cpus| {
            let (tenant, promised, kept_until) = (None, None, Duration::ZERO);
            Core { cpus, tenant, runs: 0, kept_until, promised }
        };
        Self {
            cores: groups.into_iter().map(free).collect(),
            runs_max: runs_max.max(1),
            waiting: Vec::new(),
        }
    }

    /// A run of this tenant waits from now on, until it [takes](Cores::take) a core or
    /// [gives up](Cores::give_up).
    pub(crate) fn arrive(&mut self, tenant: Tenant, now: Duration) {
        match self.waiting.iter_mut().find(|(waiting, _)| *waiting == tenant) {
            Some((_, runs)) => *runs += 1,
            None => self.waiting.push((tenant, 1)),
        }
        self.promise(now);
    }

    /// A core for a run that waits. `None`: not yet.
    pub(crate) fn take(&mut self, tenant: Tenant, now: Duration) -> Option<CoreId> {
        let place = self.waiting.iter().position(|(waiting, _)| *waiting == tenant)?;
        let ranked = (0..self.cores.len()).filter_map(|at| Some((self.rank(at, tenant, now)?, at)));
        let (_, index) = ranked.min()?;
        let core = self.cores.get_mut(index)?;
        core.runs = if core.tenant == Some(tenant) { core.runs + 1 } else { 1 };
        core.tenant = Some(tenant);
        core.kept_until = now + KEPT;
        // Its turn is over: whoever else waits comes before what it still has waiting.
        let (_, runs) = self.waiting.remove(place);
        if core.promised.take().is_some() || runs == 1 {
            self.withdraw(tenant);
            self.waiting.extend((runs > 1).then_some((tenant, runs - 1)));
        } else {
            self.waiting.insert(place, (tenant, runs - 1));
        }
        self.promise(now);
        Some(CoreId(index))
    }

    /// How well a core suits a run of this tenant, the least being best; `None` if it must not
    /// enter.
    fn rank(&self, at: usize, tenant: Tenant, now: Duration) -> Option<u32> {
        let core = self.cores.get(at)?;
        if core.promised.is_some_and(|promised| promised != tenant) {
            return None;
        }
        match core.owner(now) {
            Some(owner) if owner == tenant => (core.runs < self.runs_max).then_some(2 * core.runs),
            None => Some(1),
            Some(_) if core.runs > 0 => None,
            Some(_) if core.promised == Some(tenant) => Some(0),
            // What another keeps is taken from who has most, and only by who has none.
            Some(owner) if !self.has_core(tenant, now) => {
                let theirs = self.cores.iter().filter(|core| core.owner(now) == Some(owner));
                Some(u32::MAX - theirs.count() as u32)
            }
            Some(_) => None,
        }
    }

    fn has_core(&self, tenant: Tenant, now: Duration) -> bool {
        self.cores.iter().any(|core| core.owner(now) == Some(tenant))
    }

    /// A run that waited does so no more.
    pub(crate) fn give_up(&mut self, tenant: Tenant, now: Duration) {
        let Some(place) = self.waiting.iter().position(|(waiting, _)| *waiting == tenant) else {
            return;
        };
        match self.waiting.get_mut(place) {
            Some((_, runs)) if *runs > 1 => *runs -= 1,
            _ => {
                self.waiting.remove(place);
                self.withdraw(tenant);
            }
        }
        self.promise(now);
    }

    /// A run has left its core: its process is dead.
    pub(crate) fn leave(&mut self, core: CoreId, now: Duration) {
        if let Some(core) = self.cores.get_mut(core.0) {
            core.runs = core.runs.saturating_sub(1);
            core.kept_until = now + KEPT;
        }
        self.promise(now);
    }

    /// The processors of a core.
    pub(crate) fn cpus(&self, core: CoreId) -> &[u16] {
        self.cores.get(core.0).map_or(&[], |core| &core.cpus)
    }

    /// Promises a core to each who waits, has none, can enter none and has no promise yet, as far
    /// as there are cores: one of whoever has most, and of those the emptiest.
    fn promise(&mut self, now: Duration) {
        for index in 0..self.waiting.len() {
            let Some((tenant, _)) = self.waiting.get(index).copied() else { return };
            let promised = self.cores.iter().any(|core| core.promised == Some(tenant));
            let enters = (0..self.cores.len()).any(|at| self.rank(at, tenant, now).is_some());
            if promised || enters || self.has_core(tenant, now) {
                continue;
            }
            let owned = |owner| self.cores.iter().filter(|core| core.owner(now) == owner).count();
            let open = self.cores.iter().enumerate().filter(|(_, core)| core.promised.is_none());
            let most = open
                .min_by_key(|(_, core)| (usize::MAX - owned(core.owner(now)), core.runs))
                .map(|(at, _)| at);
            if let Some(core) = most.and_then(|at| self.cores.get_mut(at)) {
                core.promised = Some(tenant);
            }
        }
    }

    fn withdraw(&mut self, tenant: Tenant) {
        for core in &mut self.cores {
            core.promised = core.promised.filter(|promised| *promised != tenant);
        }
    }
}

#[cfg(test)]
mod spec;
