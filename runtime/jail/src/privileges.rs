//! Privileges: none left, none to be had.

use landlock::{
    ABI, Access, AccessFs, AccessNet, CompatLevel, Compatible, LandlockStatus, Ruleset,
    RulesetAttr, RulesetStatus, Scope,
};
use rustix::io::Errno;
use rustix::thread::{CapabilitySet, CapabilitySets, set_capabilities};

use crate::fence::{Fence, Fences, State, Why};
use crate::limits::CAPABILITY_MAX;
use crate::process::check;

/// `execve` can add no right from here on. Seccomp and Landlock need it.
pub(crate) fn no_new_privileges() -> Result<(), Errno> {
    rustix::thread::set_no_new_privs(true)
}

/// What the template keeps inside its user namespace, so that each worker can become another user.
const SWITCHING: CapabilitySet = CapabilitySet::SETUID.union(CapabilitySet::SETGID);

/// Empties every capability set: bounding, ambient, then permitted, effective and inheritable. If
/// users are to be `switched` yet, the right to that stays until [`drop_last_capabilities`].
pub(crate) fn drop_capabilities(switched: bool) -> Result<(), Errno> {
    for capability in 0..=CAPABILITY_MAX {
        // Without CAP_SETPCAP this fails; then no capability is held that could be kept, and
        // no-new-privileges keeps the bounding set from mattering. Beyond the last: EINVAL.
        // SAFETY: takes only numbers.
        let _ = check(unsafe { libc::prctl(libc::PR_CAPBSET_DROP, capability, 0, 0, 0) });
    }
    // SAFETY: takes only numbers.
    check(unsafe { libc::prctl(libc::PR_CAP_AMBIENT, libc::PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0) })?;
    hold(if switched { SWITCHING } else { CapabilitySet::empty() })
}

/// Empties the sets that [`drop_capabilities`] left something in.
pub(crate) fn drop_last_capabilities() -> Result<(), Errno> {
    hold(CapabilitySet::empty())
}

fn hold(kept: CapabilitySet) -> Result<(), Errno> {
    let none = CapabilitySet::empty();
    set_capabilities(None, CapabilitySets { effective: kept, permitted: kept, inheritable: none })
}

/// Whether memory can be kept from becoming executable; [`no_exec_gain`] then does it.
pub(crate) fn can_refuse_exec_gain() -> Result<(), Errno> {
    // SAFETY: takes only numbers.
    check(unsafe { libc::prctl(libc::PR_GET_MDWE, 0, 0, 0, 0) }).map(|_| ())
}

/// From here on no memory of this process can become executable. What is executable stays so.
/// Cheap (a bit in the address space), so that it can be done in the path of a run.
pub(crate) fn no_exec_gain() -> Result<(), Errno> {
    let refuse = libc::PR_MDWE_REFUSE_EXEC_GAIN;
    // SAFETY: takes only numbers.
    check(unsafe { libc::prctl(libc::PR_SET_MDWE, refuse, 0, 0, 0) }).map(|_| ())
}

/// A Landlock domain without a single right.
pub(crate) fn landlock(fences: &mut Fences) {
    let missing = |why| (Fence::Landlock { abi: 0 }, State::Missing { why });
    let newest = ABI::V7;
    let built = Ruleset::default()
        .set_compatibility(CompatLevel::BestEffort)
        .handle_access(AccessFs::from_all(newest))
        .and_then(|rules| rules.handle_access(AccessNet::from_all(newest)))
        .and_then(|rules| rules.scope(Scope::from_all(newest)))
        .and_then(|rules| rules.create())
        .and_then(|rules| rules.restrict_self());
    let (fence, state) = match built {
        Ok(status) => match (status.ruleset, status.landlock) {
            (RulesetStatus::NotEnforced, _) => missing(Why::NotSupported),
            (_, LandlockStatus::Available { effective_abi, .. }) => (
                Fence::Landlock { abi: u8::try_from(effective_abi as i32).unwrap_or(0) },
                State::On,
            ),
            _ => missing(Why::NotSupported),
        },
        Err(_) => missing(Why::Failed),
    };
    fences.set(fence, state);
}
