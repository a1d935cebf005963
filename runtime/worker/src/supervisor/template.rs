//! One template's life, seen from the supervisor.

use std::convert::Infallible;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::process::CommandExt;
use std::process::{Command, Stdio};
use std::sync::Arc;

use notrace_runtime_jail::Fences;
use rustix::io::Errno;
use rustix::net::{RecvFlags, SendFlags};
use rustix::process::{Pid, PidfdFlags, WaitId, WaitIdOptions, pidfd_open, waitid};
use tokio::io::unix::AsyncFd;
use tokio::sync::mpsc;
use tokio::time::timeout;

use super::SupervisorConfig;
use super::process::{Process, watch};
use crate::channel::{self, FromTemplate, NotReceived, Order, exactly};
use crate::limits::{GRACE, STRAY_PAUSE, STRAY_TRIES_MAX, TEMPLATE_START};

/// Why no template could be started.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum StartError {
    /// The binary could not be executed, or sockets could not be made.
    #[error("the worker binary could not be started")]
    NotStarted,
    /// It started and ended, or said something else than it should.
    #[error("the worker template ended before it was ready")]
    EndedEarly,
    /// It took too long.
    #[error("the worker template was not ready in time")]
    TooSlow,
    /// The slots' memory could not be had.
    #[error("there is no memory for the workers' slots")]
    NoMemory,
    /// The configuration asks for no workers, or for too many.
    #[error("the number of workers is zero or too large")]
    BadConfig,
}

/// Shows that a worker of some template still exists.
pub(crate) type Membership = mpsc::Sender<Infallible>;

/// The way to a template: where orders go.
#[derive(Clone)]
pub(crate) struct Line {
    control: Arc<AsyncFd<OwnedFd>>,
    pub(crate) membership: Membership,
}

impl Line {
    /// Orders a worker. Never waits.
    pub(crate) fn order(
        &self,
        order: &Order,
        descriptors: &[std::os::fd::BorrowedFd<'_>],
    ) -> Result<(), Errno> {
        channel::send(self.control.get_ref(), order, descriptors, SendFlags::DONTWAIT)
    }
}

/// What remains of a template once orders end: processes that must be seen off.
pub(crate) struct Template {
    pub(crate) line: Line,
    pub(crate) fences: Fences,
    processes: Vec<Process>,
    init: Option<Process>,
    lifeline: OwnedFd,
    members: mpsc::Receiver<Infallible>,
    group: Pid,
}

impl Template {
    /// Executes the binary and waits until its template is jailed.
    pub(crate) async fn start(config: &SupervisorConfig) -> Result<Self, StartError> {
        let not_started = |_| StartError::NotStarted;
        let (control, theirs) = channel::pair().map_err(not_started)?;
        let (lifeline, life_theirs) = channel::pair().map_err(not_started)?;
        let (launcher, group) = launch(config, theirs, life_theirs)?;
        let control = watch(control).map_err(not_started)?;
        let (membership, members) = mpsc::channel(1);
        let line = Line { control: Arc::new(control), membership };
        let mut template = Self {
            line,
            fences: Fences::new(),
            processes: vec![],
            init: None,
            lifeline,
            members,
            group,
        };
        let greeted = timeout(TEMPLATE_START, template.greet()).await;
        let greeted = greeted.unwrap_or(Err(StartError::TooSlow));
        // The launcher ends by itself after it forked the others, whom it is not the parent of.
        launcher.kill();
        launcher.ended().await;
        launcher.reap();
        match greeted {
            Ok(()) => Ok(template),
            Err(error) => {
                template.see_off().await;
                Err(error)
            }
        }
    }

    async fn greet(&mut self) -> Result<(), StartError> {
        loop {
            let (message, fds) = self.next().await.map_err(|_| StartError::EndedEarly)?;
            let process = |fds: Vec<OwnedFd>| {
                let [pidfd] = exactly(fds).map_err(|_| StartError::EndedEarly)?;
                Process::new(pidfd).map_err(|_| StartError::NotStarted)
            };
            match message {
                FromTemplate::Init => self.init = Some(process(fds)?),
                FromTemplate::Template => self.processes.push(process(fds)?),
                FromTemplate::Ready { fences } => {
                    self.fences = fences;
                    return Ok(());
                }
                FromTemplate::Forked { .. } | FromTemplate::NotForked { .. } => {
                    return Err(StartError::EndedEarly);
                }
            }
        }
    }

    /// The next message.
    ///
    /// # Cancel  No message is lost.
    pub(crate) async fn next(&self) -> Result<(FromTemplate, Vec<OwnedFd>), NotReceived> {
        loop {
            let mut ready = self.line.control.readable().await.map_err(|_| NotReceived::Failed)?;
            match channel::receive(self.line.control.get_ref().as_fd(), RecvFlags::DONTWAIT) {
                Err(NotReceived::NotYet) => ready.clear_ready(),
                other => return other,
            }
        }
    }

    /// Lets the template end, waits until its last worker is scrubbed, then ends the namespace.
    /// Returns when all of its processes are out of the kernel's table.
    pub(crate) async fn see_off(self) {
        let Self { line, processes, init, lifeline, mut members, group, .. } = self;
        // It reads the end of its orders, and ends after the one it is at. Killing it at once
        // could hit it between forking a worker and telling us of it.
        let _ = rustix::net::shutdown(line.control.get_ref(), rustix::net::Shutdown::Write);
        for process in &processes {
            if timeout(GRACE, process.ended()).await.is_err() {
                process.kill();
                process.ended().await;
            }
            process.reap();
        }
        drop(line);
        // Every worker holds a membership until it is scrubbed; nothing is ever sent.
        while members.recv().await.is_some() {}
        drop(lifeline);
        // The namespace ends only when each of its processes was waited for, and there may be
        // workers we never heard of: those whose template was killed, or not listened to any more.
        // They end with the namespace, or by themselves because their doorbell is closed.
        if let Some(init) = &init {
            init.kill();
        }
        for _ in 0..STRAY_TRIES_MAX {
            let strays = reap_strays(group);
            let ended = match &init {
                Some(init) => timeout(STRAY_PAUSE, init.ended()).await.is_ok(),
                None => true,
            };
            match strays {
                Strays::None if ended => break,
                _ => tokio::time::sleep(STRAY_PAUSE).await,
            }
        }
        if let Some(init) = &init {
            init.reap();
        }
    }
}

/// Whether processes of a group are left that will have to be waited for.
enum Strays {
    None,
    Some,
}

/// Waits for those of the template's process group that nobody else will wait for.
fn reap_strays(group: Pid) -> Strays {
    loop {
        match waitid(WaitId::Pgid(Some(group)), WaitIdOptions::EXITED | WaitIdOptions::NOHANG) {
            Ok(Some(_)) => {}
            Ok(None) => return Strays::Some,
            // No child of ours is in the group.
            Err(_) => return Strays::None,
        }
    }
}

/// Starts the binary with nothing of ours but the two sockets.
fn launch(
    config: &SupervisorConfig,
    control: OwnedFd,
    lifeline: OwnedFd,
) -> Result<(Process, Pid), StartError> {
    let mut command = Command::new(&config.exe);
    let command = command.arg0("notrace").arg("worker").env_clear();
    #[cfg(feature = "planted-leaks")]
    crate::leak::pass_on(command);
    let child = command
        .current_dir("/")
        .stdin(Stdio::from(control))
        .stdout(Stdio::from(lifeline))
        .stderr(Stdio::null())
        // A group of its own: strays can be waited for, and a terminal's ^C does not reach it.
        .process_group(0)
        .spawn()
        .map_err(|_| StartError::NotStarted)?;
    open_child(&child).ok_or(StartError::NotStarted)
}

/// The child as a process of ours. It has not been waited for, so its number is still its own.
pub(crate) fn open_child(child: &std::process::Child) -> Option<(Process, Pid)> {
    let pid = Pid::from_raw(i32::try_from(child.id()).ok()?)?;
    let pidfd = pidfd_open(pid, PidfdFlags::empty()).ok()?;
    Some((Process::new(pidfd).ok()?, pid))
}
