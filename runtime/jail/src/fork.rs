//! Forking siblings: children that belong to the supervisor.

use std::os::fd::{FromRawFd, OwnedFd, RawFd};

use rustix::fs::{CWD, Dir, Mode, OFlags, openat};
use rustix::io::Errno;
use rustix::pipe::{PipeFlags, pipe_with};
use rustix::process::{Pid, Signal, WaitId, WaitIdOptions, waitid};

use crate::process::{EXIT_BY_SIGNAL, check, exit_now};

/// The exit status of a process whose other half is gone.
const EXIT_ORPHANED: i32 = 72;

/// The only flags with which a jailed process may be forked. `CLONE_PARENT`: the child's parent is
/// ours, the supervisor, which alone can then wait for it and learn how it ended.
pub(crate) const SIBLING_FLAGS: u64 =
    (libc::CLONE_PARENT | libc::CLONE_PIDFD | libc::SIGCHLD) as u64;

/// Proof that this process has one thread, and so may fork and go on.
pub(crate) struct Alone(());

/// Why a process has no such proof.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum NotAlone {
    /// It has more.
    Many,
    /// Nobody says how many it has.
    Unknown,
}

impl Alone {
    /// Asks the kernel whether this process has one thread.
    pub(crate) fn check() -> Result<Self, NotAlone> {
        // Source: unshare(2): CLONE_THREAD has no effect on a process of one thread, and fails
        // with EINVAL for any other. It needs no /proc.
        // SAFETY: takes only a number.
        match check(unsafe { libc::unshare(libc::CLONE_THREAD) }) {
            Ok(_) => Ok(Self(())),
            Err(Errno::INVAL) => Err(NotAlone::Many),
            // The rules of the usual containers refuse the call whatever it is asked for. The
            // namespaces will then be missing too, which is said of each; it is no reason to have
            // no jail at all.
            Err(_) => match threads() {
                Ok(1) => Ok(Self(())),
                Ok(_) => Err(NotAlone::Many),
                Err(_) => Err(NotAlone::Unknown),
            },
        }
    }
}

/// How many threads this process has.
fn threads() -> Result<usize, Errno> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let folder = openat(CWD, "/proc/self/task", flags, Mode::empty())?;
    let mut count = 0;
    for entry in Dir::read_from(&folder)? {
        // One entry a thread, besides the two that every folder has.
        count += usize::from(!entry?.file_name().to_bytes().starts_with(b"."));
    }
    Ok(count)
}

/// Which of the two processes this is, after a fork.
pub enum Side {
    /// The one that forked, with the descriptor of the other's process.
    Forker {
        /// Becomes readable when the process ends; signals sent through it reach no other.
        pidfd: OwnedFd,
    },
    /// The new one.
    Sibling,
}

/// Forks a child of our parent.
pub(crate) fn sibling(_alone: &Alone) -> Result<Side, Errno> {
    let mut pidfd: RawFd = -1;
    // SAFETY: without CLONE_VM and with a null stack this is `fork`; the process has one thread, so
    // no lock is held by a thread that the child lacks. `pidfd` is valid for the kernel's write.
    let pid =
        check(unsafe { libc::syscall(libc::SYS_clone, SIBLING_FLAGS, 0, &raw mut pidfd, 0, 0) })?;
    if pid == 0 {
        return Ok(Side::Sibling);
    }
    // SAFETY: the kernel has just made this descriptor for us.
    Ok(Side::Forker { pidfd: unsafe { OwnedFd::from_raw_fd(pidfd) } })
}

/// Forks a child of our own: `None` in the child, its number in this process.
pub(crate) fn child(_alone: &Alone) -> Result<Option<Pid>, Errno> {
    let flags = u64::from(libc::SIGCHLD.cast_unsigned());
    // SAFETY: as for `sibling`; every pointer among the arguments is null.
    let pid = check(unsafe { libc::syscall(libc::SYS_clone, flags, 0, 0, 0, 0) })?;
    Ok(i32::try_from(pid).ok().and_then(Pid::from_raw))
}

/// Goes on in a child, which is the first process of the PID namespace if one was entered. This
/// process waits for it and ends as it does: with its status, or with 128 and the number of the
/// signal that ended it. If this process is killed, the child is.
pub(crate) fn descend(alone: &Alone, settle: impl FnOnce()) -> Result<(), Errno> {
    let (lifeline, ours) = pipe_with(PipeFlags::CLOEXEC | PipeFlags::NONBLOCK)?;
    let Some(process) = child(alone)? else {
        drop(ours);
        rustix::process::set_parent_process_death_signal(Some(Signal::KILL))?;
        // The other process may have been killed before we asked to be told.
        return match rustix::io::read(&lifeline, &mut [0]) {
            Err(Errno::AGAIN) => Ok(()),
            _ => exit_now(EXIT_ORPHANED),
        };
    };
    settle();
    loop {
        match waitid(WaitId::Pid(process), WaitIdOptions::EXITED) {
            Err(Errno::INTR) => {}
            Ok(Some(status)) => exit_now(match status.terminating_signal() {
                Some(signal) => EXIT_BY_SIGNAL + signal,
                None => status.exit_status().unwrap_or(EXIT_ORPHANED),
            }),
            Ok(None) | Err(_) => exit_now(EXIT_ORPHANED),
        }
    }
}

#[cfg(test)]
mod a_process {
    use super::*;

    #[test]
    fn that_runs_tests_is_not_alone() {
        // The harness has a thread of its own besides this one.
        std::thread::spawn(|| {
            assert_eq!(Alone::check().err(), Some(NotAlone::Many));
            assert!(threads().unwrap() > 1);
        })
        .join()
        .unwrap();
    }
}
