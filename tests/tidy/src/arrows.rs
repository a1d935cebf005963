//! Who may import whom.
//!
//! The table is the architecture: an arrow that is not here is a decision somebody has to take in
//! the open, by adding a word to a line below and its reason to the README of the folder it starts
//! from.

use crate::Breach;
use crate::crates::{Member, Need};

/// Crate, then what it may import besides `policy/promise`, which all may.
const ARROWS: [(&str, &[&str]); 22] = [
    ("policy/promise", &[]),
    ("policy/evidence", &[]),
    ("policy/rules", &[]),
    ("store/protocol", &[]),
    ("store/objects", &["store/protocol"]),
    ("store/log", &["store/protocol"]),
    ("store/fabric", &["store/fabric/libfabric-sys"]),
    ("store/fabric/libfabric-sys", &[]),
    ("store/replica", &["store/protocol", "store/log", "store/fabric"]),
    ("runtime/jail", &[]),
    ("runtime/sandbox", &[]),
    ("runtime/worker", &["runtime/sandbox", "runtime/jail", "sdk/seal"]),
    ("sdk/guest", &[]),
    ("sdk/seal", &[]),
    ("sdk/wire", &[]),
    ("sdk/client", &["sdk/wire", "sdk/seal", "policy/evidence"]),
    ("platform/attest", &["policy/evidence"]),
    ("platform/node", NODE),
    ("platform/front", &["platform/node", "sdk/wire"]),
    ("platform/cli", CLI),
    ("examples/thumbnail", &["sdk/guest"]),
    ("examples/redact", &["sdk/guest"]),
];

/// The node speaks of versions and times, and those words are the protocol's.
const NODE: &[&str] = &[
    "store/protocol",
    "policy/evidence",
    "policy/rules",
    "store/replica",
    "store/fabric",
    "store/objects",
    "runtime/worker",
    "sdk/seal",
    "platform/attest",
];

/// One program hosts the node, the worker and the compiler, so the program names all three; and it
/// checks rules and modules by the code that a node asks.
const CLI: &[&str] = &[
    "platform/node",
    "platform/front",
    "sdk/client",
    "runtime/worker",
    "runtime/sandbox",
    "policy/rules",
];

/// Which floor a folder is on; what is on a floor may be tested with what is below it or beside it.
const FLOORS: [(&str, u8); 6] =
    [("policy", 0), ("store", 1), ("sdk", 1), ("runtime", 2), ("platform", 3), ("examples", 3)];

/// Arrows that are not in the table.
#[must_use]
pub fn breaches(members: &[Member]) -> Vec<Breach> {
    let mut found = Vec::new();
    for member in members.iter().filter(|member| !member.folder.starts_with("tests/")) {
        let manifest = format!("{}/Cargo.toml", member.folder);
        for dependency in member.dependencies.iter().filter(|it| it.ours) {
            let target = members
                .iter()
                .find(|other| other.name == dependency.name)
                .map_or(dependency.name.as_str(), |other| other.folder.as_str());
            let may = match dependency.need {
                Need::Test => may_test_with(&member.folder, target),
                Need::Normal | Need::Build => may_import(&member.folder, target),
            };
            if !may {
                found.push(Breach::new(
                    &manifest,
                    0,
                    format!("{} may not import {target}; tests/tidy/src/arrows.rs", member.folder),
                ));
            }
        }
    }
    found
}

fn may_import(from: &str, target: &str) -> bool {
    let listed = ARROWS.iter().any(|(name, arrows)| *name == from && arrows.contains(&target));
    listed || (target == "policy/promise" && from != "store/protocol")
}

fn may_test_with(from: &str, target: &str) -> bool {
    let floor = |folder: &str| {
        FLOORS.iter().find(|(name, _)| folder.starts_with(name)).map_or(u8::MAX, |(_, at)| *at)
    };
    target.starts_with("tests/") || floor(target) <= floor(from)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::crates::{Dependency, members};
    use crate::expect_none;
    use crate::repository::Repository;

    fn member(folder: &str, imports: &[(&str, Need)]) -> Member {
        let name = |folder: &str| format!("notrace-{}", folder.replace('/', "-"));
        Member {
            name: name(folder),
            folder: folder.to_owned(),
            dependencies: imports
                .iter()
                .map(|(to, need)| Dependency { name: name(to), need: *need, ours: true })
                .collect(),
            roots: Vec::new(),
        }
    }

    fn judged(from: &str, to: &str, need: Need) -> usize {
        breaches(&[member(from, &[(to, need)]), member(to, &[])]).len()
    }

    #[test]
    fn every_import_is_in_the_table() {
        expect_none(&breaches(&members(&Repository::open().unwrap()).unwrap()));
    }

    #[test]
    fn the_store_may_not_import_the_platform() {
        assert_eq!(judged("store/log", "platform/node", Need::Normal), 1);
        assert_eq!(judged("store/log", "platform/node", Need::Build), 1);
        assert_eq!(judged("store/log", "store/protocol", Need::Normal), 0);
    }

    #[test]
    fn the_protocol_imports_nothing_and_all_others_may_import_the_promise() {
        assert_eq!(judged("store/protocol", "policy/promise", Need::Normal), 1);
        assert_eq!(judged("store/fabric", "policy/promise", Need::Normal), 0);
    }

    #[test]
    fn nobody_imports_a_test() {
        assert_eq!(judged("platform/cli", "tests/bench", Need::Normal), 1);
        assert_eq!(judged("platform/cli", "tests/bench", Need::Test), 0);
    }

    #[test]
    fn a_test_may_look_down_but_not_up() {
        assert_eq!(judged("runtime/worker", "store/objects", Need::Test), 0);
        assert_eq!(judged("store/objects", "runtime/worker", Need::Test), 1);
    }
}
