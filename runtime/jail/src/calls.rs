//! The system calls a process of ours may make, role by role; any other ends it.
//!
//! A list holds what its role was seen to need, in debug and release builds, and nothing for the
//! sake of caution: a rule that the whole suite never uses fails a test.

use libc::c_long;

use crate::fork::SIBLING_FLAGS;
use crate::swap::EVERYTHING;

/// What may be done with one system call.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Verdict {
    Allow,
    /// Not done, and answered with `EPERM`: for what libraries try on their way to giving up.
    Refuse,
    /// Allowed when the argument of this index is exactly this.
    AllowIf {
        argument: u32,
        is: u64,
    },
    /// Allowed when the argument of this index has none of these bits among its lower 32.
    AllowWithout {
        argument: u32,
        bits: u32,
    },
    /// Allowed unless the argument of this index has all of these bits among its lower 32.
    AllowWithoutBoth {
        argument: u32,
        bits: u32,
    },
}
use Verdict::{Allow, AllowIf, AllowWithout, AllowWithoutBoth, Refuse};

/// A call and what may be done with it.
pub(crate) type Rule = (c_long, Verdict);

/// Who a filter is for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Role {
    /// Waits for the end of the supervisor, and ends the namespace with itself.
    Init,
    /// Forks workers on order.
    Template,
    /// Takes one job, runs it, and ends.
    Worker,
    /// Compiles one module.
    Compiler,
    /// Waits for a compiler, and ends as it does.
    Waiter,
}

impl Role {
    /// Its rules, by rising number of the call.
    pub(crate) fn rules(self) -> Vec<Rule> {
        let mut rules = match self {
            Role::Init => INIT.to_vec(),
            Role::Template => TEMPLATE.to_vec(),
            Role::Worker => WORKER.to_vec(),
            Role::Compiler => COMPILER.to_vec(),
            Role::Waiter => WAITER.to_vec(),
        };
        if matches!(self, Role::Template | Role::Worker | Role::Compiler) {
            rules.extend(DYING);
            // Debug builds of the standard library ask so before they close a descriptor.
            if cfg!(debug_assertions) {
                rules.push((libc::SYS_fcntl, AllowIf { argument: 1, is: libc::F_GETFD as u64 }));
            }
        }
        if self == Role::Template {
            // A worker is under both filters: what it may do, its template must be able to.
            rules.extend(WORKER);
        }
        rules.sort_by_key(|(number, _)| *number);
        rules
    }
}

pub(crate) const EXECUTABLE: u32 = libc::PROT_EXEC.cast_unsigned();
const WRITABLE: u32 = libc::PROT_WRITE.cast_unsigned();
const THIS_PROCESS: Verdict = AllowIf { argument: 0, is: 0 };

const INIT: &[Rule] = &[(libc::SYS_read, Allow), (libc::SYS_exit_group, Allow)];

const WAITER: &[Rule] = &[(libc::SYS_waitid, Allow), (libc::SYS_exit_group, Allow)];

/// Takes one job, runs it, and ends.
const WORKER: &[Rule] = &[
    (libc::SYS_brk, Allow),
    (libc::SYS_close, Allow),
    (libc::SYS_exit_group, Allow),
    (libc::SYS_fstat, Allow),
    // Which pages of the stack were used and are to be wiped.
    (libc::SYS_mincore, Allow),
    (libc::SYS_mmap, AllowWithout { argument: 2, bits: EXECUTABLE }),
    // Mapped code becomes executable, until `PR_SET_MDWE` ends that; never what is writable.
    (libc::SYS_mprotect, AllowWithoutBoth { argument: 2, bits: WRITABLE | EXECUTABLE }),
    (libc::SYS_mseal, Allow),
    (libc::SYS_munmap, Allow),
    (libc::SYS_prctl, AllowIf { argument: 0, is: libc::PR_SET_MDWE as u64 }),
    (libc::SYS_prlimit64, THIS_PROCESS),
    (libc::SYS_recvmsg, Allow),
    (libc::SYS_setitimer, AllowIf { argument: 0, is: libc::ITIMER_REAL as u64 }),
    // What the standard library says before it gives up for want of memory goes nowhere.
    (libc::SYS_write, Refuse),
];

/// What a process calls on its way to an end by a fault. It is let, so that a fault is told from an
/// attempt at something forbidden.
const DYING: &[Rule] = &[
    // A fault outside of a guest is given back to the default handler, which ends the process.
    (libc::SYS_rt_sigaction, Allow),
    (libc::SYS_rt_sigprocmask, Allow),
    (libc::SYS_rt_sigreturn, Allow),
    // `abort` goes through these before it gives up and faults.
    (libc::SYS_getpid, Refuse),
    (libc::SYS_gettid, Refuse),
    (libc::SYS_tgkill, Refuse),
];

/// What a template does besides: it forks workers, makes each another user, and shuts it in.
const TEMPLATE: &[Rule] = &[
    (libc::SYS_capset, Allow),
    (libc::SYS_clone, AllowIf { argument: 0, is: SIBLING_FLAGS }),
    (libc::SYS_close_range, Allow),
    // Where the host has swap.
    (libc::SYS_mlockall, AllowIf { argument: 0, is: EVERYTHING as u64 }),
    (libc::SYS_seccomp, AllowIf { argument: 0, is: libc::SECCOMP_SET_MODE_FILTER as u64 }),
    (libc::SYS_sendmsg, Allow),
    (libc::SYS_setresgid, Allow),
    (libc::SYS_setresuid, Allow),
];

/// Where the module is, and where its code goes: nothing else may be read or written, even if
/// something was left open.
const ON_INPUT: Verdict = AllowIf { argument: 0, is: 0 };
const ON_OUTPUT: Verdict = AllowIf { argument: 0, is: 1 };

/// Reads one module, compiles it, writes its code.
const COMPILER: &[Rule] = &[
    (libc::SYS_brk, Allow),
    (libc::SYS_close, Allow),
    (libc::SYS_exit_group, Allow),
    (libc::SYS_lseek, ON_INPUT),
    (libc::SYS_mmap, AllowWithout { argument: 2, bits: EXECUTABLE }),
    (libc::SYS_mprotect, AllowWithout { argument: 2, bits: EXECUTABLE }),
    (libc::SYS_munmap, Allow),
    (libc::SYS_read, ON_INPUT),
    (libc::SYS_write, ON_OUTPUT),
];

#[cfg(test)]
mod the_lists {
    use super::*;

    #[test]
    fn of_a_worker_allow_twenty_five_calls_at_most() {
        for role in [Role::Worker, Role::Compiler] {
            let rules = role.rules();
            let allowed = rules.iter().filter(|(_, verdict)| !matches!(verdict, Refuse));
            assert!(allowed.count() <= 25, "{role:?}");
        }
    }

    #[test]
    fn name_each_call_once() {
        for role in [Role::Init, Role::Template, Role::Worker, Role::Compiler, Role::Waiter] {
            let rules = role.rules();
            let mut numbers: Vec<_> = rules.iter().map(|(number, _)| *number).collect();
            numbers.dedup();
            assert_eq!(numbers.len(), rules.len(), "{role:?}");
        }
    }
}
