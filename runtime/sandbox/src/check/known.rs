//! What is offered to components: read from the same files that guests are built against.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::LazyLock;

use wit_parser::Resolve;

/// The files, each after those it refers to.
const SOURCES: [(&str, &str); 6] = [
    ("io.wit", include_str!("../../../../sdk/wit/deps/io/io.wit")),
    ("clocks.wit", include_str!("../../../../sdk/wit/deps/clocks/clocks.wit")),
    ("random.wit", include_str!("../../../../sdk/wit/deps/random/random.wit")),
    ("filesystem.wit", include_str!("../../../../sdk/wit/deps/filesystem/filesystem.wit")),
    ("cli.wit", include_str!("../../../../sdk/wit/deps/cli/cli.wit")),
    ("task.wit", include_str!("../../../../sdk/wit/task.wit")),
];

/// An interface that is offered.
pub(super) struct Interface {
    /// The versions that match, such as `0.2`.
    pub(super) track: String,
    /// Functions and types, by the names that imports give them.
    pub(super) members: BTreeSet<String>,
}

/// Interfaces by name without version, such as `wasi:io/streams`.
pub(super) type Known = BTreeMap<String, Interface>;

/// Everything a component may import.
pub(super) static KNOWN: LazyLock<Known> = LazyLock::new(|| {
    let mut resolve = Resolve::default();
    for (path, text) in SOURCES {
        // The files are part of this binary. Should one be wrong, nothing in it is offered, and the
        // test below fails.
        let _ = resolve.push_source(path, text);
    }
    let interfaces = resolve.interfaces.iter().filter_map(|(_, interface)| {
        let package = resolve.packages.get(interface.package?)?;
        let name = &package.name;
        let version = name.version.as_ref()?.to_string();
        let types = interface.types.keys().cloned();
        let members = interface.functions.keys().cloned().chain(types).collect();
        let full = format!("{}:{}/{}", name.namespace, name.name, interface.name.as_ref()?);
        Some((full, Interface { track: track(&version).to_owned(), members }))
    });
    // `run` is what a command exports; nothing offers it.
    let interfaces = interfaces.filter(|(name, _)| name != "wasi:cli/run");
    #[cfg(feature = "weaken")]
    let interfaces = interfaces.chain(opened());
    interfaces.collect()
});

/// What tests open.
#[cfg(feature = "weaken")]
fn opened() -> Option<(String, Interface)> {
    use crate::weakened::{FUNCTION, INTERFACE, VERSION, is_open};
    let members = BTreeSet::from([FUNCTION.to_owned()]);
    let interface = Interface { track: track(VERSION).to_owned(), members };
    is_open().then(|| (INTERFACE.to_owned(), interface))
}

/// The part of a version that must match: the first number that is not zero and all before it, as
/// in semantic versioning. Pre-releases match nothing.
pub(super) fn track(version: &str) -> &str {
    let is_number = |part: &str| !part.is_empty() && part.bytes().all(|b| b.is_ascii_digit());
    if !version.split('.').all(is_number) {
        return "";
    }
    let mut end = 0;
    for part in version.split('.') {
        end += part.len();
        if part.bytes().any(|digit| digit != b'0') {
            break;
        }
        end += 1;
    }
    version.get(..end).unwrap_or(version)
}

#[cfg(test)]
mod what_is_known {
    use super::*;

    #[test]
    fn is_what_the_interface_files_say() {
        assert_eq!(KNOWN.len(), 22);
        let streams = &KNOWN["wasi:io/streams"];
        assert!(streams.members.contains("[method]input-stream.blocking-read"));
        assert!(streams.members.contains("output-stream"));
        assert_eq!(streams.track, "0.2");
        assert!(KNOWN["notrace:task/objects"].members.contains("list"));
        assert!(!KNOWN.contains_key("wasi:sockets/tcp"));
    }

    #[test]
    fn matches_versions_by_their_first_number_that_counts() {
        for (version, matched) in [
            ("0.2.0", "0.2"),
            ("0.2.12", "0.2"),
            ("0.3.0", "0.3"),
            ("1.2.3", "1"),
            ("0.0.4", "0.0.4"),
        ] {
            assert_eq!(track(version), matched);
        }
        assert_eq!(track("0.2.0-rc-2023-11-10"), "");
        assert_eq!(track(""), "");
    }
}
