//! Whether every rule of the filters is used: all stories again, under a tracer that counts.
//!
//! `cargo test -p notrace-runtime-worker --features weaken --test stories -- the_filters`

use std::path::Path;
use std::process::{Command, Stdio};

use anyhow::{Result, ensure};
use notrace_runtime_jail::process::exit_now;
use notrace_runtime_jail::weakened::raw;
use notrace_runtime_jail::weakened::rules::Uses;
use notrace_runtime_jail::{Cell, Fence, Plan, Side, Users};
use notrace_runtime_worker::weakened::{compile_main, worker_main};

use crate::STORIES;

/// The name under which this binary is executed to be counted: all that reaches a jailed process.
const COUNTED: &str = "counted";

/// What no guest can bring about: how a process of ours dies of itself.
const DEATHS: [&str; 4] = ["abort", "fault", "memory", "panic"];

/// The second is a worker on a host with swap, which it can lock its memory against whatever root
/// was given here.
const ROLES: [&str; 3] = ["worker", "locked worker", "compiler"];

/// Stories that look at the processes there are, at their pace, which a tracer changes, or at the
/// swap there is. What they call, others call too.
const NOT_TRACED: [&str; 5] = [
    "a_supervisor::that_drains_leaves_no_process",
    "a_supervisor::that_is_dropped_by_a_crash_leaves_no_process",
    "a_supervisor::does_nothing_when_there_is_nothing_to_do",
    "the_fences::all_stand_on_this_host",
    "the_fences::without_rights_are_reported_missing",
];

pub(crate) fn are_counted() -> bool {
    let exe = std::env::current_exe();
    exe.is_ok_and(|exe| exe.file_name().is_some_and(|name| name == COUNTED))
}

pub(crate) fn main(word: &str) -> ! {
    match word {
        "worker" => worker_main(plan()),
        _ => compile_main(plan()),
    }
}

/// All fences, also the one that is only put up where there is swap.
fn plan() -> Plan {
    Plan::WHOLE.accounted().supposing_swap()
}

/// Runs everything, and names the rules that nothing used.
pub(crate) async fn counted() -> Result<()> {
    if !rustix::process::geteuid().is_root() {
        // Much of it is about users, which only root can give.
        crate::say("not run as root: the rules cannot be counted");
        return Ok(());
    }
    let exe = std::env::current_exe()?;
    let folder = tempfile::tempdir_in(exe.parent().unwrap_or(Path::new("/")))?;
    let counted = folder.path().join(COUNTED);
    std::fs::hard_link(&exe, &counted)?;
    let mut uses = Uses::default();
    ensure!(!uses.unused().is_empty(), "before anything ran, no rule can have been used");
    for (story, _) in STORIES.iter().filter(|(story, _)| !NOT_TRACED.contains(story)) {
        let mut command = Command::new(&counted);
        command.args(["--exact", story]);
        let ended = uses.add(&mut command)?;
        ensure!(ended.success(), "{story} failed under the tracer");
    }
    for (role, death) in ROLES.iter().flat_map(|role| DEATHS.map(|death| (role, death))) {
        let mut command = Command::new(&counted);
        command.args(["dying", role, death]).stdin(Stdio::null());
        command.stdout(Stdio::null()).stderr(Stdio::null());
        uses.add(&mut command)?;
    }
    let unused = uses.unused();
    let lines: String = unused.iter().map(|rule| format!("  {rule:?}\n")).collect();
    ensure!(unused.is_empty(), "rules that nothing uses:\n{lines}");
    Ok(())
}

/// Dies in the place of a worker, or of a compiler.
pub(crate) fn die(args: &[String]) -> ! {
    let [_, role, how] = args else { exit_now(1) };
    // Its first process would take all others along, and has nothing to do here.
    let privileged = [Fence::UserNamespace, Fence::UnprivilegedUser, Fence::Capabilities];
    let left_out = match role.as_str() {
        "locked worker" => [&privileged[..], &[Fence::PidNamespace]].concat(),
        _ => vec![Fence::PidNamespace],
    };
    let plan = Plan::without(&left_out).accounted().supposing_swap();
    let Ok((mut cell, _stdin, spare)) = Cell::begin_weakened(plan) else { exit_now(1) };
    cell.separate(Users::Each, 0, None);
    if role == "compiler" {
        cell.settle_as_compiler();
    } else {
        cell.settle_as_template();
        on_in_a_fork(&cell);
        let worker = cell.settle_as_worker(0, &spare, 5);
        if !worker.is_whole() {
            exit_now(3);
        }
    }
    match how.as_str() {
        "abort" => std::process::abort(),
        "memory" => std::alloc::handle_alloc_error(std::alloc::Layout::new::<u64>()),
        "fault" => raw::fault(),
        _ => panic!("not to be seen"),
    }
    exit_now(4)
}

fn on_in_a_fork(cell: &Cell) {
    match cell.fork() {
        Ok(Side::Sibling) => {}
        Ok(Side::Forker { .. }) => exit_now(0),
        Err(_) => exit_now(5),
    }
}
