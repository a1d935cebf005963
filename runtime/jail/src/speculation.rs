//! Speculation: what the processor may guess while a worker runs, where the kernel lets us say.

use rustix::io::Errno;

use crate::fence::{Fence, Fences, State, Why};
use crate::plan::Plan;
use crate::process::check;

/// Source: `PR_SET_SPECULATION_CTRL` in the kernel's userspace API guide, "Speculation Control".
const CONTROLS: [(Fence, libc::c_ulong, libc::c_ulong); 3] = [
    (Fence::StoreBypassOff, STORE_BYPASS, FORCE_DISABLE),
    (Fence::IndirectBranchOff, INDIRECT_BRANCH, FORCE_DISABLE),
    (Fence::CacheFlush, L1D_FLUSH, ENABLE),
];

const SCHED_CORE: libc::c_int = 62;
const GET: libc::c_int = 52;
const SET: libc::c_int = 53;
const STORE_BYPASS: libc::c_ulong = 0;
const INDIRECT_BRANCH: libc::c_ulong = 1;
const L1D_FLUSH: libc::c_ulong = 2;
const ENABLE: libc::c_ulong = 1 << 1;
const DISABLE: libc::c_ulong = 1 << 2;
const FORCE_DISABLE: libc::c_ulong = 1 << 3;
const CONTROLLABLE: libc::c_int = 1;

/// Asks for all of it, for this process and those it forks.
pub(crate) fn restrict(plan: Plan, fences: &mut Fences) {
    for (fence, which, wanted) in CONTROLS.into_iter().filter(|(fence, ..)| plan.keeps(*fence)) {
        fences.set(fence, control(which, wanted));
    }
    if plan.keeps(Fence::CoreScheduled) {
        fences.note(Fence::CoreScheduled, have_core_to_itself());
    }
}

/// Gives this process a mark of its own: the kernel lets no thread with another mark onto a core's
/// hardware threads at the same instant. A fork has its parent's mark until it asks for its own.
/// Where a core has one hardware thread, or the kernel cannot do it, there is no such thing.
///
/// Source: "Core Scheduling" in the kernel's administration guide.
pub(crate) fn have_core_to_itself() -> Result<(), Errno> {
    const CREATE: libc::c_ulong = 1;
    const SELF: libc::c_ulong = 0;
    const THREAD: libc::c_ulong = 0;
    const NOWHERE: libc::c_ulong = 0;
    // SAFETY: takes only numbers; none of them stands for memory when a mark is made.
    check(unsafe { libc::prctl(SCHED_CORE, CREATE, SELF, THREAD, NOWHERE) }).map(drop)
}

fn control(which: libc::c_ulong, wanted: libc::c_ulong) -> State {
    // SAFETY: takes only numbers.
    let now = match check(unsafe { libc::prctl(GET, which, 0, 0, 0) }) {
        Ok(now) => now,
        Err(errno) => return State::Missing { why: errno.into() },
    };
    // Zero: this processor does not have the flaw.
    if now == 0 {
        return State::On;
    }
    if now & CONTROLLABLE == 0 {
        // Off for all processes of this host is as good as off for ours; a flush that nobody can
        // have is not.
        let disabled = (DISABLE | FORCE_DISABLE) as libc::c_int & now != 0;
        return match wanted == FORCE_DISABLE && disabled {
            true => State::On,
            false => State::Missing { why: Why::NotSupported },
        };
    }
    // SAFETY: takes only numbers.
    match check(unsafe { libc::prctl(SET, which, wanted, 0, 0) }) {
        Ok(_) => State::On,
        Err(Errno::NXIO) => State::Missing { why: Why::NotSupported },
        Err(errno) => State::Missing { why: errno.into() },
    }
}
