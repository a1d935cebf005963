//! The cell: the order in which a process of ours is shut in.

use core::ops::Range;
use std::os::fd::{AsRawFd, OwnedFd};

use rustix::io::Errno;

use crate::calls::Role;
use crate::fence::{Fence, Fences, State};
use crate::fork::{Alone, NotAlone, Side, descend, sibling};
use crate::namespaces::Users;
use crate::plan::Plan;
use crate::seccomp::install;
use crate::{arguments, code, memory, namespaces, privileges, process, speculation, swap};

/// A process on its way into the jail. It was started with two descriptors of ours, as standard
/// input and output, and holds nothing of anybody.
pub struct Cell {
    plan: Plan,
    alone: Alone,
    fences: Fences,
    /// Whether the host may write memory to a disk.
    swaps: bool,
}

/// Why a process cannot be jailed.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum NotJailable {
    /// Another thread would stay outside.
    #[error("the process has more than one thread")]
    ManyThreads,
    /// The host refuses `unshare` and has no `/proc`, so nobody says how many threads there are.
    #[error("nothing says how many threads the process has; allow `unshare`, or mount /proc")]
    Uncounted,
    /// Descriptors could not be closed.
    #[error("descriptors could not be closed")]
    Descriptors,
}

impl Cell {
    /// Closes all descriptors but the first two, which it returns, and lets panics end the process
    /// in silence. Call it once, first in `main`.
    ///
    /// # Errors  [`NotJailable`]; the process should then end.
    pub fn begin() -> Result<(Self, OwnedFd, OwnedFd), NotJailable> {
        Self::planned(Plan::WHOLE)
    }

    /// The same with fences left out.
    ///
    /// # Errors  As [`Cell::begin`].
    #[cfg(feature = "weaken")]
    pub fn begin_weakened(plan: Plan) -> Result<(Self, OwnedFd, OwnedFd), NotJailable> {
        Self::planned(plan)
    }

    fn planned(plan: Plan) -> Result<(Self, OwnedFd, OwnedFd), NotJailable> {
        let mut fences = Fences::new();
        process::exit_on_panic();
        if plan.keeps(Fence::ClosedDescriptors) {
            process::close_from(2).map_err(|_| NotJailable::Descriptors)?;
            fences.set(Fence::ClosedDescriptors, State::On);
        }
        let alone = Alone::check().map_err(|why| match why {
            NotAlone::Many => NotJailable::ManyThreads,
            NotAlone::Unknown => NotJailable::Uncounted,
        })?;
        let cell = Self { plan, alone, fences, swaps: false };
        Ok((cell, process::inherited(0), process::inherited(1)))
    }

    /// Enters the namespaces and the empty root, becomes an unprivileged user, gives up all
    /// privileges and every right on files, ports and processes, and closes itself to others.
    pub fn separate(&mut self, users: Users, file_bytes_max: u64, processor_seconds: Option<u64>) {
        let (plan, fences) = (self.plan, &mut self.fences);
        if plan.keeps(Fence::NoNewPrivileges) {
            fences.note(Fence::NoNewPrivileges, privileges::no_new_privileges());
        }
        if plan.keeps(Fence::BareArguments) {
            fences.note(Fence::BareArguments, arguments::bare());
        }
        speculation::restrict(plan, fences);
        // Both need what is not there any more inside.
        self.swaps = swap::is_there(plan);
        if self.swaps && plan.keeps(Fence::LockedMemory) {
            swap::lift_limit();
        }
        namespaces::enter(plan, users, &self.alone, fences);
        if plan.keeps(Fence::Capabilities) {
            let switched = users == Users::Each && fences.stands(Fence::OwnUser);
            fences.note(Fence::Capabilities, privileges::drop_capabilities(switched));
        }
        process::close_to_others(plan, fences);
        if plan.keeps(Fence::ResourceLimits) {
            let limited = process::limit_resources(file_bytes_max, processor_seconds);
            fences.note(Fence::ResourceLimits, limited);
        }
        if plan.keeps(Fence::Landlock { abi: 0 }) {
            privileges::landlock(fences);
        }
    }

    /// Forks a child of our parent, into the PID namespace that was entered.
    ///
    /// # Errors  What the kernel said; there is no child then.
    pub fn fork(&self) -> Result<Side, Errno> {
        sibling(&self.alone)
    }

    /// The fences so far.
    pub fn fences(&self) -> &Fences {
        &self.fences
    }

    /// Becomes the first process of the PID namespace: waits until the other end of `lifeline` is
    /// closed, then ends, whereupon the kernel ends all others in the namespace.
    pub fn into_init(mut self, lifeline: OwnedFd) -> ! {
        let _ = self.keep_only(&lifeline);
        self.filter(Role::Init);
        let mut byte = [0];
        // Interrupted reads are tried again; anything else, an end of file included, is the end.
        while matches!(rustix::io::read(&lifeline, &mut byte), Err(Errno::INTR)) {}
        process::exit_now(0)
    }

    /// Goes on in a child, the first process of the PID namespace, for whom this process waits and
    /// as whom it ends: with its status, or [`process::EXIT_BY_SIGNAL`] and the signal's number.
    ///
    /// # Errors  What the kernel said; there is no child then.
    pub fn descend(&mut self) -> Result<(), Errno> {
        let plan = self.plan;
        descend(&self.alone, || {
            if plan.keeps(Fence::Seccomp) {
                let _ = install(Role::Waiter, plan);
            }
        })
    }

    /// Becomes the template: only forking, receiving orders and answering them remain possible.
    pub fn settle_as_template(&mut self) {
        memory::note_signal_stack();
        if self.plan.keeps(Fence::NoExecGain) {
            self.fences.note(Fence::NoExecGain, privileges::can_refuse_exec_gain());
        }
        self.seal_program();
        self.lock();
        if self.plan.keeps(Fence::NoDescriptors) {
            // Done by each worker; a kernel that bounds descriptors has it.
            self.fences.set(Fence::NoDescriptors, State::On);
        }
        self.filter(Role::Template);
    }

    /// Becomes a compiler: no memory becomes executable, nothing is opened.
    pub fn settle_as_compiler(&mut self) {
        if self.plan.keeps(Fence::ResourceLimits) {
            let _ = process::limit_processes_to_this();
        }
        if self.plan.keeps(Fence::NoExecGain) {
            self.fences.note(Fence::NoExecGain, privileges::no_exec_gain());
        }
        self.seal_program();
        self.lock();
        if self.plan.keeps(Fence::NoDescriptors) {
            self.fences.note(Fence::NoDescriptors, process::no_more_descriptors());
        }
        self.filter(Role::Compiler);
    }

    /// Becomes the worker of `slot`, whose only descriptor is `doorbell`: no fork, no other socket,
    /// and at most `processor_seconds` of work. Done in the fresh fork, before it holds anything.
    pub fn settle_as_worker(
        mut self,
        slot: u32,
        doorbell: &OwnedFd,
        processor_seconds: u64,
    ) -> Worker {
        let (plan, fences) = (self.plan, &self.fences);
        let stood = fences.stands(Fence::Seccomp);
        let mut whole = match plan.keeps(Fence::ClosedDescriptors) {
            true => self.keep_only(doorbell),
            false => Ok(()),
        };
        if fences.stands(Fence::OwnUser) {
            whole = whole.and_then(|()| namespaces::become_own_user(slot));
            if plan.keeps(Fence::Capabilities) {
                whole = whole.and_then(|()| privileges::drop_last_capabilities());
            }
        }
        if fences.stands(Fence::CoreScheduled) {
            whole = whole.and_then(|()| speculation::have_core_to_itself());
        }
        if self.swaps && fences.stands(Fence::LockedMemory) {
            whole = whole.and_then(|()| swap::lock_everything());
        }
        if plan.keeps(Fence::ResourceLimits) {
            whole = whole.and_then(|()| process::limit_processor(processor_seconds));
            whole = whole.and_then(|()| process::limit_processes_to_this());
            whole = whole.and_then(|()| process::limit_descriptors());
        }
        self.filter(Role::Worker);
        let whole = whole.is_ok() && self.fences.stands(Fence::Seccomp) == stood;
        Worker { fences: self.fences, whole }
    }

    fn seal_program(&mut self) {
        if self.plan.keeps(Fence::SealedCode) {
            let sealed = code::can_seal().and_then(|()| code::seal_program());
            self.fences.note(Fence::SealedCode, sealed);
        }
    }

    /// Locks the memory of this process, if it could be swapped. A template holds nothing of
    /// anybody; it does so to learn whether its workers will be able to.
    fn lock(&mut self) {
        if self.plan.keeps(Fence::LockedMemory) {
            let locked = if self.swaps { swap::lock_everything() } else { Ok(()) };
            self.fences.note(Fence::LockedMemory, locked);
        }
    }

    fn filter(&mut self, role: Role) {
        if self.plan.keeps(Fence::Seccomp) {
            self.fences.note(Fence::Seccomp, install(role, self.plan));
        }
    }

    fn keep_only(&self, kept: &OwnedFd) -> Result<(), Errno> {
        let kept = u32::try_from(kept.as_raw_fd()).map_err(|_| Errno::BADF)?;
        if let Some(before) = kept.checked_sub(1) {
            process::close_between(0, before)?;
        }
        process::close_from(kept.saturating_add(1))
    }
}

/// A settled worker.
pub struct Worker {
    fences: Fences,
    whole: bool,
}

impl Worker {
    /// Whether every step of settling worked that this host is able to. A worker that is not whole
    /// must end.
    pub fn is_whole(&self) -> bool {
        self.whole
    }

    /// From here on this process gets no descriptor any more. Called once it has its job.
    ///
    /// # Errors  What the kernel said.
    pub fn forgo_descriptors(&self) -> Result<(), Errno> {
        match self.fences.stands(Fence::NoDescriptors) {
            true => process::no_more_descriptors(),
            false => Ok(()),
        }
    }

    /// From here on `code` stays where and what it is, and no other memory can become executable.
    /// Called once the task's code is mapped.
    ///
    /// # Errors  What the kernel said, where the kernel has these fences at all.
    pub fn freeze_code(&self, code: Range<*const u8>) -> Result<(), Errno> {
        if self.fences.stands(Fence::SealedCode) {
            code::seal(code)?;
        }
        if self.fences.stands(Fence::NoExecGain) {
            privileges::no_exec_gain()?;
        }
        Ok(())
    }
}
