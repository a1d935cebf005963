//! WASI preview 1 modules, made components, so that there is one host for all.

use wasi_preview1_component_adapter_provider::{
    WASI_SNAPSHOT_PREVIEW1_ADAPTER_NAME as PREVIEW1, WASI_SNAPSHOT_PREVIEW1_COMMAND_ADAPTER,
};
use wasmparser::{Chunk, Parser, Payload};
use wit_component::{ComponentEncoder, StringEncoding, embed_component_metadata};
use wit_parser::Resolve;

/// What a preview 1 program leaves by.
const LEAVE: &str = "proc_exit";
/// What takes a status in WASI 0.2. Both take one `i32` at the lowest level and answer nothing.
const LEAVE_02: (&str, &str) = ("wasi:cli/exit@0.2.12", "exit-with-code");

/// What starts the names of notes that whoever makes a component of a module would read.
const NOTES: [&str; 2] = ["component-type", "producers"];
/// The note that names functions, for the frames of a trap.
const NAMES: &str = "name";

/// A preview 1 command as a component.
pub(crate) fn wrap(module: &[u8]) -> Option<Vec<u8>> {
    let whole = |note: &str| !NOTES.iter().any(|notes| note.starts_with(notes));
    // Names that do not read as names are no fault of the program's, so it goes on without.
    encode(module, whole).or_else(|| encode(module, |note| whole(note) && note != NAMES))
}

fn encode(module: &[u8], keep: impl Fn(&str) -> bool) -> Option<Vec<u8>> {
    let mut module = prepare(module, keep)?;
    note(&mut module)?;
    let encoder = ComponentEncoder::default().module(&module).ok()?;
    let mut encoder = encoder.adapter(PREVIEW1, WASI_SNAPSHOT_PREVIEW1_COMMAND_ADAPTER).ok()?;
    encoder.encode().ok()
}

/// Notes in `module` that it imports what [`prepare`] may have put in.
fn note(module: &mut Vec<u8>) -> Option<()> {
    let mut resolve = Resolve::default();
    resolve.push_source("io.wit", include_str!("../../../sdk/wit/deps/io/io.wit")).ok()?;
    resolve.push_source("cli.wit", include_str!("../../../sdk/wit/deps/cli/cli.wit")).ok()?;
    let world = "package notrace:host; world leaves { import wasi:cli/exit@0.2.12; }";
    let package = resolve.push_source("leaves.wit", world).ok()?;
    let world = resolve.select_world(&[package], Some("leaves")).ok()?;
    embed_component_metadata(module, &resolve, world, StringEncoding::UTF8).ok()
}

/// The module with another import in place of `proc_exit`: the adapter knows success and failure
/// only, so a status would be lost on its way. And without the module's own notes: they could name
/// nothing that was not refused already, and whoever reads them follows them down the stack.
fn prepare(module: &[u8], keep: impl Fn(&str) -> bool) -> Option<Vec<u8>> {
    let mut parser = Parser::new(0);
    let mut prepared = Vec::with_capacity(module.len() + 64);
    let mut rest = module;
    loop {
        let Chunk::Parsed { consumed, payload } = parser.parse(rest, true).ok()? else {
            return None;
        };
        let (section, after) = rest.split_at_checked(consumed)?;
        match payload {
            Payload::ImportSection(_) => match bend(section) {
                Some(bent) => prepared.extend(bent),
                None => prepared.extend_from_slice(section),
            },
            Payload::CustomSection(note) if !keep(note.name()) => {}
            Payload::End(_) => return Some(prepared),
            _ => prepared.extend_from_slice(section),
        }
        rest = after;
    }
}

/// An import section, its head included, with the import replaced; none if it does not have it.
fn bend(section: &[u8]) -> Option<Vec<u8>> {
    let (old, new) = (import(PREVIEW1, LEAVE), import(LEAVE_02.0, LEAVE_02.1));
    // The names are preceded by their lengths, so they cannot be part of another name that is
    // shorter than them; a longer name could hold them, which no toolchain makes and which would
    // only make the module invalid.
    let found = section.windows(old.len()).position(|window| window == old)?;
    let size_bytes = 1 + section.iter().skip(1).position(|byte| byte & 0x80 == 0)?;
    let head = section.get(..1)?;
    let before = section.get(1 + size_bytes..found)?;
    let after = section.get(found + old.len()..)?;
    let size = length(before.len() + new.len() + after.len());
    Some([head, &size, before, &new, after].concat())
}

/// The two names of an import as they are encoded.
fn import(module: &str, name: &str) -> Vec<u8> {
    let named = |name: &str| [length(name.len()), name.as_bytes().to_vec()].concat();
    [named(module), named(name)].concat()
}

/// A length as LEB128.
fn length(mut length: usize) -> Vec<u8> {
    let mut bytes = Vec::new();
    loop {
        let low = u8::try_from(length & 0x7f).unwrap_or(0);
        length >>= 7;
        if length == 0 {
            bytes.push(low);
            return bytes;
        }
        bytes.push(low | 0x80);
    }
}

#[cfg(test)]
mod lengths {
    use super::*;

    #[test]
    fn are_encoded_seven_bits_at_a_time() {
        assert_eq!(length(0), [0]);
        assert_eq!(length(127), [127]);
        assert_eq!(length(128), [0x80, 1]);
        assert_eq!(length(624_485), [0xe5, 0x8e, 0x26]);
    }
}
