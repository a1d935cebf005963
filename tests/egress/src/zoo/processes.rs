//! Through other processes: signals, tracing, memory, and what the kernel shows of a process.

use std::io::Error;
use std::os::unix::process::CommandExt;
use std::process::Command;

use notrace_runtime_jail::process::exit_now;

use super::{Arrives, Done, Technique, at, beyond, by_user, bytes, call, did, way, zero_ended};
use crate::outside::Numbers;
use crate::walls::Wall;

pub(super) const ALL: &[Technique] = &[
    way("signal", Done, signal),
    way("signal with a value", Done, signal_with_value),
    way("signal to a thread", Done, signal_thread),
    way("signal through a process descriptor", Done, signal_by_descriptor),
    way("signal when a file is ready", Done, signal_by_file),
    way("tracing another process", Done, trace),
    way("writing another's memory", Arrives, write_memory),
    way("reading another's memory", Done, read_memory),
    way("another's memory as a file", Arrives, memory_file),
    way("taking another's descriptor", Arrives, take_descriptor),
    way("comparing with another process", Done, compare),
    by_user(way("priority of another process", Done, prefer)),
    by_user(way("processors of another process", Done, bind)),
    by_user(way("disk priority of another process", Done, disk_priority)),
    by_user(way("scheduling of another process", Done, schedule)),
    by_user(way("limits of another process", Done, limit)),
    way("namespace of another process", Arrives, join_namespace),
    way("running a program", Arrives, run),
    way("running a program from memory", Arrives, run_memory),
    way("child that outlives the run", Arrives, child),
    // Any process may be listed by those outside of all namespaces, under the name it gives itself.
    beyond(way("own name, as others list it", Done, name), &[Wall::Right, Wall::Route]),
];

/// Whether the outside's processes have numbers here and this process a right on them.
pub(super) fn sees(to: Numbers) -> Result<(), Error> {
    did(libc::SYS_kill, &[to.victim as usize, 0])
}

const HARMLESS: usize = libc::SIGURG as usize;

fn signal(to: Numbers, _: &str) -> Result<(), Error> {
    did(libc::SYS_kill, &[to.victim as usize, HARMLESS])
}

fn signal_with_value(to: Numbers, _: &str) -> Result<(), Error> {
    let mut info = [0_i32; 32];
    // si_signo, si_errno, si_code: queued.
    let [signal, _, code, ..] = &mut info;
    (*signal, *code) = (libc::SIGURG, -1);
    did(libc::SYS_rt_sigqueueinfo, &[to.victim as usize, HARMLESS, at(&info)])
}

fn signal_thread(to: Numbers, _: &str) -> Result<(), Error> {
    did(libc::SYS_tgkill, &[to.victim as usize, to.victim as usize, HARMLESS])
}

fn descriptor_of(process: u32) -> Result<usize, Error> {
    call(libc::SYS_pidfd_open, &[process as usize, 0])
}

fn signal_by_descriptor(to: Numbers, _: &str) -> Result<(), Error> {
    did(libc::SYS_pidfd_send_signal, &[descriptor_of(to.victim)?, HARMLESS, 0, 0])
}

fn signal_by_file(to: Numbers, _: &str) -> Result<(), Error> {
    let mut ends = [0_i32; 2];
    did(libc::SYS_pipe2, &[ends.as_mut_ptr() as usize, 0])?;
    let [read, _] = ends;
    let owner = libc::F_SETOWN as usize;
    did(libc::SYS_fcntl, &[read as usize, owner, to.victim as usize])?;
    sees(to)
}

fn trace(to: Numbers, _: &str) -> Result<(), Error> {
    did(libc::SYS_ptrace, &[libc::PTRACE_SEIZE as usize, to.victim as usize, 0, 0])
}

fn write_memory(to: Numbers, token: &str) -> Result<(), Error> {
    let here = [bytes(token.as_bytes()), token.len()];
    let there = [to.mailbox, token.len()];
    did(libc::SYS_process_vm_writev, &[to.pid as usize, at(&here), 1, at(&there), 1, 0])
}

fn read_memory(to: Numbers, token: &str) -> Result<(), Error> {
    let mut copy = vec![0u8; token.len()];
    let here = [copy.as_mut_ptr() as usize, copy.len()];
    let there = [to.mailbox, token.len()];
    did(libc::SYS_process_vm_readv, &[to.pid as usize, at(&here), 1, at(&there), 1, 0])
}

fn memory_file(to: Numbers, token: &str) -> Result<(), Error> {
    let file = std::fs::OpenOptions::new().write(true).open(format!("/proc/{}/mem", to.pid))?;
    std::os::unix::fs::FileExt::write_all_at(&file, token.as_bytes(), to.mailbox as u64)
}

fn take_descriptor(to: Numbers, token: &str) -> Result<(), Error> {
    let taken = call(libc::SYS_pidfd_getfd, &[descriptor_of(to.pid)?, to.pipe as usize, 0])?;
    did(libc::SYS_write, &[taken, bytes(token.as_bytes()), token.len()])
}

fn compare(to: Numbers, _: &str) -> Result<(), Error> {
    const MEMORY: usize = 1;
    did(libc::SYS_kcmp, &[to.pid as usize, to.victim as usize, MEMORY, 0, 0])
}

fn prefer(to: Numbers, _: &str) -> Result<(), Error> {
    did(libc::SYS_setpriority, &[0, to.victim as usize, 7])
}

fn bind(to: Numbers, _: &str) -> Result<(), Error> {
    let first = 1_u64;
    did(libc::SYS_sched_setaffinity, &[to.victim as usize, 8, at(&first)])
}

fn disk_priority(to: Numbers, _: &str) -> Result<(), Error> {
    const BEST_EFFORT_LAST: usize = 2 << 13 | 7;
    did(libc::SYS_ioprio_set, &[1, to.victim as usize, BEST_EFFORT_LAST])
}

fn schedule(to: Numbers, _: &str) -> Result<(), Error> {
    let none = 0_u32;
    did(libc::SYS_sched_setscheduler, &[to.victim as usize, libc::SCHED_BATCH as usize, at(&none)])
}

fn limit(to: Numbers, _: &str) -> Result<(), Error> {
    let limit = [7_u64, 7];
    let core = libc::RLIMIT_CORE as usize;
    did(libc::SYS_prlimit64, &[to.victim as usize, core, at(&limit), 0])
}

fn join_namespace(to: Numbers, token: &str) -> Result<(), Error> {
    let network = std::fs::File::open(format!("/proc/{}/ns/net", to.pid))?;
    let descriptor = std::os::fd::AsRawFd::as_raw_fd(&network);
    did(libc::SYS_setns, &[descriptor as usize, libc::CLONE_NEWNET as usize])?;
    let stream = std::net::TcpStream::connect(("127.0.0.1", to.port));
    std::io::Write::write_all(&mut stream?, token.as_bytes())
}

fn run(to: Numbers, token: &str) -> Result<(), Error> {
    let file = to.folder().join("file");
    let script = format!("printf %s {token} > {}", file.display());
    Err(Command::new("/bin/sh").args(["-c", &script]).exec())
}

fn run_memory(to: Numbers, token: &str) -> Result<(), Error> {
    let name = zero_ended("egress");
    let program = call(libc::SYS_memfd_create, &[bytes(&name), 0])?;
    let shell = std::fs::read("/bin/sh")?;
    did(libc::SYS_write, &[program, bytes(&shell), shell.len()])?;
    let script = format!("printf %s {token} > {}", to.folder().join("file").display());
    let words = [zero_ended("sh"), zero_ended("-c"), zero_ended(script)];
    let mut arguments: Vec<usize> = words.iter().map(|word| bytes(word)).collect();
    arguments.push(0);
    let (empty, none) = (zero_ended(""), [0_usize]);
    let list = arguments.as_ptr() as usize;
    let flags = libc::AT_EMPTY_PATH as usize;
    did(libc::SYS_execveat, &[program, bytes(&empty), list, at(&none), flags])
}

fn child(to: Numbers, token: &str) -> Result<(), Error> {
    if call(libc::SYS_clone, &[libc::SIGCHLD as usize, 0, 0, 0, 0])? == 0 {
        let sent = std::fs::write(to.folder().join("child"), token);
        exit_now(i32::from(sent.is_err()));
    }
    // Waited for, so that what it did is there to be found.
    did(libc::SYS_wait4, &[usize::MAX, 0, 0, 0])
}

fn name(_: Numbers, token: &str) -> Result<(), Error> {
    let name = zero_ended(token);
    did(libc::SYS_prctl, &[libc::PR_SET_NAME as usize, bytes(&name)])
}
