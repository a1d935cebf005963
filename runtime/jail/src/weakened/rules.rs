//! Counting: which rules of the filters a whole suite uses.
//!
//! Under [`Plan::accounted`](crate::Plan::accounted) a filter reports each call that it lets pass
//! to a tracer, with the rule's place. A rule that no run ever uses is a hole for nothing.

use std::collections::BTreeMap;
use std::io::Error;
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::process::{Command, ExitStatus};

use libc::{c_int, c_long, pid_t};

use crate::calls::{Role, Verdict};
use crate::seccomp::told;

const ROLES: [Role; 5] = [Role::Init, Role::Template, Role::Worker, Role::Compiler, Role::Waiter];

/// How often each rule was used.
#[derive(Default)]
pub struct Uses(BTreeMap<u32, u64>);

/// A rule, as a failing test shows it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Unused {
    /// Whose rule.
    pub role: String,
    /// The number of the call, on this architecture.
    pub call: c_long,
    /// What may be done with it.
    pub verdict: String,
}

impl Uses {
    /// Runs `command` and all that it starts under a tracer, adds what they used, and tells how the
    /// first of them ended.
    ///
    /// # Errors  What the kernel said.
    pub fn add(&mut self, command: &mut Command) -> Result<ExitStatus, Error> {
        // SAFETY: a call that takes only numbers, between fork and exec.
        let traced = || check(unsafe { libc::ptrace(libc::PTRACE_TRACEME, 0, 0, 0) }).map(drop);
        // SAFETY: `traced` makes one system call and allocates nothing.
        let child = unsafe { command.pre_exec(traced) }.spawn()?;
        let mut ended = None;
        let first = pid_t::try_from(child.id()).map_err(Error::other)?;
        wait(first)?;
        // SAFETY: takes only numbers.
        check(unsafe { libc::ptrace(libc::PTRACE_SETOPTIONS, first, 0, OPTIONS) })?;
        go_on(first, 0);
        loop {
            match wait(-1) {
                Ok((process, status)) if libc::WIFSTOPPED(status) => self.stopped(process, status),
                Ok((process, status)) if process == first => {
                    ended = Some(status);
                }
                Ok(_) => {}
                Err(error) => return ended.map(ExitStatus::from_raw).ok_or(error),
            }
        }
    }

    fn stopped(&mut self, process: pid_t, status: c_int) {
        let signal = libc::WSTOPSIG(status);
        match status >> 16 {
            libc::PTRACE_EVENT_SECCOMP => {
                let mut rule: libc::c_ulong = 0;
                // SAFETY: the kernel writes one word, which `rule` is.
                unsafe { libc::ptrace(libc::PTRACE_GETEVENTMSG, process, 0, &raw mut rule) };
                let rule = u32::try_from(rule).unwrap_or(u32::MAX);
                *self.0.entry(rule).or_default() += 1;
                if is_refused(rule) {
                    refuse(process);
                }
                go_on(process, 0);
            }
            // Let go at its end, so that its parent finds it where it expects to, and at once.
            libc::PTRACE_EVENT_EXIT => {
                // SAFETY: takes only numbers.
                unsafe { libc::ptrace(libc::PTRACE_DETACH, process, 0, 0) };
            }
            // An event of the tracer's own, or a stop because the tracer was attached.
            0 if signal == libc::SIGSTOP => go_on(process, 0),
            0 => go_on(process, signal),
            _ => go_on(process, 0),
        }
    }

    /// The rules that were never used.
    pub fn unused(&self) -> Vec<Unused> {
        let all = ROLES.into_iter().flat_map(|role| {
            role.rules().into_iter().enumerate().map(move |(place, rule)| (role, place, rule))
        });
        let unused = all.filter(|(role, place, (call, _))| {
            // A template's filter lets through what its workers need; theirs is asked first.
            let for_workers = *role == Role::Template
                && Role::Worker.rules().iter().any(|(known, _)| known == call);
            !for_workers && !self.0.contains_key(&told(*role, *place))
        });
        unused
            .map(|(role, _, (call, verdict))| Unused {
                role: format!("{role:?}"),
                call,
                verdict: format!("{verdict:?}"),
            })
            .collect()
    }
}

const OPTIONS: c_int = libc::PTRACE_O_TRACESECCOMP
    | libc::PTRACE_O_TRACEFORK
    | libc::PTRACE_O_TRACEVFORK
    | libc::PTRACE_O_TRACECLONE
    | libc::PTRACE_O_TRACEEXEC
    | libc::PTRACE_O_TRACEEXIT
    | libc::PTRACE_O_EXITKILL;

fn is_refused(rule: u32) -> bool {
    let role = ROLES.into_iter().find(|role| told(*role, 0) == rule & !0xFF);
    let place = (rule & 0xFF) as usize;
    role.and_then(|role| role.rules().get(place).copied())
        .is_some_and(|(_, verdict)| matches!(verdict, Verdict::Refuse))
}

/// Has the call answered as the filter itself would have.
#[cfg(target_arch = "x86_64")]
fn refuse(process: pid_t) {
    let eperm = -i64::from(libc::EPERM);
    for (register, value) in [(libc::ORIG_RAX, -1), (libc::RAX, eperm)] {
        let offset = register as usize * size_of::<c_long>();
        // SAFETY: writes one register of a stopped process that is not this one.
        unsafe { libc::ptrace(libc::PTRACE_POKEUSER, process, offset, value) };
    }
}

/// Elsewhere the call is made: it is one that does nothing of weight.
#[cfg(not(target_arch = "x86_64"))]
fn refuse(_process: pid_t) {}

fn go_on(process: pid_t, signal: c_int) {
    // The process may have been killed meanwhile; then it is heard of again as one that ended.
    // SAFETY: takes only numbers.
    unsafe { libc::ptrace(libc::PTRACE_CONT, process, 0, signal) };
}

fn wait(process: pid_t) -> Result<(pid_t, c_int), Error> {
    let mut status = 0;
    // SAFETY: the kernel writes one number, which `status` is.
    let process = check(unsafe { libc::waitpid(process, &raw mut status, libc::__WALL) } as i64)?;
    Ok((pid_t::try_from(process).map_err(Error::other)?, status))
}

fn check(value: i64) -> Result<i64, Error> {
    if value == -1 { Err(Error::last_os_error()) } else { Ok(value) }
}
