//! A process of ours, seen from outside: its end is observed, and it is ended, through its pidfd.

use std::os::fd::{AsFd, OwnedFd};

use rustix::io::Errno;
use rustix::process::{Signal, WaitId, WaitIdOptions, pidfd_send_signal, waitid};
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
