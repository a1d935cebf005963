//! The cell: the order in which a process of ours is shut in.

use std::os::fd::{AsRawFd, OwnedFd};

use rustix::io::Errno;

use crate::fence::{Fence, Fences};
use crate::fork::{Alone, NotAlone, Side, sibling};
use crate::seccomp::{Role, install};
use crate::{namespaces, privileges, process};

/// A process on its way into the jail. It was started with two descriptors of ours, as standard
/// input and output, and holds nothing of anybody.
pub struct Cell {
    alone: Alone,
    fences: Fences,
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
        process::exit_on_panic();
        process::close_from(2).map_err(|_| NotJailable::Descriptors)?;
        let alone = Alone::check().map_err(|why| match why {
            NotAlone::Many => NotJailable::ManyThreads,
            NotAlone::Unknown => NotJailable::Uncounted,
        })?;
        let cell = Self { alone, fences: Fences::new() };
        Ok((cell, process::inherited(0), process::inherited(1)))
    }

    /// Enters the namespaces and the empty root, becomes an unprivileged user, gives up all
    /// privileges and every right on files, ports and processes, and closes itself to others.
    pub fn separate(&mut self, file_bytes_max: u64, processor_seconds: Option<u64>) {
        let fences = &mut self.fences;
        fences.note(Fence::NoNewPrivileges, privileges::no_new_privileges());
        namespaces::enter(fences);
        fences.note(Fence::Capabilities, privileges::drop_capabilities());
        process::close_to_others(fences);
        let limited = process::limit_resources(file_bytes_max, processor_seconds);
        fences.note(Fence::ResourceLimits, limited);
        privileges::landlock(fences);
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

    /// Becomes the template: only forking, receiving orders and answering them remain possible.
    pub fn settle_as_template(&mut self) {
        self.fences.note(Fence::NoExecGain, privileges::can_refuse_exec_gain());
        self.filter(Role::Template);
    }

    /// Becomes a compiler: no memory becomes executable, nothing is opened.
    pub fn settle_as_compiler(&mut self) {
        let _ = process::limit_processes_to_this();
        self.fences.note(Fence::NoExecGain, privileges::no_exec_gain());
        self.filter(Role::Compiler);
    }

    /// Becomes a worker, whose only descriptor is `doorbell`: no fork, no other socket, and at most
    /// `processor_seconds` of work. Done in the fresh fork, before it holds anything.
    pub fn settle_as_worker(mut self, doorbell: &OwnedFd, processor_seconds: u64) -> Worker {
        let closed = self.keep_only(doorbell);
        let bounded = process::limit_processor(processor_seconds);
        let single = process::limit_processes_to_this();
        self.filter(Role::Worker);
        let sealed = self.fences.stands(Fence::Seccomp) && closed.and(bounded).and(single).is_ok();
        Worker { exec_gain: self.fences.stands(Fence::NoExecGain), whole: sealed }
    }

    fn filter(&mut self, role: Role) {
        self.fences.note(Fence::Seccomp, install(role));
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
    exec_gain: bool,
    whole: bool,
}

impl Worker {
    /// Whether every step of settling worked; the template's fences say what to expect of them.
    pub fn is_whole(&self) -> bool {
        self.whole
    }

    /// From here on no memory can become executable. Called once the task's code is mapped.
    ///
    /// # Errors  What the kernel said, where the kernel has this fence at all.
    pub fn freeze_code(&self) -> Result<(), Errno> {
        if self.exec_gain { privileges::no_exec_gain() } else { Ok(()) }
    }
}
