//! Swap: where the host has any, everything that a worker has is locked into memory.

use rustix::io::Errno;
use rustix::process::{Resource, Rlimit, setrlimit};

use crate::plan::Plan;
use crate::process::check;

/// All there is and will be, as soon as it is touched: what is only reserved stays so.
pub(crate) const EVERYTHING: libc::c_int = libc::MCL_CURRENT | libc::MCL_FUTURE | libc::MCL_ONFAULT;

/// Whether pages of this host may be written to a disk. Where nobody says, they may.
pub(crate) fn is_there(plan: Plan) -> bool {
    // The first line is the heading.
    let listed = std::fs::read_to_string("/proc/swaps").map_or(2, |text| text.lines().count());
    listed > 1 || plan.supposes_swap()
}

/// Lets this process and those it forks lock as much as they have. Only root may; others are bound
/// to what they were given, which is rarely enough.
pub(crate) fn lift_limit() {
    let _ = setrlimit(Resource::Memlock, Rlimit { current: None, maximum: None });
}

/// Locks everything. Not inherited by forks.
pub(crate) fn lock_everything() -> Result<(), Errno> {
    // SAFETY: takes only a number; no content changes.
    check(unsafe { libc::mlockall(EVERYTHING) }).map(|_| ())
}
