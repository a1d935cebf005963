//! Where `unsafe` may stand: two crates, and one file where the engine demands it.

use crate::Breach;
use crate::crates::Member;
use crate::repository::Repository;
use crate::source::{Source, attribute, is_word, line_of};

/// Crates and files that may hold `unsafe`.
pub const MAY: [&str; 3] = ["runtime/jail/", "store/fabric/", ENGINE];

/// Loading compiled code is `unsafe` in the engine's interface, because it trusts the bytes; ours
/// are authenticated.
const ENGINE: &str = "runtime/sandbox/src/load.rs";

/// `unsafe` where it may not stand.
#[must_use]
pub fn breaches(source: &Source) -> Vec<Breach> {
    if MAY.iter().any(|place| source.path.starts_with(place)) {
        return Vec::new();
    }
    let mut found = Vec::new();
    source.each_run(|run| {
        for token in run.iter().filter(|token| is_word(token, "unsafe")) {
            let what = "`unsafe` belongs into runtime/jail or store/fabric";
            found.push(Breach::new(&source.path, line_of(token), what));
        }
    });
    found
}

/// Crate roots that do not forbid `unsafe`.
#[must_use]
pub fn root_breaches(repository: &Repository, members: &[Member]) -> Vec<Breach> {
    let mut found = Vec::new();
    for root in members.iter().flat_map(|member| &member.roots) {
        // The crate of the one excepted file cannot forbid; the workspace denies, and the file
        // itself expects.
        let crate_folder = root.split("/src/").next().unwrap_or_default();
        let crate_folder = format!("{crate_folder}/");
        let excepted = MAY
            .iter()
            .any(|place| place.starts_with(&crate_folder) || crate_folder.starts_with(place));
        let forbids = repository
            .text(root)
            .and_then(|text| Source::parse(root, &text).ok())
            .is_some_and(|source| forbids_unsafe(&source));
        if !forbids && !excepted {
            found.push(Breach::new(root, 1, "has no `#![forbid(unsafe_code)]`"));
        }
    }
    found
}

fn forbids_unsafe(source: &Source) -> bool {
    let mut forbids = false;
    source.each_run(|run| {
        for at in 0..run.len() {
            forbids |= attribute(run, at).is_some_and(|(words, _)| {
                words.starts_with(&["forbid".into(), "unsafe_code".into()])
            });
        }
    });
    forbids
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::crates::members;
    use crate::expect_none;

    fn judged(path: &str, text: &str) -> usize {
        breaches(&Source::parse(path, text).unwrap()).len()
    }

    #[test]
    fn unsafe_is_where_it_may_be() {
        let sources = Repository::open().unwrap().sources().unwrap();
        let found: Vec<Breach> = sources.iter().flat_map(breaches).collect();
        expect_none(&found);
    }

    #[test]
    fn every_other_crate_forbids_it() {
        let repository = Repository::open().unwrap();
        expect_none(&root_breaches(&repository, &members(&repository).unwrap()));
    }

    #[test]
    fn a_block_in_the_wrong_crate_is_refused() {
        let text = "fn a() { unsafe { b() } }";
        assert_eq!(judged("store/log/src/lib.rs", text), 1);
        assert_eq!(judged("runtime/jail/src/lib.rs", text), 0);
        assert_eq!(judged("store/log/src/lib.rs", "unsafe impl Send for A {}"), 1);
    }

    #[test]
    fn a_root_that_does_not_forbid_is_seen() {
        let parse = |text: &str| Source::parse("a/src/lib.rs", text).unwrap();
        assert!(forbids_unsafe(&parse("#![forbid(unsafe_code)]")));
        assert!(!forbids_unsafe(&parse("#![deny(unsafe_code)]")));
        assert!(!forbids_unsafe(&parse("// #![forbid(unsafe_code)]")));
    }
}
