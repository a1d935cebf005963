//! Which fences are put up: all of them, in every build that ships.
//!
//! A fence is only known to hold when the thing it stops works without it. The feature `weaken`
//! lets tests leave fences out; it does not compile without debug assertions, so that no release
//! build can have it.

use crate::fence::Fence;

/// Which fences are put up.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Plan {
    #[cfg(feature = "weaken")]
    left_out: u64,
    #[cfg(feature = "weaken")]
    accounted: bool,
    #[cfg(feature = "weaken")]
    swapping: bool,
}

impl Plan {
    /// All of them.
    pub const WHOLE: Self = Self {
        #[cfg(feature = "weaken")]
        left_out: 0,
        #[cfg(feature = "weaken")]
        accounted: false,
        #[cfg(feature = "weaken")]
        swapping: false,
    };

    /// Whether `fence` is put up.
    #[cfg(not(feature = "weaken"))]
    pub(crate) const fn keeps(self, _fence: Fence) -> bool {
        true
    }

    /// Whether a tracer counts the allowed calls.
    #[cfg(not(feature = "weaken"))]
    pub(crate) const fn is_accounted(self) -> bool {
        false
    }

    /// Whether the host is taken for one that has swap, whatever it says.
    #[cfg(not(feature = "weaken"))]
    pub(crate) const fn supposes_swap(self) -> bool {
        false
    }
}

#[cfg(feature = "weaken")]
impl Plan {
    /// Whether `fence` is put up.
    pub fn keeps(self, fence: Fence) -> bool {
        self.left_out & bit(fence) == 0
    }

    pub(crate) fn is_accounted(self) -> bool {
        self.accounted
    }

    pub(crate) fn supposes_swap(self) -> bool {
        self.swapping
    }

    /// All but these.
    #[must_use]
    pub fn without(fences: &[Fence]) -> Self {
        let left_out = fences.iter().fold(0, |bits, fence| bits | bit(*fence));
        Self { left_out, ..Self::WHOLE }
    }

    /// These alone.
    #[must_use]
    pub fn only(fences: &[Fence]) -> Self {
        Self { left_out: !Self::without(fences).left_out, ..Self::WHOLE }
    }

    /// The same, and a tracer counts which system calls were allowed by which rule. Without a
    /// tracer every allowed call fails.
    #[must_use]
    pub const fn accounted(self) -> Self {
        Self { accounted: true, ..self }
    }

    /// The same, on a host that is taken for one that has swap.
    #[must_use]
    pub const fn supposing_swap(self) -> Self {
        Self { swapping: true, ..self }
    }

    /// As a number that [`Plan::from_bits`] takes back: the way to a process that was executed.
    #[must_use]
    pub fn bits(self) -> u64 {
        let accounted = if self.accounted { ACCOUNTED } else { 0 };
        let swapping = if self.swapping { SWAPPING } else { 0 };
        self.left_out & !(ACCOUNTED | SWAPPING) | accounted | swapping
    }

    /// The plan of [`Plan::bits`].
    #[must_use]
    pub const fn from_bits(bits: u64) -> Self {
        Self {
            left_out: bits & !(ACCOUNTED | SWAPPING),
            accounted: bits & ACCOUNTED != 0,
            swapping: bits & SWAPPING != 0,
        }
    }
}

#[cfg(feature = "weaken")]
const ACCOUNTED: u64 = 1 << 63;
#[cfg(feature = "weaken")]
const SWAPPING: u64 = 1 << 62;

#[cfg(feature = "weaken")]
fn bit(fence: Fence) -> u64 {
    let same = |known: &Fence| core::mem::discriminant(known) == core::mem::discriminant(&fence);
    Fence::ALL.iter().position(same).map_or(0, |index| 1 << index)
}

#[cfg(test)]
mod a_release_build {
    use std::process::Command;

    /// Whether the compiler refuses this crate because of the feature. Other errors, such as that
    /// no dependency is at hand, are there in any case.
    fn refuses(debug_assertions: &str) -> bool {
        let root = concat!(env!("CARGO_MANIFEST_DIR"), "/src/lib.rs");
        let folder = tempfile::tempdir().unwrap();
        let told = Command::new("rustc")
            .args(["--edition", "2024", "--crate-type", "lib", "--emit", "metadata"])
            .args(["--cfg", "feature=\"weaken\"", "-C", debug_assertions, "--out-dir"])
            .arg(folder.path())
            .arg(root)
            .output()
            .unwrap();
        String::from_utf8_lossy(&told.stderr).contains("it is for tests, never for a release")
    }

    #[test]
    fn cannot_leave_fences_out() {
        assert!(refuses("debug-assertions=off"));
        assert!(!refuses("debug-assertions=on"));
    }
}
