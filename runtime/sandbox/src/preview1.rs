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

/// A preview 1 command as a component.
pub(crate) fn wrap(module: &[u8]) -> Option<Vec<u8>> {
    // The adapter knows success and failure only, so a status would be lost on its way.
    let module = keep_status(module)?;
    let encoder = ComponentEncoder::default().module(&module).ok()?;
    let mut encoder = encoder.adapter(PREVIEW1, WASI_SNAPSHOT_PREVIEW1_COMMAND_ADAPTER).ok()?;
    encoder.encode().ok()
}

/// The module with its import of `proc_exit` bent to what takes a status, and with the note that
/// says so to whoever makes a component of it.
fn keep_status(module: &[u8]) -> Option<Vec<u8>> {
    let Some(mut bent) = bend(module)? else { return Some(module.to_vec()) };
    let mut resolve = Resolve::default();
    resolve.push_source("io.wit", include_str!("../../../sdk/wit/deps/io/io.wit")).ok()?;
    resolve.push_source("cli.wit", include_str!("../../../sdk/wit/deps/cli/cli.wit")).ok()?;
    let world = "package notrace:host; world leaves { import wasi:cli/exit@0.2.12; }";
    let package = resolve.push_source("leaves.wit", world).ok()?;
    let world = resolve.select_world(&[package], Some("leaves")).ok()?;
    embed_component_metadata(&mut bent, &resolve, world, StringEncoding::UTF8).ok()?;
    Some(bent)
}

/// The module with another import in place of `proc_exit`; none inside if it does not import that.
fn bend(module: &[u8]) -> Option<Option<Vec<u8>>> {
    let mut parser = Parser::new(0);
    let mut at = 0;
    loop {
        let rest = module.get(at..)?;
        let Chunk::Parsed { consumed, payload } = parser.parse(rest, true).ok()? else {
            return None;
        };
        match payload {
            Payload::ImportSection(_) => {
                let end = at.checked_add(consumed)?;
                let Some(section) = bend_section(module.get(at..end)?) else { return Some(None) };
                let around = (module.get(..at)?, module.get(end..)?);
                return Some(Some([around.0, &section, around.1].concat()));
            }
            Payload::End(_) => return Some(None),
            // Entries of the code section come after all imports.
            Payload::CodeSectionStart { .. } => return Some(None),
            _ => at = at.checked_add(consumed)?,
        }
    }
}

/// An import section, its head included, with the import replaced; none if it does not have it.
fn bend_section(section: &[u8]) -> Option<Vec<u8>> {
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
