//! Makes a command of any module that imports nothing, so that what is in it is compiled and run.

use wasmparser::{CompositeInnerType, ExternalKind, FuncType, Parser, Payload, RefType, ValType};

use super::binary::{CODE, EXPORTS, FUNCTIONS, MEMORIES, Sections, TYPES, leb, signed, sized};
use crate::random::Random;

/// The most calls that a start makes.
const CALLS_MAX: usize = 12;
const END: u8 = 0x0b;
const DROP: u8 = 0x1a;
const CALL: u8 = 0x10;

/// What a module has, as far as calling it needs.
#[derive(Default)]
struct Shape {
    types: Vec<Option<FuncType>>,
    functions: Vec<u32>,
    exported: Vec<u32>,
    memories: u32,
    imports: u32,
}

/// `module` with a `_start` that calls some of what it exports, on odd values. As it is, if that
/// cannot be done.
pub(super) fn made_of(module: &[u8], random: &mut Random) -> Vec<u8> {
    command(module, random).unwrap_or_else(|| module.to_vec())
}

fn command(module: &[u8], random: &mut Random) -> Option<Vec<u8>> {
    let shape = Shape::of(module).filter(|shape| shape.imports == 0)?;
    let mut sections = Sections::of(module)?;
    let start_type = sections.add(TYPES, &[0x60, 0, 0]);
    let start = sections.add(FUNCTIONS, &leb(u64::from(start_type)));
    if shape.memories == 0 {
        sections.put(MEMORIES, vec![1, 0, 1]);
    }
    sections.put(EXPORTS, vec![0]);
    sections.add(EXPORTS, &export("_start", 0, start));
    sections.add(EXPORTS, &export("memory", 2, 0));
    let mut body = vec![0];
    for _ in 0..random.below(CALLS_MAX) + 1 {
        if let Some(function) = random.of_these(&shape.exported) {
            body.extend(shape.call(*function, random).unwrap_or_default());
        }
    }
    body.push(END);
    sections.add(CODE, &sized(&body));
    Some(sections.module())
}

fn export(name: &str, kind: u8, number: u32) -> Vec<u8> {
    [sized(name.as_bytes()), vec![kind], leb(u64::from(number))].concat()
}

impl Shape {
    fn of(module: &[u8]) -> Option<Self> {
        let mut shape = Self::default();
        for payload in Parser::new(0).parse_all(module) {
            match payload.ok()? {
                Payload::TypeSection(types) => {
                    for types in types {
                        for of in types.ok()?.into_types() {
                            let inner = &of.composite_type.inner;
                            shape.types.push(match inner {
                                CompositeInnerType::Func(of) => Some(of.clone()),
                                _ => None,
                            });
                        }
                    }
                }
                Payload::ImportSection(imports) => shape.imports += imports.count(),
                Payload::FunctionSection(functions) => {
                    shape.functions = functions.into_iter().collect::<Result<_, _>>().ok()?;
                }
                Payload::MemorySection(memories) => shape.memories = memories.count(),
                Payload::ExportSection(exports) => {
                    for export in exports {
                        let export = export.ok()?;
                        if export.kind == ExternalKind::Func {
                            shape.exported.push(export.index);
                        }
                    }
                }
                _ => {}
            }
        }
        Some(shape)
    }

    /// A call of a function on odd values, and its results dropped.
    fn call(&self, function: u32, random: &mut Random) -> Option<Vec<u8>> {
        let of = *self.functions.get(function as usize)?;
        let of = self.types.get(of as usize)?.as_ref()?;
        let mut code = Vec::new();
        for parameter in of.params() {
            code.extend(odd(*parameter, random)?);
        }
        code.push(CALL);
        code.extend(leb(u64::from(function)));
        code.extend(core::iter::repeat_n(DROP, of.results().len()));
        Some(code)
    }
}

/// A value at an edge of its type, or any.
fn odd(of: ValType, random: &mut Random) -> Option<Vec<u8>> {
    let any = random.next();
    Some(match of {
        ValType::I32 => [vec![0x41], signed(i64::from(edge(random) as i32))].concat(),
        ValType::I64 => [vec![0x42], signed(edge(random))].concat(),
        ValType::F32 => [&[0x43][..], &(any as u32).to_le_bytes()].concat(),
        ValType::F64 => [&[0x44][..], &any.to_le_bytes()].concat(),
        ValType::V128 => [&[0xfd, 0x0c][..], &random.bytes(16)].concat(),
        ValType::Ref(of) if of == RefType::FUNCREF => vec![0xd0, 0x70],
        ValType::Ref(_) => return None,
    })
}

/// A number at an edge, or any.
pub(super) fn edge(random: &mut Random) -> i64 {
    const EDGES: [i64; 14] = [
        0,
        1,
        -1,
        2,
        0x7f,
        0xffff,
        0x10000,
        0x7fff_ffff,
        -0x8000_0000,
        0xffff_ffff,
        0xffff_fffc,
        i64::MAX,
        i64::MIN,
        0x1_0000_0000,
    ];
    let any = random.next() as i64;
    random.of_these(&EDGES).copied().filter(|_| any & 3 != 0).unwrap_or(any)
}
