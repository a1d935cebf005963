//! Whether bytes are a whole, valid module, and how large its parts are.

use wasmparser::types::Types;
use wasmparser::{Chunk, Encoding, Parser, Payload, Validator, WasmFeatures};

use crate::engine::FEATURES;
use crate::limits::{FUNCTION_BYTES_MAX, FUNCTIONS_MAX, IMPORTS_MAX, TYPE_NESTING_MAX};
use crate::refused::{CompileLimit, Feature, Refused, Section};

/// The two kinds of WebAssembly binary.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Kind {
    Module,
    Component,
}

/// What was counted on the way through.
#[derive(Default)]
struct Counts {
    functions: u32,
    imports: usize,
    function_bytes: usize,
}

/// Goes through all parts of `module` and the modules in it, without looking into function bodies.
///
/// # Errors  If it ends too soon, is no sequence of sections, or has too many parts to compile.
pub(super) fn walk(module: &[u8]) -> Result<Kind, Refused> {
    let mut parser = Parser::new(0);
    let mut outer = Vec::new();
    let mut kind = Kind::Module;
    let mut counts = Counts::default();
    let mut in_code = false;
    let mut rest = module;
    loop {
        let at = (module.len() - rest.len()) as u64;
        let malformed = |error: wasmparser::Error| Refused::Malformed { offset: offset(&error) };
        let (consumed, payload) = match parser.parse(rest, rest.is_empty()).map_err(malformed)? {
            Chunk::Parsed { consumed, payload } => (consumed, payload),
            Chunk::NeedMoreData(_) => {
                let nested = !outer.is_empty();
                let section = section(rest, kind, nested, in_code);
                return Err(Refused::Truncated { section, offset: at });
            }
        };
        in_code =
            matches!(payload, Payload::CodeSectionStart { .. } | Payload::CodeSectionEntry(_));
        match payload {
            Payload::Version { encoding: Encoding::Component, .. } if outer.is_empty() => {
                kind = Kind::Component;
            }
            Payload::ModuleSection { parser: inner, unchecked_range }
            | Payload::ComponentSection { parser: inner, unchecked_range } => {
                if unchecked_range.end > module.len() {
                    let offset = module.len() as u64;
                    return Err(Refused::Truncated { section: Section::Nested, offset });
                }
                outer.push(core::mem::replace(&mut parser, inner));
            }
            Payload::End(_) => match outer.pop() {
                Some(parent) => parser = parent,
                None => return Ok(kind),
            },
            Payload::ComponentTypeSection(types) if nests_too_deep(module, types.range()) => {
                return Err(Refused::CompileLimit { limit: CompileLimit::Nesting });
            }
            payload => counts.add(&payload, outer.is_empty())?,
        }
        rest = rest.get(consumed..).unwrap_or(&[]);
    }
}

/// Whether types in this section may be declared within each other deeper than is safe to follow
/// down the stack. Counted from above, by the bytes that begin such a declaration: a type (1) that
/// is a component's (0x41) or an instance's (0x42).
fn nests_too_deep(module: &[u8], section: core::ops::Range<usize>) -> bool {
    let bytes = module.get(section).unwrap_or(&[]);
    let begins = |pair: &&[u8]| matches!(pair, [1, 0x41 | 0x42]);
    bytes.windows(2).filter(begins).count() > TYPE_NESTING_MAX
}

impl Counts {
    /// Imports are counted at the `outermost` level only: those inside are linked to each other,
    /// and a snapshot of Python has thousands.
    fn add(&mut self, payload: &Payload<'_>, outermost: bool) -> Result<(), Refused> {
        match payload {
            Payload::FunctionSection(functions) => {
                self.functions = self.functions.saturating_add(functions.count());
            }
            Payload::ImportSection(imports) if outermost => {
                self.imports += imports.count() as usize;
            }
            Payload::ComponentImportSection(imports) if outermost => {
                self.imports += imports.count() as usize;
            }
            Payload::CodeSectionEntry(body) => {
                self.function_bytes = self.function_bytes.max(body.as_bytes().len());
            }
            _ => {}
        }
        let limit = match () {
            () if self.functions > FUNCTIONS_MAX => CompileLimit::Functions,
            () if self.function_bytes > FUNCTION_BYTES_MAX => CompileLimit::FunctionBytes,
            () if self.imports > IMPORTS_MAX => CompileLimit::Imports,
            () => return Ok(()),
        };
        Err(Refused::CompileLimit { limit })
    }
}

/// The section that starts at `rest`, as far as one can say.
fn section(rest: &[u8], kind: Kind, nested: bool, in_code: bool) -> Section {
    match (rest.first(), kind) {
        _ if nested => Section::Nested,
        _ if in_code => Section::Code,
        (Some(0), _) => Section::Custom,
        (Some(1), Kind::Module) | (Some(7), Kind::Component) => Section::Types,
        (Some(2), Kind::Module) | (Some(10), Kind::Component) => Section::Imports,
        (Some(3), Kind::Module) => Section::Functions,
        (Some(4), Kind::Module) => Section::Tables,
        (Some(5), Kind::Module) => Section::Memories,
        (Some(6), Kind::Module) => Section::Globals,
        (Some(7), Kind::Module) | (Some(11), Kind::Component) => Section::Exports,
        (Some(9), Kind::Module) => Section::Elements,
        (Some(10), Kind::Module) => Section::Code,
        (Some(11), Kind::Module) => Section::Data,
        (Some(1 | 4), Kind::Component) => Section::Nested,
        _ => Section::Other,
    }
}

/// Validates all of `module` against the parts of WebAssembly that are on.
///
/// # Errors  Where the first fault is, and whether it is only a part that is off here.
pub(super) fn validate(module: &[u8]) -> Result<Types, Refused> {
    let error = match Validator::new_with_features(FEATURES).validate_all(module) {
        Ok(types) => return Ok(types),
        Err(error) => error,
    };
    let offset = offset(&error);
    // A fault at the very end is of what should have followed.
    if offset >= module.len() as u64 {
        return Err(Refused::Truncated { section: Section::Other, offset });
    }
    match feature(module) {
        Some(feature) => Err(Refused::Feature { feature, offset }),
        None => Err(Refused::Malformed { offset }),
    }
}

/// The part of WebAssembly that would make `module` valid, if one does.
fn feature(module: &[u8]) -> Option<Feature> {
    let valid = |features| Validator::new_with_features(features).validate_all(module).is_ok();
    if !valid(WasmFeatures::all()) {
        return None;
    }
    let all = [
        (WasmFeatures::THREADS, Feature::Threads),
        (WasmFeatures::MEMORY64, Feature::Memory64),
        (WasmFeatures::GC_TYPES.union(WasmFeatures::EXCEPTIONS), Feature::Exceptions),
        (WasmFeatures::LEGACY_EXCEPTIONS.union(WasmFeatures::GC_TYPES), Feature::Exceptions),
        (
            WasmFeatures::GC.union(WasmFeatures::GC_TYPES).union(WasmFeatures::FUNCTION_REFERENCES),
            Feature::Gc,
        ),
        (WasmFeatures::CM_ASYNC, Feature::ComponentAsync),
    ];
    let found = all.iter().find(|(features, _)| valid(FEATURES.union(*features)));
    Some(found.map_or(Feature::Other, |(_, feature)| *feature))
}

fn offset(error: &wasmparser::Error) -> u64 {
    error.offset() as u64
}
