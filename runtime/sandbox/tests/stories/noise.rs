//! Bytes of all kinds: looking at them answers, and never panics.

use proptest::prelude::*;

use crate::given::*;

const COMPONENT: &[u8] = b"\0asm\x0d\0\x01\0";

/// A section of a component around `body`.
fn section(id: u8, body: &[u8]) -> Vec<u8> {
    let length = u32::try_from(body.len()).unwrap();
    let size: Vec<u8> = (0..5)
        .map(|part| (length >> (7 * part)) as u8 & 0x7f | if part < 4 { 0x80 } else { 0 })
        .collect();
    [&[id], size.as_slice(), body].concat()
}

#[test]
fn nesting_without_end_is_refused_and_not_followed_down_the_stack() {
    let mut nested = COMPONENT.to_vec();
    for _ in 0..3_000 {
        nested = [COMPONENT, &section(4, &nested)].concat();
    }
    assert!(SANDBOX.check(&nested).is_err());
    for declares in [[0x41, 1, 1], [0x42, 1, 1]] {
        let types = [&[1], declares.repeat(100_000).as_slice()].concat();
        assert!(SANDBOX.check(&[COMPONENT, &section(7, &types)].concat()).is_err());
    }
}

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
