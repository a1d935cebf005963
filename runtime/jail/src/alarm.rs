//! The alarm: a timer of the kernel's that interrupts a running guest.

use std::sync::OnceLock;
use std::time::Duration;

use rustix::io::Errno;

use crate::process::check;

type Act = Box<dyn Fn() + Send + Sync>;

static ACT: OnceLock<Act> = OnceLock::new();

/// Says what an alarm does. Once per process; a second call changes nothing.
///
/// `act` runs inside a signal handler, between any two instructions: it may store to atomics and
/// nothing else. It must not allocate, lock or panic.
///
/// # Errors  What the kernel said.
pub fn on_alarm(act: impl Fn() + Send + Sync + 'static) -> Result<(), Errno> {
    let _ = ACT.set(Box::new(act));
    // SAFETY: all-zero is a valid `sigaction`: no flags, an empty mask, the default handler.
    let mut action: libc::sigaction = unsafe { core::mem::zeroed() };
    action.sa_sigaction = ring as extern "C" fn(libc::c_int) as usize;
    // On the alternate stack, because a guest may have used up its own.
    action.sa_flags = libc::SA_RESTART | libc::SA_ONSTACK;
    // SAFETY: `action` is initialised and outlives the call; `ring` is async-signal-safe.
    check(unsafe { libc::sigaction(libc::SIGALRM, &raw const action, core::ptr::null_mut()) })
        .map(|_| ())
}

extern "C" fn ring(_signal: libc::c_int) {
    if let Some(act) = ACT.get() {
        act();
    }
}

/// Rings the alarm once, in `wait` from now; zero takes a pending alarm back.
///
/// # Errors  What the kernel said.
pub fn alarm_in(wait: Duration) -> Result<(), Errno> {
    let value = libc::timeval {
        tv_sec: libc::time_t::try_from(wait.as_secs()).unwrap_or(libc::time_t::MAX),
        tv_usec: libc::suseconds_t::from(wait.subsec_micros()),
    };
    let never = libc::timeval { tv_sec: 0, tv_usec: 0 };
    let timer = libc::itimerval { it_interval: never, it_value: value };
    let previous: *mut libc::itimerval = core::ptr::null_mut();
    // The wrapper in libc takes its own timer type on some systems; the call itself is the same.
    // SAFETY: `timer` is initialised and outlives the call; a null previous value is allowed.
    check(unsafe {
        libc::syscall(libc::SYS_setitimer, libc::ITIMER_REAL, &raw const timer, previous)
    })
    .map(|_| ())
}
