//! Bytes of all kinds: looking at them answers, and never panics.

use proptest::prelude::*;

use crate::given::*;

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn arbitrary_bytes_are_refused(bytes in prop::collection::vec(any::<u8>(), 0..400)) {
        prop_assert!(SANDBOX.check(&bytes).is_err());
    }

    #[test]
    fn arbitrary_sections_are_looked_at(
        component in any::<bool>(),
        bytes in prop::collection::vec(any::<u8>(), 0..400),
    ) {
        let version: &[u8] = if component { b"\0asm\x0d\0\x01\0" } else { b"\0asm\x01\0\0\0" };
        let _ = SANDBOX.inspect(&[version, &bytes].concat());
    }

    #[test]
    fn a_damaged_module_is_refused_or_taken(
        which in 0..4_usize,
        at in any::<prop::sample::Index>(),
        with in prop::collection::vec(any::<u8>(), 1..6),
        cut in any::<prop::sample::Index>(),
    ) {
        let names = ["echo", "task_object", "component_http", "command_false"];
        let mut bytes = module(names[which]);
        let at = at.index(bytes.len());
        let end = (at + with.len()).min(bytes.len());
        bytes.splice(at..end, with);
        bytes.truncate(bytes.len().max(2) / 2 + cut.index(bytes.len()) / 2 + 1);
        if let Ok(inspection) = SANDBOX.inspect(&bytes) {
            let _ = inspection.verdict().map(|task| task.abilities());
        }
    }
}
