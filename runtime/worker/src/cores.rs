//! Which core a tenant's run gets, so that no two tenants are on one core at the same time.
//!
//! A core here is all hardware threads that share one: a sibling is never another's. A core is held
//! by the tenant whose runs are on it, and is free again when the last of them is over. Whoever
//! finds no core is promised one: nobody else enters that core from then on, so it becomes empty
//! within the longest time that a run may have. Promises go round in the order in which tenants
//! came, so none waits behind another's second turn.
//!
//! Nothing here waits, reads a clock or asks the kernel.

use notrace_policy_promise::digest::Digest;

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
    /// Whose runs are on it, and how many.
    held: Option<(Tenant, u32)>,
    /// Who gets it next.
    promised: Option<Tenant>,
}

impl Core {
    /// Whether a run of this tenant may enter.
    fn takes(&self, tenant: Tenant, runs_max: u32) -> bool {
        let to_another = self.promised.is_some_and(|promised| promised != tenant);
        match self.held {
            _ if to_another => false,
            Some((holder, runs)) => holder == tenant && runs < runs_max,
            None => true,
        }
    }

    fn runs(&self) -> u32 {
        self.held.map_or(0, |(_, runs)| runs)
    }
}

impl Cores {
    /// Cores of these processors, all free. There is one at least.
    pub(crate) fn new(groups: Vec<Box<[u16]>>, runs_max: u32) -> Self {
        let free = |cpus| Core { cpus, held: None, promised: None };
        Self {
            cores: groups.into_iter().map(free).collect(),
            runs_max: runs_max.max(1),
            waiting: Vec::new(),
        }
    }

    /// A run of this tenant waits from now on, until it [takes](Cores::take) a core or
    /// [gives up](Cores::give_up).
    pub(crate) fn arrive(&mut self, tenant: Tenant) {
        match self.waiting.iter_mut().find(|(waiting, _)| *waiting == tenant) {
            Some((_, runs)) => *runs += 1,
            None => self.waiting.push((tenant, 1)),
        }
        self.promise();
    }

    /// A core for a run that waits: the emptiest that it may enter. `None`: not yet.
    pub(crate) fn take(&mut self, tenant: Tenant) -> Option<CoreId> {
        let place = self.waiting.iter().position(|(waiting, _)| *waiting == tenant)?;
        let open = self.cores.iter_mut().enumerate();
        let open = open.filter(|(_, core)| core.takes(tenant, self.runs_max));
        let (index, core) = open.min_by_key(|(_, core)| core.runs())?;
        core.held = Some((tenant, core.runs() + 1));
        // Its turn is over: whoever else waits comes before what it still has waiting.
        let (_, runs) = self.waiting.remove(place);
        if core.promised.take().is_some() || runs == 1 {
            self.withdraw(tenant);
            self.waiting.extend((runs > 1).then_some((tenant, runs - 1)));
        } else {
            self.waiting.insert(place, (tenant, runs - 1));
        }
        self.promise();
        Some(CoreId(index))
    }

    /// A run that waited does so no more.
    pub(crate) fn give_up(&mut self, tenant: Tenant) {
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
        self.promise();
    }

    /// A run has left its core: its process is dead.
    pub(crate) fn leave(&mut self, core: CoreId) {
        if let Some(core) = self.cores.get_mut(core.0) {
            core.held = match core.held {
                Some((tenant, runs)) if runs > 1 => Some((tenant, runs - 1)),
                _ => None,
            };
        }
        self.promise();
    }

    /// The processors of a core.
    pub(crate) fn cpus(&self, core: CoreId) -> &[u16] {
        self.cores.get(core.0).map_or(&[], |core| &core.cpus)
    }

    /// Promises a core to each who waits, finds none and has no promise yet, as far as there are
    /// cores.
    fn promise(&mut self) {
        for (tenant, _) in &self.waiting {
            let runs_max = self.runs_max;
            let mut cores = self.cores.iter();
            if cores.any(|core| core.promised == Some(*tenant) || core.takes(*tenant, runs_max)) {
                continue;
            }
            let others = self.cores.iter_mut().filter(|core| core.promised.is_none());
            // One of its own is full, and is open to it without a promise once it is not.
            let mut others =
                others.filter(|core| core.held.is_none_or(|(holder, _)| holder != *tenant));
            let least = others.by_ref().min_by_key(|core| core.runs());
            if let Some(core) = least {
                core.promised = Some(*tenant);
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
