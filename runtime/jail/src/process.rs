//! What any process of ours does to itself first: no core file, no tracer, no loose words.

use std::io::Write;
use std::os::fd::{FromRawFd, OwnedFd, RawFd};
use std::panic::PanicHookInfo;
use std::sync::Mutex;

use rustix::io::Errno;
use rustix::process::{DumpableBehavior, Resource, Rlimit, set_dumpable_behavior, setrlimit};

use crate::fence::{Fence, Fences};
use crate::limits::{ADDRESS_SPACE_BYTES_MAX, DESCRIPTORS_MAX, TEMPLATE_DESCRIPTORS_MAX};
use crate::plan::Plan;

const NONE: Rlimit = Rlimit { current: Some(0), maximum: Some(0) };

/// The exit status of a process of ours that panicked.
pub const EXIT_PANIC: i32 = 70;

/// What is added to the number of the signal that ended a child, to make its parent's status.
pub const EXIT_BY_SIGNAL: i32 = 128;

/// Makes a crash of this process write and show nothing: no core file, no tracing or reading by
/// other processes of the same user, and panics that say where and nothing else. For the node and
/// the command line; jailed processes do the same and more.
pub fn harden_process(panics: impl Write + Send + 'static) -> Fences {
    let mut fences = Fences::new();
    say_only_where(panics);
    close_to_others(Plan::WHOLE, &mut fences);
    fences
}

/// Panics write `panic at FILE:LINE`. The message is dropped: it may hold data.
fn say_only_where(panics: impl Write + Send + 'static) {
    crate::planted!(19, return);
    let panics = Mutex::new(panics);
    std::panic::set_hook(Box::new(move |info| {
        // Another panic may hold the lock; then there is already a line that says where.
        if let Ok(mut writer) = panics.try_lock() {
            let _ = writeln!(writer, "panic at {}", place(info));
        }
    }));
}

fn place(info: &PanicHookInfo<'_>) -> String {
    match info.location() {
        Some(at) => format!("{}:{}", at.file(), at.line()),
        None => "an unknown place".to_owned(),
    }
}

/// Panics end the process at once and in silence, with [`EXIT_PANIC`]: a jailed process has nobody
/// to talk to, and unwinding would only move data about.
pub fn exit_on_panic() {
    std::panic::set_hook(Box::new(|_| exit_now(EXIT_PANIC)));
}

/// No core file, no tracer.
pub fn close_to_others(plan: Plan, fences: &mut Fences) {
    crate::planted!(30, return);
    if plan.keeps(Fence::NoCoreDump) {
        fences.note(Fence::NoCoreDump, setrlimit(Resource::Core, NONE));
    }
    if plan.keeps(Fence::NotDumpable) {
        fences.note(Fence::NotDumpable, set_dumpable_behavior(DumpableBehavior::NotDumpable));
    }
}

/// Ends the process without running anything more of it: no destructor, no exit handler.
pub fn exit_now(status: i32) -> ! {
    // SAFETY: `_exit` takes any status and touches no memory of ours.
    unsafe { libc::_exit(status) }
}

/// Closes every descriptor from `first` on.
pub(crate) fn close_from(first: u32) -> Result<(), Errno> {
    close_between(first, u32::MAX)
}

/// Closes the descriptors from `first` to `last`, both included.
pub(crate) fn close_between(first: u32, last: u32) -> Result<(), Errno> {
    // SAFETY: the callers own no `OwnedFd` in the range, or forget them; no memory is involved.
    check(unsafe { libc::syscall(libc::SYS_close_range, first, last, 0) }).map(|_| ())
}

/// Takes the descriptor that this process was started with under `number`.
pub(crate) fn inherited(number: RawFd) -> OwnedFd {
    // SAFETY: called once per number at the start of main, before anything else could own it.
    unsafe { OwnedFd::from_raw_fd(number) }
}

/// Bounds what this process and those it forks can use up.
pub(crate) fn limit_resources(
    file_bytes_max: u64,
    processor_seconds: Option<u64>,
) -> Result<(), Errno> {
    let at = |most: u64| Rlimit { current: Some(most), maximum: Some(most) };
    setrlimit(Resource::Fsize, at(file_bytes_max))?;
    // A host may give less, which then is enough.
    let most = rustix::process::getrlimit(Resource::Nofile).maximum;
    let most = most.unwrap_or(TEMPLATE_DESCRIPTORS_MAX).min(TEMPLATE_DESCRIPTORS_MAX);
    setrlimit(Resource::Nofile, at(most))?;
    setrlimit(Resource::As, at(ADDRESS_SPACE_BYTES_MAX))?;
    setrlimit(Resource::Msgqueue, NONE)?;
    match processor_seconds {
        Some(seconds) => limit_processor(seconds),
        None => Ok(()),
    }
}

/// Ends this process once it has used `seconds` of processor time: the backstop behind all timers.
pub(crate) fn limit_processor(seconds: u64) -> Result<(), Errno> {
    let most = Rlimit { current: Some(seconds), maximum: Some(seconds.saturating_add(1)) };
    setrlimit(Resource::Cpu, most)
}

/// This process can start no other.
pub(crate) fn limit_processes_to_this() -> Result<(), Errno> {
    setrlimit(Resource::Nproc, NONE)
}

/// This process holds a few descriptors at most.
pub(crate) fn limit_descriptors() -> Result<(), Errno> {
    let most = Rlimit { current: Some(DESCRIPTORS_MAX), maximum: Some(DESCRIPTORS_MAX) };
    setrlimit(Resource::Nofile, most)
}

/// No descriptor can come into being in this process. Those it has stay.
pub(crate) fn no_more_descriptors() -> Result<(), Errno> {
    setrlimit(Resource::Nofile, NONE)
}

/// Bounds how much private memory this process may make writable, in bytes.
///
/// # Errors  What the kernel said; the old bound then stays.
pub fn limit_data(bytes_max: u64) -> Result<(), Errno> {
    setrlimit(Resource::Data, Rlimit { current: Some(bytes_max), maximum: Some(bytes_max) })
}

/// The value of a libc call, or `errno` when it is negative.
pub(crate) fn check<N: Copy + PartialOrd + From<i8>>(value: N) -> Result<N, Errno> {
    if value >= N::from(0) {
        return Ok(value);
    }
    let errno = std::io::Error::last_os_error().raw_os_error().unwrap_or(libc::EIO);
    Err(Errno::from_raw_os_error(errno))
}
