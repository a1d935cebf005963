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
