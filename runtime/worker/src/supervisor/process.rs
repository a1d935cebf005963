//! A process of ours, seen from outside: its end is observed, and it is ended, through its pidfd.

use std::os::fd::{AsFd, AsRawFd, OwnedFd};

use rustix::io::Errno;
use rustix::process::{Pid, Signal, WaitId, WaitIdOptions, pidfd_send_signal, waitid};
use rustix::thread::{CpuSet, sched_setaffinity};
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;

/// How a process ended.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Exit {
    /// By itself, with this status.
    Status(i32),
    /// By this signal.
    Signal(i32),
    /// The kernel did not tell: somebody else in this process waited for it.
    Unknown,
}

/// A child of this process.
pub(crate) struct Process {
    pidfd: AsyncFd<OwnedFd>,
}

impl Process {
    pub(crate) fn new(pidfd: OwnedFd) -> Result<Self, Errno> {
        watch(pidfd).map(|pidfd| Self { pidfd })
    }

    /// Lets it run on these processors alone. It cannot undo that: it has no such call.
    ///
    /// # Errors  [`Errno::SRCH`] if it has ended; otherwise what the kernel said.
    pub(crate) fn pin(&self, cpus: &CpuSet) -> Result<(), Errno> {
        sched_setaffinity(Some(self.pid()?), cpus)
    }

    /// Its number, which stays its own until it is [reaped](Process::reap).
    fn pid(&self) -> Result<Pid, Errno> {
        let path = format!("/proc/self/fdinfo/{}", self.pidfd.get_ref().as_raw_fd());
        let told = std::fs::read_to_string(path).map_err(|_| Errno::NOSYS)?;
        let number = told.lines().find_map(|line| line.strip_prefix("Pid:"));
        // -1 once it has been waited for, 0 for one of another namespace.
        let number = number.and_then(|number| number.trim().parse::<i32>().ok());
        number.filter(|number| *number > 0).and_then(Pid::from_raw).ok_or(Errno::SRCH)
    }

    /// Ends it now. Nothing happens to one that has ended.
    pub(crate) fn kill(&self) {
        let _ = pidfd_send_signal(self.pidfd.get_ref(), Signal::KILL);
    }

    /// Returns once it has ended: its memory is then unmapped.
    ///
    /// # Cancel  Nothing changes.
    pub(crate) async fn ended(&self) {
        // The only error is a runtime that shuts down, and then nobody waits any more.
        let _ = self.pidfd.readable().await;
    }

    /// Takes the ended process out of the kernel's table. `None` if it has not ended yet.
    pub(crate) fn reap(&self) -> Option<Exit> {
        let id = WaitId::PidFd(self.pidfd.get_ref().as_fd());
        match waitid(id, WaitIdOptions::EXITED | WaitIdOptions::NOHANG) {
            Ok(None) => None,
            Err(_) => Some(Exit::Unknown),
            Ok(Some(status)) => Some(match (status.exit_status(), status.terminating_signal()) {
                (Some(status), _) => Exit::Status(status),
                (None, Some(signal)) => Exit::Signal(signal),
                (None, None) => Exit::Unknown,
            }),
        }
    }
}

/// A descriptor whose readiness the runtime reports.
#[expect(
    deprecated,
    reason = "sound for an `OwnedFd`, which nobody else closes; the successor is an unsafe function"
)]
pub(crate) fn watch(fd: OwnedFd) -> Result<AsyncFd<OwnedFd>, Errno> {
    AsyncFd::with_interest(fd, Interest::READABLE).map_err(|_| Errno::MFILE)
}
