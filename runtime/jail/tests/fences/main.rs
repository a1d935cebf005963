//! Each fence by itself: the thing it stops is tried with it, and works without it.
//!
//! A trial names a fence, the fences it builds on, and an attempt. The attempt is made in a fresh
//! process that has these fences and no other, and must be refused; then in one that has all but
//! the one in question, and must succeed. So no fence passes because another stopped the attempt.
//!
//! `cargo test -p notrace-runtime-jail --features weaken --test fences`
#![forbid(unsafe_code)]

mod attempt;
mod place;

use std::os::unix::process::CommandExt;
use std::process::{Command, Stdio};

use notrace_runtime_jail::process::exit_now;
use notrace_runtime_jail::{Cell, Fence, Plan, Side, Users};
use rustix::process::{Pid, WaitId, WaitIdOptions, waitid};

use attempt::{DONE, NOT_HERE, REFUSED, attempt};
use place::Place;

/// How far on its way to a worker the process is that tries.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Stage {
    Separated,
    Worker,
}
use Stage::{Separated, Worker};

/// A fence, what it builds on, where the attempt is made, the attempt, and how it may be refused.
type Trial = (Fence, &'static [Fence], Stage, &'static str, &'static [i32]);

const LANDLOCK: Fence = Fence::Landlock { abi: 0 };
const KILLED: i32 = 0;
const USER: &[Fence] = &[Fence::UserNamespace, Fence::UnprivilegedUser, Fence::Capabilities];

#[rustfmt::skip]
const TRIALS: &[Trial] = &[
    (Fence::ClosedDescriptors, &[], Separated, "write_left_open", &[libc::EBADF]),
    (Fence::UserNamespace, &[], Separated, "be_preferred", &[libc::EPERM, libc::EACCES]),
    (Fence::MountNamespace, &[Fence::EmptyRoot], Separated, "open", &[libc::ENOENT]),
    (Fence::NetNamespace, &[], Separated, "connect", &[libc::ENETUNREACH]),
    (Fence::PidNamespace, &[], Separated, "signal_outside", &[libc::ESRCH]),
    (Fence::IpcNamespace, &[], Separated, "find_shared_memory", &[libc::ENOENT]),
    (Fence::UtsNamespace, &[], Separated, "tell_host", &[libc::EPERM]),
    (Fence::EmptyRoot, &[Fence::MountNamespace], Separated, "open", &[libc::ENOENT]),
    (Fence::UnprivilegedUser, &[], Separated, "be_preferred", &[libc::EPERM, libc::EACCES]),
    (Fence::OwnUser, USER, Worker, "signal_neighbour", &[libc::EPERM]),
    (Fence::NoNewPrivileges, &[Fence::UnprivilegedUser], Separated, "become_root_by_program",
        &[libc::EPERM]),
    (Fence::ResourceLimits, &[Fence::UnprivilegedUser], Worker, "fork", &[libc::EAGAIN]),
    (Fence::ResourceLimits, &[], Separated, "fill_file", &[libc::EFBIG, KILLED]),
    (Fence::ResourceLimits, &[Fence::UnprivilegedUser], Separated, "open_queue", &[libc::EMFILE]),
    (Fence::NoCoreDump, &[], Separated, "leave_core", &[libc::EPERM]),
    (Fence::NotDumpable, USER, Worker, "read_neighbour", &[libc::EPERM]),
    (Fence::LockedMemory, &[], Worker, "be_swapped", &[libc::EPERM]),
    (Fence::BareArguments, &[], Separated, "show_arguments", &[libc::ENOENT]),
    (Fence::StoreBypassOff, &[], Separated, "bypass_stores", &[libc::EPERM]),
    (Fence::IndirectBranchOff, &[], Separated, "guess_branches", &[libc::EPERM]),
    (Fence::CacheFlush, &[], Separated, "keep_cache", &[libc::EPERM]),
    (Fence::CoreScheduled, &[], Separated, "share_core", &[libc::EPERM]),
    (Fence::Capabilities, &[], Separated, "change_root", &[libc::EPERM]),
    (LANDLOCK, &[Fence::NoNewPrivileges], Separated, "open", &[libc::EACCES]),
    (LANDLOCK, &[Fence::NoNewPrivileges], Separated, "connect", &[libc::EACCES]),
    (LANDLOCK, &[Fence::NoNewPrivileges], Separated, "connect_abstract", &[libc::EPERM]),
    (LANDLOCK, &[Fence::NoNewPrivileges], Separated, "signal_outside", &[libc::EPERM]),
    (Fence::Seccomp, &[Fence::NoNewPrivileges], Worker, "open", &[KILLED]),
    (Fence::NoDescriptors, &[], Worker, "open", &[libc::EMFILE]),
    (Fence::NoDescriptors, &[], Worker, "open_vsock", &[libc::EMFILE]),
    (Fence::SealedCode, &[], Worker, "change_code", &[libc::EPERM]),
    (Fence::NoExecGain, &[], Worker, "make_code", &[libc::EACCES]),
    (Fence::SecretMemory, &[], Separated, "read_secret", &[libc::EIO]),
];

/// What only root can do without the fence, so that others cannot see what it is good for.
const OF_ROOT: &[Fence] = &[
    Fence::UserNamespace,
    Fence::UnprivilegedUser,
    Fence::OwnUser,
    Fence::NoNewPrivileges,
    Fence::Capabilities,
];

/// What only root can do without a user namespace.
const IN_USER_NAMESPACE: &[Fence] = &[
    Fence::MountNamespace,
    Fence::NetNamespace,
    Fence::PidNamespace,
    Fence::IpcNamespace,
    Fence::UtsNamespace,
    Fence::EmptyRoot,
];

fn main() {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = args.iter().map(String::as_str).collect();
    match words.as_slice() {
        ["try", plan, stage, what, place] => try_it(plan, stage, what, place),
        ["whoami"] => exit_now(if rustix::process::geteuid().is_root() {
            DONE
        } else {
            REFUSED + libc::EPERM
        }),
        _ => {}
    }
    let listed = words.contains(&"--list");
    let named = |name: &str| {
        let mut filters = words.iter().filter(|word| !word.starts_with("--")).peekable();
        filters.peek().is_none()
            || filters.any(|filter| match words.contains(&"--exact") {
                true => *filter == name,
                false => name.contains(filter),
            })
    };
    let mut failed = 0;
    for (fence, base, stage, what, refusals) in TRIALS {
        let fence_name = format!("{fence:?}");
        let fence_name = fence_name.split(' ').next().unwrap_or_default();
        let name = format!("a_fence::{fence_name}_stops_{what}");
        if words.contains(&"--ignored") || !named(&name) {
            continue;
        }
        if listed {
            say(&format!("{name}: test"));
            continue;
        }
        let is_root = rustix::process::geteuid().is_root();
        if !is_root && OF_ROOT.contains(fence) {
            say(&format!("test {name} ... ok (not seen: it takes root)"));
            continue;
        }
        let mut base = base.to_vec();
        base.extend(
            (!is_root && IN_USER_NAMESPACE.contains(fence)).then_some(Fence::UserNamespace),
        );
        let Ok(place) = Place::new() else { exit_now(102) };
        let with = see(*fence, &base, true, *stage, what, &place);
        let without = see(*fence, &base, false, *stage, what, &place);
        match (with, without) {
            (_, Some(Fate::Status(NOT_HERE))) | (Some(Fate::Status(NOT_HERE)), _) => {
                say(&format!("test {name} ... ok (this host lacks it)"));
            }
            (Some(with), Some(Fate::Status(DONE))) if with.is_one_of(refusals) => {
                say(&format!("test {name} ... ok"));
            }
            _ => {
                say(&format!("test {name} ... FAILED\n  with it {with:?}, without {without:?}"));
                failed += 1;
            }
        }
    }
    exit_now(if failed == 0 { 0 } else { 101 })
}

fn say(line: &str) {
    use std::io::Write;
    let _ = writeln!(std::io::stdout(), "{line}");
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Fate {
    Status(i32),
    Signal(i32),
}

impl Fate {
    fn is_one_of(self, refusals: &[i32]) -> bool {
        refusals.iter().any(|refusal| match self {
            Fate::Signal(_) => *refusal == KILLED,
            Fate::Status(status) => *refusal != KILLED && status == REFUSED + refusal,
        })
    }
}

/// Runs one attempt in a fresh process, and tells how that ended.
fn see(
    fence: Fence,
    base: &[Fence],
    with: bool,
    stage: Stage,
    what: &str,
    place: &Place,
) -> Option<Fate> {
    let mut fences = base.to_vec();
    fences.extend(with.then_some(fence));
    let plan = Plan::only(&fences).supposing_swap().bits().to_string();
    let child = Command::new(std::env::current_exe().ok()?)
        .args(["try", &plan, &format!("{stage:?}"), what, &place.to_arg()])
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .process_group(0)
        .spawn()
        .ok()?;
    let group = Pid::from_raw(i32::try_from(child.id()).ok()?);
    let mut fate = None;
    while let Ok(Some(status)) = waitid(WaitId::Pgid(group), WaitIdOptions::EXITED) {
        match (status.exit_status(), status.terminating_signal()) {
            (Some(status), _) if status >= NOT_HERE => fate = Some(Fate::Status(status)),
            (None, Some(signal)) => fate = Some(Fate::Signal(signal)),
            _ => continue,
        }
        break;
    }
    drop(child);
    while let Ok(Some(_)) = waitid(WaitId::Pgid(group), WaitIdOptions::EXITED) {}
    fate
}

/// What the fresh process does: the way into the jail as far as the stage, and then the attempt.
fn try_it(plan: &str, stage: &str, what: &str, place: &str) -> ! {
    let Some(place) = Place::from_arg(place) else { exit_now(1) };
    let plan = Plan::from_bits(plan.parse().unwrap_or(0));
    let Ok((mut cell, lifeline, spare)) = Cell::begin_weakened(plan) else { exit_now(2) };
    // A neighbour is another user only where each worker is.
    let users = if what == "read_neighbour" { Users::One } else { Users::Each };
    cell.separate(users, 0, None);
    match cell.fork() {
        // The first of the namespace; it waits, and is nobody's neighbour.
        Ok(Side::Sibling) => wait_for_end(&lifeline),
        Ok(Side::Forker { .. }) => {}
        Err(_) => exit_now(3),
    }
    go_on_in_fork(&cell);
    if stage == "Separated" {
        attempt(what, plan, &place, None, None);
    }
    cell.settle_as_template();
    let neighbour = match cell.fork() {
        Ok(Side::Sibling) => {
            let _worker = cell.settle_as_worker(0, &spare, 5);
            wait_for_end(&lifeline)
        }
        Ok(Side::Forker { pidfd }) => pidfd,
        Err(_) => exit_now(4),
    };
    go_on_in_fork(&cell);
    let worker = cell.settle_as_worker(1, &spare, 5);
    if worker.forgo_descriptors().is_err() {
        exit_now(5);
    }
    attempt(what, plan, &place, Some(&worker), Some(&neighbour))
}

fn wait_for_end(lifeline: &std::os::fd::OwnedFd) -> ! {
    let _ = rustix::io::read(lifeline, &mut [0]);
    exit_now(0)
}

fn go_on_in_fork(cell: &Cell) {
    match cell.fork() {
        Ok(Side::Sibling) => {}
        Ok(Side::Forker { .. }) => exit_now(0),
        Err(_) => exit_now(6),
    }
}
