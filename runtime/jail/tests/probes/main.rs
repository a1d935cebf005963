//! Probes: a jailed process tries what it must not, and its parent sees what becomes of it.
//!
//! Without libtest, because a process that has threads cannot be jailed: each probe runs in a fresh
//! process of this same binary. `filtered` probes run where a worker would; `bare` ones run without
//! any system call filter, to see that the other fences hold by themselves.
#![expect(unsafe_code, reason = "makes the system calls that a worker must not")]

mod attempt;

use std::net::TcpListener;
use std::os::unix::process::CommandExt;
use std::process::{Command, Stdio};

use attempt::{DONE, REFUSED, attempt};
use notrace_runtime_jail::process::exit_now;
use notrace_runtime_jail::{Cell, Fence, Side, Users};
use rustix::process::{Pid, WaitId, WaitIdOptions, waitid};

/// A port on which every probe's parent listens, so that a connection fails for no other reason.
pub(crate) const LISTENING_PORT: u16 = 47_231;

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Fate {
    Signal(i32),
    Status(i32),
}

const DENIED: &[Fate] = &[Fate::Signal(libc::SIGSYS)];

type Probe = (&'static str, &'static str, &'static str, &'static [Fate]);

const fn refused(errno: i32) -> Fate {
    Fate::Status(REFUSED + errno)
}

#[rustfmt::skip]
const PROBES: &[Probe] = &[
    ("a_worker::opens_no_socket", "filtered", "socket", DENIED),
    ("a_worker::opens_no_pair_of_sockets", "filtered", "socketpair", DENIED),
    ("a_worker::opens_no_file", "filtered", "open", DENIED),
    ("a_worker::executes_nothing", "filtered", "execve", DENIED),
    ("a_worker::forks_nothing", "filtered", "fork", DENIED),
    ("a_worker::forks_nothing_the_way_its_template_does", "filtered", "fork_sibling", DENIED),
    ("a_worker::signals_nobody", "filtered", "kill_init", DENIED),
    ("a_worker::signals_not_everybody", "filtered", "kill_all", DENIED),
    ("a_worker::traces_nobody", "filtered", "ptrace", DENIED),
    ("a_worker::reads_nobodys_memory", "filtered", "read_other", DENIED),
    ("a_worker::makes_no_file_in_memory", "filtered", "memfd", DENIED),
    ("a_worker::makes_no_ring", "filtered", "io_uring", DENIED),
    ("a_worker::loads_no_program_into_the_kernel", "filtered", "bpf", DENIED),
    ("a_worker::enters_no_namespace", "filtered", "unshare", DENIED),
    ("a_worker::mounts_nothing", "filtered", "mount", DENIED),
    ("a_worker::does_not_open_itself_to_others", "filtered", "dumpable", DENIED),
    ("a_worker::sends_nothing", "filtered", "send", DENIED),
    ("a_worker::writes_nothing", "filtered", "write", &[refused(libc::EPERM)]),
    ("a_worker::maps_nothing_executable", "filtered", "map_executable", DENIED),
    ("a_worker::can_make_its_code_executable", "filtered", "make_executable",
        &[Fate::Status(DONE)]),
    ("a_worker::makes_nothing_executable_once_its_code_is_mapped", "filtered",
        "make_executable_late", &[refused(libc::EACCES)]),
    ("a_worker::panics_in_silence", "filtered", "panic", &[Fate::Status(70)]),
    ("a_worker::aborts_with_a_fault", "filtered", "abort",
        &[Fate::Signal(libc::SIGSEGV), Fate::Signal(libc::SIGABRT), Fate::Signal(libc::SIGILL)]),
    ("a_compiler::opens_no_socket", "compiler", "socket", DENIED),
    ("a_compiler::opens_no_file", "compiler", "open", DENIED),
    ("a_compiler::executes_nothing", "compiler", "execve", DENIED),
    ("a_compiler::forks_nothing", "compiler", "fork", DENIED),
    ("a_compiler::signals_nobody", "compiler", "kill_all", DENIED),
    ("a_compiler::takes_nothing_in", "compiler", "receive", DENIED),
    ("a_compiler::maps_nothing_executable", "compiler", "map_executable", DENIED),
    ("a_compiler::makes_nothing_executable", "compiler", "make_executable", DENIED),
    ("a_compiler::writes_its_result", "compiler", "write", &[Fate::Status(DONE)]),
    ("the_fences_without_the_filter::let_no_connection_out", "bare", "connect",
        &[refused(libc::ENETUNREACH), refused(libc::EACCES)]),
    ("the_fences_without_the_filter::show_an_empty_root", "bare", "list_root",
        &[refused(libc::ENOENT), refused(libc::EACCES)]),
    ("the_fences_without_the_filter::open_no_file", "bare", "open",
        &[refused(libc::ENOENT), refused(libc::EACCES)]),
    ("the_fences_without_the_filter::make_no_file", "bare", "make_file",
        &[refused(libc::EROFS), refused(libc::EACCES)]),
    ("the_fences_without_the_filter::do_not_become_root", "bare", "become_root",
        &[refused(libc::EPERM), refused(libc::EINVAL)]),
    ("the_fences_without_the_filter::mount_nothing", "bare", "mount", &[refused(libc::EPERM)]),
    ("the_fences_without_the_filter::reach_no_process_outside", "bare", "signal_outside",
        // The parent has no number in here: 0 is the group itself, of which nobody else is left.
        &[refused(libc::EPERM), refused(libc::ESRCH), Fate::Status(DONE)]),
];

fn main() {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let word = |index: usize| args.get(index).map(String::as_str);
    if let (Some("probe"), Some(stage), Some(what)) = (word(0), word(1), word(2)) {
        probe(stage, what);
    }
    let listed = args.iter().any(|arg| arg == "--list");
    let ignored = args.iter().any(|arg| arg == "--ignored");
    let exact = args.iter().any(|arg| arg == "--exact");
    let filter = |arg: &&String| !arg.starts_with("--") && arg.as_str() != "terse";
    let filters: Vec<&String> = args.iter().filter(filter).collect();
    let chosen = PROBES.iter().filter(|(name, ..)| {
        let matches = |filter: &&String| match exact {
            true => filter.as_str() == *name,
            false => name.contains(filter.as_str()),
        };
        !ignored && (filters.is_empty() || filters.iter().any(matches))
    });
    let mut failed = 0;
    for (name, stage, what, fates) in chosen {
        if listed {
            say(&format!("{name}: test"));
            continue;
        }
        let fate = see(stage, what);
        let good = fate.is_some_and(|fate| fates.contains(&fate));
        say(&format!("test {name} ... {}", if good { "ok" } else { "FAILED" }));
        if !good {
            say(&format!("  it ended with {fate:?}, not with {fates:?}"));
            failed += 1;
        }
    }
    exit_now(if failed == 0 { 0 } else { 101 })
}

fn say(line: &str) {
    use std::io::Write;
    let _ = writeln!(std::io::stdout(), "{line}");
}

/// Runs one probe in a fresh process, and tells how its worker ended.
fn see(stage: &str, what: &str) -> Option<Fate> {
    // Another probe may listen already; any listener will do.
    let _listener = TcpListener::bind(("127.0.0.1", LISTENING_PORT));
    let child = Command::new(std::env::current_exe().ok()?)
        .args(["probe", stage, what])
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .process_group(0)
        .spawn()
        .ok()?;
    let group = Pid::from_raw(i32::try_from(child.id()).ok()?);
    let mut fate = None;
    // Every process of the group is our child. The one that tried ends with a status of its own, or
    // by a signal; then the lifeline may be let go.
    while let Ok(Some(status)) = waitid(WaitId::Pgid(group), WaitIdOptions::EXITED) {
        let ended = match (status.exit_status(), status.terminating_signal()) {
            (Some(status), _) if status >= 70 => Fate::Status(status),
            (None, Some(signal)) if fate.is_none() => Fate::Signal(signal),
            _ => continue,
        };
        fate = Some(ended);
        break;
    }
    drop(child);
    while let Ok(Some(_)) = waitid(WaitId::Pgid(group), WaitIdOptions::EXITED) {}
    fate
}

/// What the fresh process does: the way from clean start to worker, and then the attempt.
fn probe(stage: &str, what: &str) -> ! {
    let Ok((mut cell, lifeline, spare)) = Cell::begin() else { exit_now(1) };
    cell.separate(Users::Each, 0, None);
    if cell.fences().stands(Fence::PidNamespace) {
        match cell.fork() {
            Ok(Side::Sibling) => cell.into_init(lifeline),
            Ok(Side::Forker { .. }) => {}
            Err(_) => exit_now(2),
        }
    }
    fork_or_leave(&cell);
    if stage == "bare" {
        attempt(what, None);
    }
    if stage == "compiler" {
        cell.settle_as_compiler();
        attempt(what, None);
    }
    cell.settle_as_template();
    fork_or_leave(&cell);
    let worker = cell.settle_as_worker(0, &spare, 5);
    if !worker.is_whole() {
        exit_now(3);
    }
    attempt(what, Some(&worker))
}

/// Goes on in a fork.
fn fork_or_leave(cell: &Cell) {
    match cell.fork() {
        Ok(Side::Sibling) => {}
        Ok(Side::Forker { .. }) => exit_now(0),
        Err(_) => exit_now(4),
    }
}
