//! Namespaces and the empty root: what is not there cannot be reached.
//!
//! Root sets up the mount, network, IPC, UTS and PID namespaces first, as root, then becomes an
//! unprivileged user and enters a user namespace that owns none of them, and in which there is one
//! user for each worker. Anybody else enters the user namespace first, because only there may they
//! create the others; all workers then are the same user.

use std::ffi::CStr;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use rustix::fs::{CWD, Mode, OFlags, openat};
use rustix::io::Errno;
use rustix::pipe::{PipeFlags, pipe_with};
use rustix::process::{
    DumpableBehavior, Pid, WaitId, WaitIdOptions, getegid, geteuid, getpid, set_dumpable_behavior,
    waitid,
};

use crate::fence::{Fence, Fences, State, Why};
use crate::fork::{Alone, child};
use crate::limits::{FIRST_COMPILER, FIRST_USER, INNER_ID, TEMPLATES_MAX, USERS_MAX};
use crate::plan::Plan;
use crate::process::{check, exit_now};

/// Which users of the host a jailed process and those it forks are to be, if it was root.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Users {
    /// One for each worker that is forked.
    Each,
    /// One for this process alone, which forks nobody.
    One,
}

impl Users {
    /// The first of this process's. The kernel keeps account by user, of descriptors on their way
    /// for one, so what one node does must not count against another.
    fn first(self) -> u32 {
        let process = getpid().as_raw_nonzero().get().unsigned_abs();
        match self {
            Users::Each => FIRST_USER + process % TEMPLATES_MAX * USERS_MAX,
            // Two of these are never the same, because their processes are not.
            Users::One => FIRST_COMPILER + process,
        }
    }
}

/// The namespaces besides that of users, in the order in which they are entered.
const INNER: [(Fence, libc::c_int); 5] = [
    (Fence::NetNamespace, libc::CLONE_NEWNET),
    (Fence::IpcNamespace, libc::CLONE_NEWIPC),
    (Fence::UtsNamespace, libc::CLONE_NEWUTS),
    (Fence::PidNamespace, libc::CLONE_NEWPID),
    (Fence::MountNamespace, libc::CLONE_NEWNS),
];

/// Enters what this host allows. The PID namespace holds for processes forked from now on.
pub(crate) fn enter(plan: Plan, users: Users, alone: &Alone, fences: &mut Fences) {
    let proc_self = openat(
        CWD,
        "/proc/self",
        OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC,
        Mode::empty(),
    );
    let proc_self = proc_self.as_ref().map_err(|errno| *errno);
    if !geteuid().is_root() {
        fences.set(Fence::UnprivilegedUser, State::On);
        fences.set(Fence::OwnUser, State::Missing { why: Why::NotPermitted });
        if plan.keeps(Fence::UserNamespace) {
            let user = fences.note(Fence::UserNamespace, enter_user(proc_self));
            if user != State::On {
                return none_of_inner(fences);
            }
        }
        return enter_inner(plan, fences);
    }
    // While this is still root, as which alone it may map other users than its own; and before the
    // PID namespace is entered, which would end with the first process in it.
    let many = plan.keeps(Fence::OwnUser) && plan.keeps(Fence::UnprivilegedUser);
    let mapper = match users {
        Users::Each if many => Some(Mapper::fork(alone, proc_self, users.first())),
        Users::Each | Users::One => None,
    };
    enter_inner(plan, fences);
    if plan.keeps(Fence::UnprivilegedUser) {
        fences.note(Fence::UnprivilegedUser, become_unprivileged(users.first()));
    }
    if !plan.keeps(Fence::UserNamespace) {
        return;
    }
    let Some(mapper) = mapper else {
        let entered = fences.note(Fence::UserNamespace, enter_user(proc_self));
        if users == Users::One && plan.keeps(Fence::OwnUser) {
            fences.set(Fence::OwnUser, entered);
        }
        return;
    };
    let entered = mapper.and_then(|mapper| {
        unshare(libc::CLONE_NEWUSER)?;
        mapper.map()
    });
    let state = fences.note(Fence::UserNamespace, entered);
    fences.set(Fence::OwnUser, state);
}

/// A process that stays outside of the user namespace, where root still is root, and says there
/// which users of the host the namespace has. Ends once it did, or once this process ended.
struct Mapper {
    word: OwnedFd,
    process: Pid,
}

impl Mapper {
    fn fork(alone: &Alone, proc_self: Result<&OwnedFd, Errno>, first: u32) -> Result<Self, Errno> {
        let proc_self = proc_self?;
        let (heard, word) = pipe_with(PipeFlags::CLOEXEC)?;
        match child(alone)? {
            None => {
                drop(word);
                let told = rustix::io::read(&heard, &mut [0]) == Ok(1);
                exit_now(i32::from(!(told && map_users(proc_self.as_fd(), first).is_ok())))
            }
            Some(process) => Ok(Self { word, process }),
        }
    }

    /// Has the users mapped.
    fn map(self) -> Result<(), Errno> {
        rustix::io::write(&self.word, &[1])?;
        drop(self.word);
        match waitid(WaitId::Pid(self.process), WaitIdOptions::EXITED)? {
            Some(status) if status.exit_status() == Some(0) => Ok(()),
            _ => Err(Errno::PERM),
        }
    }
}

fn map_users(proc_of_jailed: BorrowedFd<'_>, first: u32) -> Result<(), Errno> {
    let map = format!("{INNER_ID} {first} {USERS_MAX}\n");
    write(proc_of_jailed, c"setgroups", "deny")?;
    write(proc_of_jailed, c"uid_map", &map)?;
    write(proc_of_jailed, c"gid_map", &map)
}

/// Becomes the user that only the worker of this slot is. The template is the first of them.
pub(crate) fn become_own_user(slot: u32) -> Result<(), Errno> {
    let index = slot.checked_add(1).filter(|index| *index < USERS_MAX).ok_or(Errno::USERS)?;
    become_user(INNER_ID + index)
}

fn enter_inner(plan: Plan, fences: &mut Fences) {
    for (fence, flag) in INNER.into_iter().filter(|(fence, _)| plan.keeps(*fence)) {
        // A new namespace has the old one's name; ours is nobody's.
        let entered = unshare(flag).and_then(|()| match fence {
            Fence::UtsNamespace => rustix::system::sethostname(b"worker"),
            _ => Ok(()),
        });
        fences.note(fence, entered);
    }
    if !plan.keeps(Fence::EmptyRoot) {
        return;
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
fn become_unprivileged(id: u32) -> Result<(), Errno> {
    // SAFETY: an empty list; the pointer is not read.
    check(unsafe { libc::setgroups(0, core::ptr::null()) })?;
    become_user(id)
}

fn become_user(id: u32) -> Result<(), Errno> {
    // The calls themselves, because libc's would tell other threads, of which there are none.
    // SAFETY: takes only numbers.
    check(unsafe { libc::syscall(libc::SYS_setresgid, id, id, id) })?;
    // SAFETY: takes only numbers.
    check(unsafe { libc::syscall(libc::SYS_setresuid, id, id, id) })?;
    Ok(())
}

/// A user namespace with one user in it, who is not root there either.
fn enter_user(proc_self: Result<&OwnedFd, Errno>) -> Result<(), Errno> {
    let proc_self = proc_self?;
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
