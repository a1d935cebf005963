//! Namespaces and the empty root: what is not there cannot be reached.
//!
//! Root sets up the mount, network, IPC, UTS and PID namespaces first, as root, then becomes an
//! unprivileged user and enters a user namespace that owns none of them. Anybody else enters the
//! user namespace first, because only there may they create the others.

use std::ffi::CStr;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use rustix::fs::{CWD, Mode, OFlags, openat};
use rustix::io::Errno;
use rustix::process::{DumpableBehavior, getegid, geteuid, set_dumpable_behavior};

use crate::fence::{Fence, Fences, State, Why};
use crate::limits::{INNER_ID, UNPRIVILEGED_ID};
use crate::process::check;

/// The namespaces besides that of users, in the order in which they are entered.
const INNER: [(Fence, libc::c_int); 5] = [
    (Fence::NetNamespace, libc::CLONE_NEWNET),
    (Fence::IpcNamespace, libc::CLONE_NEWIPC),
    (Fence::UtsNamespace, libc::CLONE_NEWUTS),
    (Fence::PidNamespace, libc::CLONE_NEWPID),
    (Fence::MountNamespace, libc::CLONE_NEWNS),
];

/// Enters what this host allows. The PID namespace holds for processes forked from now on.
pub(crate) fn enter(fences: &mut Fences) {
    let proc_self = openat(
        CWD,
        "/proc/self",
        OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC,
        Mode::empty(),
    );
    let as_root = geteuid().is_root();
    if as_root {
        enter_inner(fences);
        let became = become_unprivileged();
        fences.note(Fence::UnprivilegedUser, became);
        fences.note(Fence::UserNamespace, enter_user(&proc_self));
    } else {
        fences.set(Fence::UnprivilegedUser, State::On);
        let user = fences.note(Fence::UserNamespace, enter_user(&proc_self));
        match user {
            State::On => enter_inner(fences),
            State::Missing { .. } => none_of_inner(fences),
        }
    }
}

fn enter_inner(fences: &mut Fences) {
    for (fence, flag) in INNER {
        fences.note(fence, unshare(flag));
    }
    let state = if fences.stands(Fence::MountNamespace) {
        empty_root().map_or_else(|errno| State::Missing { why: errno.into() }, |()| State::On)
    } else {
        State::Missing { why: Why::BuildsOnMissing }
    };
    fences.set(Fence::EmptyRoot, state);
}

fn none_of_inner(fences: &mut Fences) {
    let missing = State::Missing { why: Why::BuildsOnMissing };
    INNER.iter().for_each(|(fence, _)| fences.set(*fence, missing));
    fences.set(Fence::EmptyRoot, missing);
}

fn unshare(flag: libc::c_int) -> Result<(), Errno> {
    // SAFETY: takes only a number. The process has one thread (`Alone`), so none is left behind.
    check(unsafe { libc::unshare(flag) }).map(|_| ())
}

/// Leaves root for good: no supplementary group, then the group, then the user.
fn become_unprivileged() -> Result<(), Errno> {
    let id = UNPRIVILEGED_ID;
    // SAFETY: an empty list; the pointer is not read.
    check(unsafe { libc::setgroups(0, core::ptr::null()) })?;
    // SAFETY: takes only numbers.
    check(unsafe { libc::setresgid(id, id, id) })?;
    // SAFETY: takes only numbers.
    check(unsafe { libc::setresuid(id, id, id) })?;
    Ok(())
}

/// A user namespace with one user in it, who is not root there either.
fn enter_user(proc_self: &Result<OwnedFd, Errno>) -> Result<(), Errno> {
    let proc_self = proc_self.as_ref().map_err(|errno| *errno)?;
    let (user, group) = (geteuid().as_raw(), getegid().as_raw());
    // The files of a process that is not dumpable belong to root, and so the maps could not be
    // written. There is nothing yet to dump; the caller closes the process to others next.
    set_dumpable_behavior(DumpableBehavior::Dumpable)?;
    unshare(libc::CLONE_NEWUSER)?;
    write(proc_self.as_fd(), c"setgroups", "deny")?;
    write(proc_self.as_fd(), c"uid_map", &format!("{INNER_ID} {user} 1\n"))?;
    write(proc_self.as_fd(), c"gid_map", &format!("{INNER_ID} {group} 1\n"))
}

fn write(directory: BorrowedFd<'_>, name: &CStr, text: &str) -> Result<(), Errno> {
    let file = openat(directory, name, OFlags::WRONLY | OFlags::CLOEXEC, Mode::empty())?;
    rustix::io::write(&file, text.as_bytes()).map(|_| ())
}

/// Replaces the root by an empty directory that cannot be written, and lets go of the old one.
fn empty_root() -> Result<(), Errno> {
    let flags = libc::MS_NOSUID | libc::MS_NODEV | libc::MS_NOEXEC;
    mount(None, c"/", libc::MS_REC | libc::MS_PRIVATE)?;
    // Any directory will do as the place to stand on; hosts differ in which ones they have.
    let places = [c"/tmp", c"/proc", c"/dev", c"/sys", c"/usr"];
    let place = places
        .into_iter()
        .find(|place| mount(Some(c"tmpfs"), place, flags).is_ok())
        .ok_or(Errno::PERM)?;
    rustix::process::chdir(place)?;
    // Source: pivot_root(2), NOTES: new and old root may be the same directory.
    // SAFETY: two literal strings.
    check(unsafe { libc::syscall(libc::SYS_pivot_root, c".".as_ptr(), c".".as_ptr()) })?;
    // SAFETY: a literal string.
    check(unsafe { libc::umount2(c".".as_ptr(), libc::MNT_DETACH) })?;
    rustix::process::chdir(c"/")?;
    mount(None, c"/", libc::MS_REMOUNT | libc::MS_BIND | libc::MS_RDONLY | flags)
}

fn mount(kind: Option<&CStr>, place: &CStr, flags: libc::c_ulong) -> Result<(), Errno> {
    let name = kind.map_or(core::ptr::null(), CStr::as_ptr);
    let data = kind.map_or(core::ptr::null(), |_| c"size=4k,nr_inodes=2,mode=555".as_ptr());
    // SAFETY: every pointer is null or a string with its end, alive for the call.
    check(unsafe { libc::mount(name, place.as_ptr(), name, flags, data.cast()) }).map(|_| ())
}
