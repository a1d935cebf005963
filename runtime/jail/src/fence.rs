//! Fences: what the jail is made of, and whether each part stands on this host.

use rustix::io::Errno;
use serde::{Deserialize, Serialize};

/// One thing that keeps a worker in, or others out of it.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
pub enum Fence {
    /// No descriptor of the process that started this one is open.
    ClosedDescriptors,
    /// The worker's user exists in a namespace of its own, where its rights end.
    UserNamespace,
    /// Mounts of the host are not there.
    MountNamespace,
    /// There is no network interface that is up, and no route.
    NetNamespace,
    /// Other processes of the host have no number here.
    PidNamespace,
    /// No System V objects or POSIX queues of the host.
    IpcNamespace,
    /// The host's name is not there.
    UtsNamespace,
    /// The file system is an empty directory that cannot be written.
    EmptyRoot,
    /// The worker's user is not root, inside or outside.
    UnprivilegedUser,
    /// Each worker has a user of its own, so that workers have no right on one another.
    OwnUser,
    /// `execve` can add no right.
    NoNewPrivileges,
    /// `RLIMIT_*` bounds on descriptors, files, processes and processor time.
    ResourceLimits,
    /// A crash writes no core file.
    NoCoreDump,
    /// Others of the same user can neither trace the worker nor read its memory.
    NotDumpable,
    /// Nothing of it can be written to swap: the host has none, or the process's memory is locked.
    LockedMemory,
    /// What others can read of the process's command line is empty and stays so.
    BareArguments,
    /// The processor does not guess past unfinished stores while a worker runs.
    StoreBypassOff,
    /// The processor's guesses of where a jump leads are not shared with a worker's.
    IndirectBranchOff,
    /// The first-level data cache is flushed when a worker leaves the processor.
    CacheFlush,
    /// Nobody else's thread is on a hardware thread of the core that a worker is on.
    CoreScheduled,
    /// All capability sets are empty.
    Capabilities,
    /// No right on any file, port, abstract socket or foreign process.
    Landlock {
        /// The Landlock version that holds; 0 when missing.
        abi: u8,
    },
    /// Only the system calls that a run needs; any other ends the process.
    Seccomp,
    /// After a job was handed over, no descriptor is open and none can come into being.
    NoDescriptors,
    /// Pages of code can neither be unmapped, moved nor changed (`mseal`).
    SealedCode,
    /// After the task's code is mapped, no further memory can become executable.
    NoExecGain,
    /// Keys lie in pages that the kernel itself has unmapped (`memfd_secret`).
    SecretMemory,
}

impl Fence {
    /// Every fence.
    pub const ALL: [Self; 27] = [
        Self::ClosedDescriptors,
        Self::UserNamespace,
        Self::MountNamespace,
        Self::NetNamespace,
        Self::PidNamespace,
        Self::IpcNamespace,
        Self::UtsNamespace,
        Self::EmptyRoot,
        Self::UnprivilegedUser,
        Self::OwnUser,
        Self::NoNewPrivileges,
        Self::ResourceLimits,
        Self::NoCoreDump,
        Self::NotDumpable,
        Self::LockedMemory,
        Self::BareArguments,
        Self::StoreBypassOff,
        Self::IndirectBranchOff,
        Self::CacheFlush,
        Self::CoreScheduled,
        Self::Capabilities,
        Self::Landlock { abi: 0 },
        Self::Seccomp,
        Self::NoDescriptors,
        Self::SealedCode,
        Self::NoExecGain,
        Self::SecretMemory,
    ];
}

/// Whether a fence stands.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
pub enum State {
    /// It stands.
    On,
    /// It does not.
    Missing {
        /// What stood in the way.
        why: Why,
    },
}

/// Why a fence is missing.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Serialize, Deserialize, thiserror::Error)]
pub enum Why {
    /// The kernel does not have it, or has it switched off.
    #[error("the kernel does not offer it")]
    NotSupported,
    /// This user may not, or a container's rules forbid it.
    #[error("the host does not permit it to this user")]
    NotPermitted,
    /// A count or size limit of the host was reached.
    #[error("a limit of the host was reached")]
    LimitReached,
    /// What it builds on is missing.
    #[error("a fence it builds on is missing")]
    BuildsOnMissing,
    /// It was tried and failed in an unforeseen way.
    #[error("it failed in an unforeseen way")]
    Failed,
}

impl From<Errno> for Why {
    fn from(errno: Errno) -> Self {
        match errno {
            Errno::NOSYS | Errno::INVAL | Errno::OPNOTSUPP | Errno::NODEV => Why::NotSupported,
            Errno::PERM | Errno::ACCESS | Errno::ROFS => Why::NotPermitted,
            Errno::NOSPC | Errno::USERS | Errno::MFILE | Errno::NFILE => Why::LimitReached,
            Errno::NOMEM | Errno::AGAIN => Why::LimitReached,
            _ => Why::Failed,
        }
    }
}

/// The fences that were tried, in the order in which they were built.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct Fences(Vec<(Fence, State)>);

impl Fences {
    /// No fence yet.
    pub const fn new() -> Self {
        Self(Vec::new())
    }

    /// Notes what became of `fence`, and tells whether it stands.
    pub fn note(&mut self, fence: Fence, tried: Result<(), Errno>) -> State {
        let state = match tried {
            Ok(()) => State::On,
            Err(errno) => State::Missing { why: errno.into() },
        };
        self.set(fence, state);
        state
    }

    /// Notes the state of `fence`, in place of an earlier note of the same fence.
    pub fn set(&mut self, fence: Fence, state: State) {
        self.0
            .retain(|(known, _)| core::mem::discriminant(known) != core::mem::discriminant(&fence));
        self.0.push((fence, state));
    }

    /// All of them.
    pub fn list(&self) -> &[(Fence, State)] {
        &self.0
    }

    /// Whether `fence` stands; a fence never tried does not. Landlock counts at any version.
    pub fn stands(&self, fence: Fence) -> bool {
        let same =
            |known: &Fence| core::mem::discriminant(known) == core::mem::discriminant(&fence);
        self.0.iter().any(|(known, state)| same(known) && *state == State::On)
    }
}

#[cfg(test)]
mod fences {
    use super::*;

    #[test]
    fn are_missing_until_noted() {
        let mut fences = Fences::new();
        assert!(!fences.stands(Fence::Seccomp));
        fences.note(Fence::Seccomp, Err(Errno::NOSYS));
        assert_eq!(fences.list(), [(Fence::Seccomp, State::Missing { why: Why::NotSupported })]);
        fences.note(Fence::Seccomp, Ok(()));
        assert_eq!(fences.list(), [(Fence::Seccomp, State::On)]);
    }

    #[test]
    fn of_landlock_stand_at_any_version() {
        let mut fences = Fences::new();
        fences.set(Fence::Landlock { abi: 4 }, State::On);
        assert!(fences.stands(Fence::Landlock { abi: 0 }));
    }
}
