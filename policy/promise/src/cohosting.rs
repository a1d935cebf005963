//! With whom a run shared its processor.

use core::fmt;
use core::str::FromStr;

use crate::release::choices;
use crate::words::words;

choices! {
    /// Whose runs may be on the same hardware at the same time, from the most to the fewest.
    Cohosting, NotCohosting,
    "cohosting is one of shared, tenant_exclusive_core, tenant_exclusive_node":
    /// Anybody's, on any core.
    Shared = 0 "shared",
    /// Those of one tenant on each core, with all of its hardware threads.
    TenantExclusiveCore = 1 "tenant_exclusive_core",
    /// Those of one tenant on the whole machine.
    TenantExclusiveNode = 2 "tenant_exclusive_node",
}

words! {
    /// One thing that kept a run apart from others on its hardware.
    ApartFact;
    /// What is known to have kept it apart. A fact that is not known to hold is not in the set.
    Apart;
    /// No other tenant's worker was on its core, or on a hardware thread of it, at the time.
    CoreAlone = "core-alone",
    /// No other tenant's worker was on the machine at the time.
    NodeAlone = "node-alone",
    /// The kernel let only this worker's own threads be on the core's hardware threads.
    CoreScheduled = "core-scheduled",
    /// The kernel flushed the first-level cache when it left the processor.
    CacheFlushed = "cache-flushed",
    /// The kernel put a barrier of indirect branches before and behind it.
    BranchesFlushed = "branches-flushed",
    /// No core had more than one hardware thread.
    NoSiblings = "no-siblings",
}

#[cfg(test)]
mod a_mode {
    use super::*;

    #[test]
    fn is_a_closed_list_of_words() {
        for mode in Cohosting::ALL {
            assert_eq!(mode.as_str().parse(), Ok(*mode));
            assert_eq!(Cohosting::from_code(mode.code()), Some(*mode));
        }
        assert_eq!(Cohosting::from_code(3), None);
        assert_eq!("exclusive".parse::<Cohosting>(), Err(NotCohosting));
    }
}
