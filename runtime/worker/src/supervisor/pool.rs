//! The pool: who waits for a job, who was ordered, which slots are free.

use std::collections::VecDeque;
use std::os::fd::{AsFd, OwnedFd};
use std::time::Duration;

use notrace_runtime_jail::Fences;

use super::process::Process;
use super::slot::Slot;
use super::template::{Line, Membership};
use crate::channel::{self, Order};
use crate::limits::{PROCESSOR_SECONDS_SPARE, WALL_MAX};

/// A jailed worker that waits for its one job.
pub(crate) struct Idle {
    pub(crate) slot: Slot,
    pub(crate) doorbell: OwnedFd,
    pub(crate) process: Process,
    pub(crate) membership: Membership,
}

/// A worker that was ordered.
struct Ordered {
    slot: Slot,
    doorbell: OwnedFd,
}

pub(crate) struct Pool {
    idle_target: usize,
    free: Vec<Slot>,
    ordered: Vec<Ordered>,
    idle: VecDeque<Idle>,
    line: Option<Line>,
    fences: Fences,
}

impl Pool {
    pub(crate) fn new(idle_target: usize, free: Vec<Slot>) -> Self {
        let (ordered, idle) = (Vec::new(), VecDeque::new());
        Self { idle_target, free, ordered, idle, line: None, fences: Fences::new() }
    }

    /// Orders go to this template from now on.
    pub(crate) fn attach(&mut self, line: Line, fences: Fences) {
        self.line = Some(line);
        self.fences = fences;
        self.refill();
    }

    /// The template is gone: what it was ordered will not come.
    pub(crate) fn detach(&mut self) {
        self.line = None;
        self.free.extend(self.ordered.drain(..).map(|ordered| ordered.slot));
    }

    pub(crate) fn fences(&self) -> &Fences {
        &self.fences
    }

    /// Orders workers until as many wait or are on their way as should. Never waits.
    pub(crate) fn refill(&mut self) {
        let Some(line) = &self.line else { return };
        while self.idle.len() + self.ordered.len() < self.idle_target {
            let Some(slot) = self.free.pop() else { return };
            match order(line, &slot) {
                Some(doorbell) => self.ordered.push(Ordered { slot, doorbell }),
                // The way is full, or the host is out of descriptors; the next worker that comes
                // or goes tries again.
                None => return self.free.push(slot),
            }
        }
    }

    /// Orders only if fewer than half of the workers are left, so that forking does not compete
    /// with a run that has just begun.
    pub(crate) fn refill_if_low(&mut self) {
        if (self.idle.len() + self.ordered.len()) * 2 < self.idle_target {
            self.refill();
        }
    }

    /// A worker has come. `false` if none was ordered for its slot.
    pub(crate) fn came(&mut self, slot: u32, pidfd: OwnedFd) -> bool {
        let place = self.ordered.iter().position(|ordered| ordered.slot.index() == slot);
        let (Some(place), Some(line)) = (place, &self.line) else { return false };
        let Ordered { slot, doorbell } = self.ordered.swap_remove(place);
        let Ok(process) = Process::new(pidfd) else {
            // Its doorbell closes, and it ends; it stays a zombie, which holds nothing.
            self.free.push(slot);
            return false;
        };
        let membership = line.membership.clone();
        self.idle.push_back(Idle { slot, doorbell, process, membership });
        // There is room on the way again, if it was full.
        self.refill();
        true
    }

    /// An ordered worker will not come.
    pub(crate) fn did_not_come(&mut self, slot: u32) {
        if let Some(place) = self.ordered.iter().position(|ordered| ordered.slot.index() == slot) {
            self.free.push(self.ordered.swap_remove(place).slot);
        }
    }

    pub(crate) fn take(&mut self) -> Option<Idle> {
        self.idle.pop_front()
    }

    pub(crate) fn give_back(&mut self, slot: Slot) {
        self.free.push(slot);
        self.refill();
    }

    /// Stops ordering, and takes all workers that wait.
    pub(crate) fn close(&mut self) -> Vec<Idle> {
        self.detach();
        self.idle.drain(..).collect()
    }

    pub(crate) fn idle_count(&self) -> usize {
        self.idle.len()
    }
}

fn order(line: &Line, slot: &Slot) -> Option<OwnedFd> {
    let (doorbell, theirs) = channel::pair().ok()?;
    let spare = Duration::from_secs(PROCESSOR_SECONDS_SPARE);
    let order = Order { slot: slot.index(), processor_seconds: (WALL_MAX + spare).as_secs() };
    let descriptors = [theirs.as_fd(), slot.secret_file(), slot.exchange_file()];
    line.order(&order, &descriptors).ok()?;
    Some(doorbell)
}
