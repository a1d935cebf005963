//! How much of other people's code we may carry.
//!
//! Each dependency is somebody we trust with the promise, so the number is a rule and not a habit.

use crate::Breach;
use crate::crates::Member;

/// Folder, then how many crates of others it may name.
const BUDGETS: [(&str, usize); 4] =
    [("policy/promise", 6), ("policy/evidence", 6), ("policy/rules", 6), ("store/protocol", 0)];

/// Packages in the lock file, ours included.
pub const LOCK_MAX: usize = 520;

/// Crates over their budget, and a lock file over its own.
#[must_use]
pub fn breaches(members: &[Member], lock: &str) -> Vec<Breach> {
    let mut found = Vec::new();
    for (folder, budget) in BUDGETS {
        let Some(member) = members.iter().find(|member| member.folder == folder) else { continue };
        let direct = member.shipped().count();
        if direct > budget {
            let what = format!("{direct} dependencies, {budget} allowed");
            found.push(Breach::new(&format!("{folder}/Cargo.toml"), 0, what));
        }
    }
    let locked = lock.lines().filter(|line| *line == "[[package]]").count();
    if locked > LOCK_MAX {
        let what = format!("{locked} packages, {LOCK_MAX} allowed");
        found.push(Breach::new("Cargo.lock", 0, what));
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::crates::{Dependency, Need, members};
    use crate::expect_none;
    use crate::repository::Repository;

    fn member(folder: &str, count: usize, need: Need) -> Member {
        let one = Dependency { name: "x".to_owned(), need, ours: false };
        Member {
            name: folder.replace('/', "-"),
            folder: folder.to_owned(),
            dependencies: vec![one; count],
            roots: Vec::new(),
        }
    }

    #[test]
    fn the_repository_is_within_its_budgets() {
        let repository = Repository::open().unwrap();
        let lock = repository.text("Cargo.lock").unwrap();
        assert!(lock.contains("[[package]]"));
        expect_none(&breaches(&members(&repository).unwrap(), &lock));
    }

    #[test]
    fn one_dependency_too_many_is_refused() {
        assert_eq!(breaches(&[member("policy/promise", 7, Need::Normal)], "").len(), 1);
        assert_eq!(breaches(&[member("policy/promise", 6, Need::Normal)], "").len(), 0);
        assert_eq!(breaches(&[member("store/protocol", 1, Need::Normal)], "").len(), 1);
    }

    #[test]
    fn what_only_tests_need_is_free() {
        assert_eq!(breaches(&[member("store/protocol", 3, Need::Test)], "").len(), 0);
    }

    #[test]
    fn a_lock_file_over_its_budget_is_refused() {
        assert_eq!(breaches(&[], &"[[package]]\n".repeat(LOCK_MAX + 1)).len(), 1);
        assert_eq!(breaches(&[], &"[[package]]\n".repeat(LOCK_MAX)).len(), 0);
    }
}
