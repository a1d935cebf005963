//! The system calls a process of ours may make; any other ends it.
//!
//! Filters are decision trees over the call's number, assembled here. The kernel walks a new filter
//! once for each of its some 470 calls, so that a list of comparisons costs what it is long: a tree
//! of the same calls installs about three times faster, and a worker installs one per run.

use libc::{c_long, sock_filter};
use rustix::io::Errno;

use crate::fork::SIBLING_FLAGS;
use crate::process::check;

/// What may be done with one system call.
#[derive(Clone, Copy)]
enum Verdict {
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
}
use Verdict::{Allow, AllowIf, AllowWithout, Refuse};

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
}

#[cfg(target_arch = "x86_64")]
const ARCHITECTURE: u32 = 0xC000_003E;
#[cfg(target_arch = "aarch64")]
const ARCHITECTURE: u32 = 0xC000_00B7;

const EXECUTABLE: u32 = libc::PROT_EXEC.cast_unsigned();

const INIT: &[(c_long, Verdict)] = &[
    (libc::SYS_read, Allow),
    (libc::SYS_exit_group, Allow),
    (libc::SYS_restart_syscall, Allow),
    (libc::SYS_rt_sigreturn, Allow),
];

/// What computing takes: memory, locks, one's own signals, chance, an end.
const COMPUTE: &[(c_long, Verdict)] = &[
    (libc::SYS_brk, Allow),
    (libc::SYS_clock_gettime, Allow),
    (libc::SYS_close, Allow),
    (libc::SYS_exit_group, Allow),
    // Debug builds of the standard library ask so before they close a descriptor.
    (libc::SYS_fcntl, AllowIf { argument: 1, is: libc::F_GETFD as u64 }),
    (libc::SYS_fstat, Allow),
    (libc::SYS_futex, Allow),
    (libc::SYS_getrandom, Allow),
    (libc::SYS_madvise, Allow),
    (libc::SYS_mincore, Allow),
    (libc::SYS_mmap, AllowWithout { argument: 2, bits: EXECUTABLE }),
    (libc::SYS_mremap, Allow),
    (libc::SYS_munmap, Allow),
    (libc::SYS_prctl, AllowIf { argument: 0, is: libc::PR_SET_MDWE as u64 }),
    (libc::SYS_prlimit64, AllowIf { argument: 0, is: 0 }),
    (libc::SYS_restart_syscall, Allow),
    // A fault outside of a guest is given back to the default handler, which ends the process.
    (libc::SYS_rt_sigaction, Allow),
    (libc::SYS_rt_sigprocmask, Allow),
    (libc::SYS_rt_sigreturn, Allow),
    (libc::SYS_sched_yield, Allow),
    (libc::SYS_sigaltstack, Allow),
    // `abort` goes through these before it gives up and faults.
    (libc::SYS_getpid, Refuse),
    (libc::SYS_gettid, Refuse),
    (libc::SYS_statx, Refuse),
    (libc::SYS_tgkill, Refuse),
    (libc::SYS_writev, Refuse),
];

const WORKER: &[(c_long, Verdict)] = &[
    // Mapped code becomes executable by `mprotect`, until `no_exec_gain` ends that.
    (libc::SYS_mprotect, Allow),
    (libc::SYS_recvmsg, Allow),
    (libc::SYS_setitimer, AllowIf { argument: 0, is: libc::ITIMER_REAL as u64 }),
    (libc::SYS_write, Refuse),
];

const TEMPLATE: &[(c_long, Verdict)] = &[
    (libc::SYS_clone, AllowIf { argument: 0, is: SIBLING_FLAGS }),
    (libc::SYS_close_range, Allow),
    (libc::SYS_seccomp, AllowIf { argument: 0, is: libc::SECCOMP_SET_MODE_FILTER as u64 }),
    (libc::SYS_sendmsg, Allow),
];

const COMPILER: &[(c_long, Verdict)] = &[
    (libc::SYS_lseek, Allow),
    (libc::SYS_mprotect, AllowWithout { argument: 2, bits: EXECUTABLE }),
    (libc::SYS_pread64, Allow),
    (libc::SYS_read, Allow),
    (libc::SYS_write, Allow),
];

/// Puts this process under the filter of `role`. It cannot be taken off.
pub(crate) fn install(role: Role) -> Result<(), Errno> {
    let mut calls: Vec<(c_long, Verdict)> = match role {
        Role::Init => INIT.to_vec(),
        Role::Worker => [COMPUTE, WORKER].concat(),
        Role::Template => [COMPUTE, WORKER, TEMPLATE].concat(),
        Role::Compiler => [COMPUTE, COMPILER].concat(),
    };
    calls.sort_by_key(|(number, _)| *number);
    let mut program = assemble(&calls);
    let length = u16::try_from(program.len()).map_err(|_| Errno::INVAL)?;
    let program = libc::sock_fprog { len: length, filter: program.as_mut_ptr() };
    let (operation, flags) = (libc::SECCOMP_SET_MODE_FILTER, 0);
    // SAFETY: `program` points to `len` instructions, which live until after the call.
    check(unsafe { libc::syscall(libc::SYS_seccomp, operation, flags, &raw const program) })
        .map(|_| ())
}

const LOAD: u16 = (libc::BPF_LD | libc::BPF_W | libc::BPF_ABS) as u16;
const EQUAL: u16 = (libc::BPF_JMP | libc::BPF_JEQ | libc::BPF_K) as u16;
const AT_LEAST: u16 = (libc::BPF_JMP | libc::BPF_JGE | libc::BPF_K) as u16;
const ANY_BIT: u16 = (libc::BPF_JMP | libc::BPF_JSET | libc::BPF_K) as u16;
const RETURN: u16 = (libc::BPF_RET | libc::BPF_K) as u16;
const REFUSED: u32 = libc::SECCOMP_RET_ERRNO | libc::EPERM.cast_unsigned();
/// Where `struct seccomp_data` keeps the call's number, the architecture, and the first argument.
const AT_NUMBER: u32 = 0;
const AT_ARCHITECTURE: u32 = 4;
const AT_ARGUMENTS: u32 = 16;

fn assemble(calls: &[(c_long, Verdict)]) -> Vec<sock_filter> {
    let mut program = vec![
        step(LOAD, AT_ARCHITECTURE),
        jump(EQUAL, ARCHITECTURE, 1, 0),
        step(RETURN, libc::SECCOMP_RET_KILL_PROCESS),
        step(LOAD, AT_NUMBER),
    ];
    program.extend(tree(calls));
    program
}

/// The tree for a sorted, non-empty list: halves, down to one call.
fn tree(calls: &[(c_long, Verdict)]) -> Vec<sock_filter> {
    if let [(number, verdict)] = calls {
        return leaf(*number, *verdict);
    }
    let (low, high) = calls.split_at(calls.len() / 2);
    let Some((first_high, _)) = high.first() else {
        return vec![step(RETURN, libc::SECCOMP_RET_KILL_PROCESS)];
    };
    let low = tree(low);
    let mut program = vec![jump(AT_LEAST, call_number(*first_high), distance(low.len()), 0)];
    program.extend(low);
    program.extend(tree(high));
    program
}

fn leaf(number: c_long, verdict: Verdict) -> Vec<sock_filter> {
    let yes = step(RETURN, libc::SECCOMP_RET_ALLOW);
    let end = step(RETURN, libc::SECCOMP_RET_KILL_PROCESS);
    let body = match verdict {
        Allow => vec![yes],
        Refuse => vec![step(RETURN, REFUSED)],
        AllowIf { argument, is } => vec![
            step(LOAD, AT_ARGUMENTS + 8 * argument),
            jump(EQUAL, (is & 0xFFFF_FFFF) as u32, 0, 3),
            step(LOAD, AT_ARGUMENTS + 8 * argument + 4),
            jump(EQUAL, (is >> 32) as u32, 0, 1),
            yes,
        ],
        AllowWithout { argument, bits } => {
            vec![step(LOAD, AT_ARGUMENTS + 8 * argument), jump(ANY_BIT, bits, 1, 0), yes]
        }
    };
    let mut program = vec![jump(EQUAL, call_number(number), 0, distance(body.len()))];
    program.extend(body);
    program.push(end);
    program
}

const fn call_number(number: c_long) -> u32 {
    // Numbers of calls are below 2^30 on every architecture.
    (number & 0x3FFF_FFFF) as u32
}

/// A jump's length. A tree too long for one byte would be a mistake in the lists above, and the
/// tests that install every filter would show it as a call that is refused.
fn distance(steps: usize) -> u8 {
    u8::try_from(steps).unwrap_or(u8::MAX)
}

const fn step(code: u16, k: u32) -> sock_filter {
    sock_filter { code, jt: 0, jf: 0, k }
}

const fn jump(code: u16, k: u32, then: u8, otherwise: u8) -> sock_filter {
    sock_filter { code, jt: then, jf: otherwise, k }
}

#[cfg(test)]
mod a_filter {
    use super::*;

    /// Runs a program as the kernel would, for the calls our filters use.
    fn run(program: &[sock_filter], number: u32, architecture: u32, arguments: [u64; 6]) -> u32 {
        let (mut at, mut accumulator) = (0, 0u32);
        loop {
            let now = &program[at];
            at += 1;
            match now.code {
                LOAD => {
                    accumulator = match now.k {
                        AT_NUMBER => number,
                        AT_ARCHITECTURE => architecture,
                        k => {
                            let word = (k - AT_ARGUMENTS) / 4;
                            (arguments[word as usize / 2] >> (32 * (word % 2))) as u32
                        }
                    }
                }
                RETURN => return now.k,
                code => {
                    let holds = match code {
                        EQUAL => accumulator == now.k,
                        AT_LEAST => accumulator >= now.k,
                        ANY_BIT => accumulator & now.k != 0,
                        _ => panic!("an instruction we never write"),
                    };
                    at += usize::from(if holds { now.jt } else { now.jf });
                }
            }
        }
    }

    fn sorted(lists: &[&[(c_long, Verdict)]]) -> Vec<(c_long, Verdict)> {
        let mut calls = lists.concat();
        calls.sort_by_key(|(number, _)| *number);
        calls
    }

    #[test]
    fn allows_exactly_its_list_for_every_number() {
        for calls in [
            sorted(&[INIT]),
            sorted(&[COMPUTE, WORKER]),
            sorted(&[COMPUTE, WORKER, TEMPLATE]),
            sorted(&[COMPUTE, COMPILER]),
        ] {
            let program = assemble(&calls);
            for number in 0..1024 {
                let listed = calls.iter().find(|(known, _)| call_number(*known) == number);
                let expected = match listed {
                    None => libc::SECCOMP_RET_KILL_PROCESS,
                    Some((_, Refuse)) => REFUSED,
                    Some((_, AllowIf { argument, is })) => {
                        let mut arguments = [0; 6];
                        arguments[*argument as usize] = *is;
                        let allowed = run(&program, number, ARCHITECTURE, arguments);
                        assert_eq!(allowed, libc::SECCOMP_RET_ALLOW);
                        arguments[*argument as usize] = *is | 1 << 40;
                        let denied = run(&program, number, ARCHITECTURE, arguments);
                        assert_eq!(denied, libc::SECCOMP_RET_KILL_PROCESS);
                        continue;
                    }
                    Some(_) => libc::SECCOMP_RET_ALLOW,
                };
                assert_eq!(run(&program, number, ARCHITECTURE, [0; 6]), expected, "{number}");
            }
        }
    }

    #[test]
    fn denies_memory_that_is_mapped_executable() {
        let program = assemble(&sorted(&[COMPUTE, WORKER]));
        let number = call_number(libc::SYS_mmap);
        let executable = [0, 4096, u64::from(EXECUTABLE), 0, 0, 0];
        let denied = run(&program, number, ARCHITECTURE, executable);
        assert_eq!(denied, libc::SECCOMP_RET_KILL_PROCESS);
    }

    #[test]
    fn denies_calls_of_another_architecture() {
        let program = assemble(&sorted(&[COMPUTE, WORKER]));
        let number = call_number(libc::SYS_brk);
        assert_eq!(run(&program, number, 0x4000_0003, [0; 6]), libc::SECCOMP_RET_KILL_PROCESS);
    }
}
