//! Modules that are small to send for what it takes to read, check, compile or start them.

use super::binary::{
    CODE, DATA, ELEMENTS, EXPORTS, FUNCTIONS, GLOBALS, MEMORIES, Sections, TABLES, TYPES, leb,
    list, signed, sized,
};
use crate::random::Random;

/// A way to make such a module.
pub struct Bomb {
    /// What there is much of.
    pub name: &'static str,
    /// How much of it still makes a module that is looked at whole.
    pub most: usize,
    /// Makes one of so many.
    pub make: fn(usize) -> Vec<u8>,
}

/// All that we thought of.
pub const BOMBS: &[Bomb] = &[
    Bomb { name: "functions", most: 300_000, make: functions },
    Bomb { name: "functions of another type each", most: 100_000, make: types },
    Bomb { name: "data segments", most: 99_000, make: data_segments },
    Bomb { name: "element segments", most: 99_000, make: element_segments },
    Bomb { name: "globals", most: 99_000, make: globals },
    Bomb { name: "exports", most: 99_000, make: exports },
    Bomb { name: "tables", most: 100, make: tables },
    Bomb { name: "memories", most: 100, make: memories },
    Bomb { name: "table elements", most: 10_000_000, make: table_elements },
    Bomb { name: "locals", most: 49_000, make: locals },
    Bomb { name: "functions of many locals", most: 3_000, make: functions_of_locals },
    Bomb { name: "parameters and results", most: 900, make: parameters },
    Bomb { name: "nested blocks", most: 600_000, make: nested_blocks },
    Bomb { name: "nested loops over locals", most: 2_000, make: loops_over_locals },
    Bomb { name: "branches", most: 60_000, make: branches },
    Bomb { name: "sums", most: 500_000, make: sums },
    Bomb { name: "live values over blocks", most: 1_000, make: live_values },
    Bomb { name: "shuffles", most: 80_000, make: shuffles },
    Bomb { name: "calls in a row", most: 200_000, make: calls },
    Bomb { name: "indirect calls", most: 150_000, make: indirect_calls },
    Bomb { name: "notes", most: 1_000_000, make: notes },
    Bomb { name: "nested components", most: 300_000, make: nested_components },
    Bomb { name: "modules in a component", most: 990, make: modules },
    Bomb { name: "types that double", most: 990, make: doubling },
    Bomb { name: "instances", most: 990, make: instances },
];

const END: u8 = 0x0b;
const I32: u8 = 0x7f;
const DROP: u8 = 0x1a;
const GET_ZERO: [u8; 2] = [0x41, 0];

/// One of them, mostly a small one.
pub(super) fn any(random: &mut Random) -> (String, Vec<u8>) {
    let Some(bomb) = random.of_these(BOMBS) else { return Default::default() };
    // The largest ones are for whoever feeds all of them; each costs seconds.
    let count = random.up_to((bomb.most / 8).max(1));
    (format!("{count} {}", bomb.name), (bomb.make)(count))
}

/// A command whose start is this, without the count of its locals and its end.
fn command(locals: &[u8], code: &[u8]) -> Sections {
    let mut sections = Sections::default();
    sections.put(TYPES, list([[0x60, 0, 0]]));
    sections.put(FUNCTIONS, list([[0]]));
    sections.put(MEMORIES, list([[0, 1]]));
    let start = [sized(b"_start"), vec![0, 0]].concat();
    let memory = [sized(b"memory"), vec![2, 0]].concat();
    sections.put(EXPORTS, list([start, memory]));
    sections.put(CODE, list([body(locals, code)]));
    sections
}

fn body(locals: &[u8], code: &[u8]) -> Vec<u8> {
    let none: &[u8] = if locals.is_empty() { &[0] } else { locals };
    sized(&[none, code, &[END]].concat())
}

fn many(piece: &[u8], count: usize) -> Vec<u8> {
    piece.repeat(count)
}

fn functions(count: usize) -> Vec<u8> {
    let mut sections = command(&[], &[]);
    sections.put(FUNCTIONS, list(vec![[0]; count]));
    sections.put(CODE, list(vec![[2, 0, END]; count]));
    sections.module()
}

/// Each type is one more parameter in binary, so that no two are the same.
fn types(count: usize) -> Vec<u8> {
    let mut sections = command(&[], &[]);
    for_each(&mut sections, TYPES, count, |number| {
        let parameters: Vec<u8> =
            (0..17).map(|bit| if number >> bit & 1 == 1 { I32 } else { 0x7e }).collect();
        [&[0x60][..], &sized(&parameters), &[0]].concat()
    });
    let functions = (0..=count).map(|number| leb(number as u64));
    let functions = list(functions);
    sections.put(FUNCTIONS, functions);
    sections.put(CODE, list(vec![[2, 0, END]; count + 1]));
    sections.module()
}

/// Adds so many entries to what a section has.
fn for_each(sections: &mut Sections, number: u8, count: usize, make: impl Fn(usize) -> Vec<u8>) {
    let had = sections.get(number).get(1..).unwrap_or(&[]).to_vec();
    let entries = (0..count).map(make);
    let first = (!had.is_empty()).then_some(had);
    let all = list(first.into_iter().chain(entries));
    sections.put(number, all);
}

fn data_segments(count: usize) -> Vec<u8> {
    let mut sections = command(&[], &[]);
    let segment = |at: usize| [&[0, 0x41][..], &signed((at % 65536) as i64), &[END, 1, 7]].concat();
    sections.put(DATA, list((0..count).map(segment)));
    sections.module()
}

fn element_segments(count: usize) -> Vec<u8> {
    let mut sections = command(&[], &[]);
    sections.put(TABLES, list([[0x70, 0, 1]]));
    sections.put(ELEMENTS, list(vec![[0, 0x41, 0, END, 1, 0]; count]));
    sections.module()
}

fn globals(count: usize) -> Vec<u8> {
    let mut sections = command(&[], &[]);
    sections.put(
        GLOBALS,
        list(
            vec![[0x7b, 1, 0xfd, 0x0c]; count]
                .into_iter()
                .map(|head| [&head[..], &[0; 16], &[END]].concat()),
        ),
    );
    sections.module()
}

fn exports(count: usize) -> Vec<u8> {
    let mut sections = command(&[], &[]);
    let had = [[sized(b"_start"), vec![0, 0]].concat(), [sized(b"memory"), vec![2, 0]].concat()];
    let export = |number: usize| [sized(format!("{number}").as_bytes()), vec![0, 0]].concat();
    sections.put(EXPORTS, list(had.into_iter().chain((0..count).map(export))));
    sections.module()
}

fn tables(count: usize) -> Vec<u8> {
    let mut sections = command(&[], &[]);
    let table = [&[0x70, 0][..], &leb(1_000_000)].concat();
    sections.put(TABLES, list(vec![table; count]));
    sections.module()
}

fn memories(count: usize) -> Vec<u8> {
    let mut sections = command(&[], &[]);
    let memory = [&[0][..], &leb(65536)].concat();
    sections.put(MEMORIES, list(vec![memory; count]));
    sections.module()
}

fn table_elements(count: usize) -> Vec<u8> {
    let mut sections = command(&[], &[]);
    sections.put(TABLES, list([[&[0x70, 0][..], &leb(count as u64)].concat()]));
    let filled = count.min(5_000_000);
    let segment = [&[0, 0x41, 0, END][..], &leb(filled as u64), &many(&[0], filled)].concat();
    sections.put(ELEMENTS, list([segment]));
    sections.module()
}

fn locals(count: usize) -> Vec<u8> {
    let mut code = Vec::new();
    for number in 0..count {
        // Each is read before it is written, and written with the next.
        let next = leb(((number + 1) % count) as u64);
        code.extend([&[0x20][..], &next, &[0x21], &leb(number as u64)].concat());
    }
    let locals = [&[1][..], &leb(count as u64), &[0x7b]].concat();
    command(&locals, &code).module()
}

fn functions_of_locals(count: usize) -> Vec<u8> {
    let mut sections = command(&[], &[]);
    sections.put(FUNCTIONS, list(vec![[0]; count]));
    let locals = [&[1][..], &leb(49_000), &[0x7b]].concat();
    sections.put(CODE, list(vec![body(&locals, &[]); count]));
    sections.module()
}

fn parameters(count: usize) -> Vec<u8> {
    let values = sized(&many(&[I32], count));
    let wide = [&[0x60][..], &values, &values].concat();
    let mut sections = command(&[], &[]);
    sections.add(TYPES, &wide);
    sections.add(FUNCTIONS, &[1]);
    let back: Vec<u8> = (0..count).flat_map(|at| [&[0x20][..], &leb(at as u64)].concat()).collect();
    let calls = [&many(&GET_ZERO, count)[..], &many(&[0x10, 1], 200), &many(&[DROP], count)];
    sections.put(CODE, list([body(&[], &calls.concat()), body(&[], &back)]));
    sections.module()
}

fn nested_blocks(count: usize) -> Vec<u8> {
    let code = [many(&[0x02, 0x40], count), many(&[END], count)].concat();
    command(&[], &code).module()
}

/// In the innermost loop each local is added to the next, so that each loop joins all of them.
fn loops_over_locals(count: usize) -> Vec<u8> {
    let mut code = many(&[0x03, 0x40], count);
    for number in 0..count {
        let (this, next) = (leb(number as u64), leb(((number + 1) % count) as u64));
        code.extend([&[0x20][..], &this, &[0x20], &next, &[0x6a, 0x21], &this].concat());
        code.extend([&[0x20][..], &this, &[0x0d], &this].concat());
    }
    code.extend(many(&[END], count));
    let locals = [&[1][..], &leb(count as u64), &[I32]].concat();
    command(&locals, &code).module()
}

/// Tables of branches, each to as many places.
fn branches(count: usize) -> Vec<u8> {
    let targets = leb(count as u64);
    let places: Vec<u8> = (0..count).flat_map(|at| leb((at % 100) as u64)).collect();
    let table = [&GET_ZERO[..], &[0x0e], &targets, &places, &[0]].concat();
    let blocks = [many(&[0x02, 0x40], 100), table, many(&[END], 100)].concat();
    let repeated = (1_500_000 / blocks.len()).clamp(1, 50);
    command(&[], &many(&blocks, repeated)).module()
}

fn sums(count: usize) -> Vec<u8> {
    let code = [&GET_ZERO[..], &many(&[0x41, 1, 0x6a], count), &[DROP]].concat();
    command(&[], &code).module()
}

/// So many values are on the stack while fifty times as many blocks begin and end.
fn live_values(count: usize) -> Vec<u8> {
    let mut code = Vec::new();
    for number in 0..count {
        code.extend([&GET_ZERO[..], &[0x28, 2], &leb(number as u64 * 4)].concat());
    }
    let block = [&[0x02, 0x40][..], &GET_ZERO, &[0x28, 2, 0, 0x0d, 0, END]].concat();
    code.extend(many(&block, count * 50));
    code.extend(many(&[0x6a], count - 1));
    code.push(DROP);
    command(&[], &code).module()
}

fn shuffles(count: usize) -> Vec<u8> {
    let value = [&[0xfd, 0x0c][..], &[3; 16]].concat();
    let lanes: Vec<u8> = (0..16).map(|lane| lane * 7 % 32).collect();
    let shuffle = [&value[..], &[0xfd, 0x0d], &lanes].concat();
    let code = [&value[..], &many(&shuffle, count), &[DROP]].concat();
    command(&[], &code).module()
}

fn calls(count: usize) -> Vec<u8> {
    let mut sections = command(&[], &[]);
    let last = count.saturating_sub(1);
    sections.put(FUNCTIONS, list(vec![[0]; count]));
    let bodies = (0..count).map(|number| {
        let next = leb((number + 1).min(last) as u64);
        let call = [&[0x10][..], &next].concat();
        body(&[], if number == last { &[] } else { &call })
    });
    let bodies = list(bodies);
    sections.put(CODE, bodies);
    sections.module()
}

fn indirect_calls(count: usize) -> Vec<u8> {
    let mut sections = command(&[], &many(&[0x41, 1, 0x11, 0, 0], count));
    sections.put(TABLES, list([[0x70, 0, 2]]));
    sections.module()
}

fn notes(count: usize) -> Vec<u8> {
    let mut module = command(&[], &[]).module();
    module.extend(many(&[0, 2, 1, b'x'], count));
    module
}

const COMPONENT: &[u8] = b"\0asm\x0d\0\x01\0";

/// A section of a component that holds these entries.
fn component(sections: &[(u8, Vec<u8>)]) -> Vec<u8> {
    let mut bytes = COMPONENT.to_vec();
    for (number, content) in sections {
        bytes.push(*number);
        bytes.extend(sized(content));
    }
    bytes
}

/// Each holds the next. The lengths are as the innermost needs them, so the outer ones are longer.
fn nested_components(count: usize) -> Vec<u8> {
    let depth = count.min(100_000);
    let mut lengths = Vec::with_capacity(depth);
    let mut length = COMPONENT.len();
    for _ in 0..depth {
        lengths.push(length);
        length += 1 + leb(length as u64).len() + COMPONENT.len();
    }
    let mut bytes = COMPONENT.to_vec();
    for length in lengths.into_iter().rev() {
        bytes.push(4);
        bytes.extend(leb(length as u64));
        bytes.extend_from_slice(COMPONENT);
    }
    bytes
}

fn modules(count: usize) -> Vec<u8> {
    let module = functions(200);
    component(&vec![(1, module); count])
}

/// Each type is a pair of the one before.
fn doubling(count: usize) -> Vec<u8> {
    let first = vec![0x7d];
    let pair = |number: usize| {
        let one = leb(number as u64);
        [&[0x6f, 2][..], &one, &one].concat()
    };
    component(&[(7, list(core::iter::once(first).chain((0..count).map(pair))))])
}

/// So many instances of one module, each of which has a memory as large as can be.
fn instances(count: usize) -> Vec<u8> {
    let mut sections = Sections::default();
    sections.put(MEMORIES, list([[&[0][..], &leb(65536)].concat()]));
    let instantiate = vec![[0, 0, 0]; count];
    component(&[(1, sections.module()), (2, list(instantiate))])
}

#[cfg(test)]
mod a_bomb {
    use super::*;

    #[test]
    fn is_a_module_or_a_component() {
        let refused = ["instances", "types that double"];
        for bomb in BOMBS.iter().filter(|bomb| !refused.contains(&bomb.name)) {
            for count in [1, 2, 40] {
                let bytes = (bomb.make)(count.min(bomb.most));
                let valid = wasmparser::validate(&bytes);
                assert!(valid.is_ok(), "{} of {}: {:?}", count, bomb.name, valid.err());
            }
        }
    }
}
