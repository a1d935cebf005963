//! Filters: the rules of a role as a program for the kernel.
//!
//! Filters are decision trees over the call's number, assembled here. The kernel walks a new filter
//! once for each of its some 470 calls, so that a list of comparisons costs what it is long: a tree
//! of the same calls installs about three times faster, and a worker installs one per run.

use libc::{c_long, sock_filter};
use rustix::io::Errno;

use crate::calls::Verdict::{Allow, AllowIf, AllowWithout, AllowWithoutBoth, Refuse};
use crate::calls::{Role, Rule, Verdict};
use crate::plan::Plan;
use crate::process::check;

#[cfg(target_arch = "x86_64")]
const ARCHITECTURE: u32 = 0xC000_003E;
#[cfg(target_arch = "aarch64")]
const ARCHITECTURE: u32 = 0xC000_00B7;

/// Puts this process under the filter of `role`. It cannot be taken off.
pub(crate) fn install(role: Role, plan: Plan) -> Result<(), Errno> {
    let answers = Answers::of(role, plan);
    let mut program = assemble(&role.rules(), &answers);
    let length = u16::try_from(program.len()).map_err(|_| Errno::INVAL)?;
    let program = libc::sock_fprog { len: length, filter: program.as_mut_ptr() };
    let (operation, flags) = (libc::SECCOMP_SET_MODE_FILTER, 0);
    // SAFETY: `program` points to `len` instructions, which live until after the call.
    check(unsafe { libc::syscall(libc::SYS_seccomp, operation, flags, &raw const program) })
        .map(|_| ())
}

/// What the kernel is told of a call that is allowed, or refused with an error.
enum Answers {
    Plain,
    /// A tracer is told which rule it was.
    Told {
        role: Role,
    },
}

impl Answers {
    fn of(role: Role, plan: Plan) -> Self {
        if plan.is_accounted() { Self::Told { role } } else { Self::Plain }
    }

    fn yes(&self, rule: usize) -> u32 {
        match self {
            Self::Plain => libc::SECCOMP_RET_ALLOW,
            Self::Told { role } => libc::SECCOMP_RET_TRACE | told(*role, rule),
        }
    }

    fn refused(&self, rule: usize) -> u32 {
        match self {
            Self::Plain => REFUSED,
            Self::Told { role } => libc::SECCOMP_RET_TRACE | told(*role, rule),
        }
    }
}

/// A rule in 16 bits: its role, and its place among the role's rules.
pub(crate) fn told(role: Role, rule: usize) -> u32 {
    (role as u32) << 8 | u32::try_from(rule).unwrap_or(0xFF) & 0xFF
}

const LOAD: u16 = (libc::BPF_LD | libc::BPF_W | libc::BPF_ABS) as u16;
const EQUAL: u16 = (libc::BPF_JMP | libc::BPF_JEQ | libc::BPF_K) as u16;
const AT_LEAST: u16 = (libc::BPF_JMP | libc::BPF_JGE | libc::BPF_K) as u16;
const ANY_BIT: u16 = (libc::BPF_JMP | libc::BPF_JSET | libc::BPF_K) as u16;
const AND: u16 = (libc::BPF_ALU | libc::BPF_AND | libc::BPF_K) as u16;
const RETURN: u16 = (libc::BPF_RET | libc::BPF_K) as u16;
const REFUSED: u32 = libc::SECCOMP_RET_ERRNO | libc::EPERM.cast_unsigned();
/// Where `struct seccomp_data` keeps the call's number, the architecture, and the first argument.
const AT_NUMBER: u32 = 0;
const AT_ARCHITECTURE: u32 = 4;
const AT_ARGUMENTS: u32 = 16;

fn assemble(calls: &[Rule], answers: &Answers) -> Vec<sock_filter> {
    let mut program = vec![
        step(LOAD, AT_ARCHITECTURE),
        jump(EQUAL, ARCHITECTURE, 1, 0),
        step(RETURN, libc::SECCOMP_RET_KILL_PROCESS),
        step(LOAD, AT_NUMBER),
    ];
    let calls: Vec<_> = calls.iter().copied().enumerate().collect();
    program.extend(tree(&calls, answers));
    program
}

/// The tree for a sorted, non-empty list: halves, down to one call.
fn tree(calls: &[(usize, Rule)], answers: &Answers) -> Vec<sock_filter> {
    if let [(index, (number, verdict))] = calls {
        return leaf(*number, *verdict, answers.yes(*index), answers.refused(*index));
    }
    let (low, high) = calls.split_at(calls.len() / 2);
    let Some((_, (first_high, _))) = high.first() else {
        return vec![step(RETURN, libc::SECCOMP_RET_KILL_PROCESS)];
    };
    let low = tree(low, answers);
    let mut program = vec![jump(AT_LEAST, call_number(*first_high), distance(low.len()), 0)];
    program.extend(low);
    program.extend(tree(high, answers));
    program
}

fn leaf(number: c_long, verdict: Verdict, yes: u32, refused: u32) -> Vec<sock_filter> {
    let yes = step(RETURN, yes);
    let end = step(RETURN, libc::SECCOMP_RET_KILL_PROCESS);
    let body = match verdict {
        Allow => vec![yes],
        Refuse => vec![step(RETURN, refused)],
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
        AllowWithoutBoth { argument, bits } => vec![
            step(LOAD, AT_ARGUMENTS + 8 * argument),
            step(AND, bits),
            jump(EQUAL, bits, 1, 0),
            yes,
        ],
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
                AND => accumulator &= now.k,
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

    #[test]
    fn allows_exactly_its_list_for_every_number() {
        for role in [Role::Init, Role::Template, Role::Worker, Role::Compiler, Role::Waiter] {
            let calls = role.rules();
            let program = assemble(&calls, &Answers::Plain);
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
        let program = assemble(&Role::Worker.rules(), &Answers::Plain);
        let number = call_number(libc::SYS_mmap);
        let executable = [0, 4096, u64::from(crate::calls::EXECUTABLE), 0, 0, 0];
        let denied = run(&program, number, ARCHITECTURE, executable);
        assert_eq!(denied, libc::SECCOMP_RET_KILL_PROCESS);
    }

    #[test]
    fn denies_memory_that_is_made_writable_and_executable_at_once() {
        let program = assemble(&Role::Worker.rules(), &Answers::Plain);
        let number = call_number(libc::SYS_mprotect);
        let fate = |bits: i32| run(&program, number, ARCHITECTURE, [0, 0, bits as u64, 0, 0, 0]);
        let both = libc::PROT_WRITE | libc::PROT_EXEC;
        for denied in [both, both | libc::PROT_READ] {
            assert_eq!(fate(denied), libc::SECCOMP_RET_KILL_PROCESS);
        }
        for allowed in [libc::PROT_READ | libc::PROT_EXEC, libc::PROT_WRITE, libc::PROT_NONE] {
            assert_eq!(fate(allowed), libc::SECCOMP_RET_ALLOW);
        }
    }

    #[test]
    fn tells_a_tracer_each_rule_by_its_place() {
        let rules = Role::Worker.rules();
        let program = assemble(&rules, &Answers::Told { role: Role::Worker });
        for (index, (number, verdict)) in rules.iter().enumerate() {
            let mut arguments = [0; 6];
            if let AllowIf { argument, is } = verdict {
                arguments[*argument as usize] = *is;
            }
            let fate = run(&program, call_number(*number), ARCHITECTURE, arguments);
            assert_eq!(fate, libc::SECCOMP_RET_TRACE | told(Role::Worker, index));
        }
    }

    #[test]
    fn denies_calls_of_another_architecture() {
        let program = assemble(&Role::Worker.rules(), &Answers::Plain);
        let number = call_number(libc::SYS_brk);
        assert_eq!(run(&program, number, 0x4000_0003, [0; 6]), libc::SECCOMP_RET_KILL_PROCESS);
    }
}
