//! Which processors make one core, as the kernel tells it.

use std::fs;
use std::path::Path;

use rustix::thread::sched_getaffinity;

/// The most processors that are looked at.
const CPUS_MAX: u16 = 1024;

/// Processors that this process may use, those of one core together, in order. Never empty.
pub(crate) fn cores() -> Vec<Box<[u16]>> {
    let allowed = match sched_getaffinity(None) {
        Ok(set) => (0..CPUS_MAX).filter(|cpu| set.is_set(usize::from(*cpu))).collect(),
        Err(_) => vec![0],
    };
    group(&allowed, |cpu| {
        let path = format!("/sys/devices/system/cpu/cpu{cpu}/topology/thread_siblings_list");
        list(&fs::read_to_string(Path::new(&path)).ok()?)
    })
}

/// All of them as one.
pub(crate) fn whole(cores: Vec<Box<[u16]>>) -> Vec<Box<[u16]>> {
    vec![cores.iter().flatten().copied().collect()]
}

/// Processors by core. One of which nothing is known is a core of its own only if that of all is
/// unknown: otherwise it might be a sibling, and is not used.
fn group(allowed: &[u16], siblings: impl Fn(u16) -> Option<Vec<u16>>) -> Vec<Box<[u16]>> {
    let told: Vec<(u16, Option<Vec<u16>>)> =
        allowed.iter().map(|cpu| (*cpu, siblings(*cpu))).collect();
    if told.iter().all(|(_, siblings)| siblings.is_none()) {
        // Then they may all be siblings of each other.
        return vec![allowed.into()];
    }
    let mut cores: Vec<Box<[u16]>> = Vec::new();
    for (cpu, siblings) in told {
        let Some(siblings) = siblings else { continue };
        if cores.iter().any(|core| core.contains(&cpu)) {
            continue;
        }
        // A sibling that we may not use can be somebody else's: only with all of them is it whole.
        if siblings.contains(&cpu) && siblings.iter().all(|sibling| allowed.contains(sibling)) {
            cores.push(siblings.into());
        }
    }
    if cores.is_empty() { vec![allowed.into()] } else { cores }
}

/// A list of processors as the kernel writes it, as in `0-1,4`.
fn list(text: &str) -> Option<Vec<u16>> {
    let mut cpus = Vec::new();
    for part in text.trim().split(',') {
        let (first, last) = part.split_once('-').unwrap_or((part, part));
        let (first, last): (u16, u16) = (first.parse().ok()?, last.parse().ok()?);
        if last >= CPUS_MAX {
            return None;
        }
        cpus.extend(first..=last);
    }
    (!cpus.is_empty()).then_some(cpus)
}

#[cfg(test)]
mod processors {
    use super::*;

    fn grouped(allowed: &[u16], siblings: &[(u16, &str)]) -> Vec<Vec<u16>> {
        let told =
            |cpu| siblings.iter().find(|(of, _)| *of == cpu).and_then(|(_, text)| list(text));
        group(allowed, told).iter().map(|core| core.to_vec()).collect()
    }

    #[test]
    fn that_share_a_core_are_one() {
        let told = [(0, "0,2\n"), (1, "1,3\n"), (2, "0,2\n"), (3, "1,3\n")];
        assert_eq!(grouped(&[0, 1, 2, 3], &told), [[0, 2], [1, 3]]);
        assert_eq!(grouped(&[0, 1], &[(0, "0"), (1, "1")]), [[0], [1]]);
    }

    #[test]
    fn whose_sibling_is_somebody_elses_are_not_used() {
        let told = [(0, "0-1"), (1, "0-1"), (2, "2-3")];
        assert_eq!(grouped(&[0, 1, 2], &told), [[0, 1]]);
    }

    #[test]
    fn of_which_nothing_is_known_are_one_core() {
        assert_eq!(grouped(&[0, 1], &[]), [[0, 1]]);
        assert_eq!(grouped(&[0], &[(0, "0-")]), [[0]]);
    }

    #[test]
    fn are_read_as_the_kernel_writes_them() {
        assert_eq!(list("0-2,5\n"), Some(vec![0, 1, 2, 5]));
        for bad in ["", "a", "3-", "0-70000", "0-5000"] {
            assert_eq!(list(bad), None, "{bad}");
        }
    }

    #[test]
    fn of_this_host_are_at_least_one() {
        assert!(cores().iter().all(|core| !core.is_empty()) && !cores().is_empty());
        assert_eq!(whole(cores()).len(), 1);
    }
}
