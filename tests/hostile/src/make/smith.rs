//! Modules and components that nobody wrote, made of chance.

use arbitrary::{Arbitrary as _, Unstructured};
use wasm_smith::{Component, Config, Module};

use crate::random::Random;

/// Bytes of chance that a module is made of.
const CHANCE_MAX: usize = 32 << 10;

/// What a command has to export; what it may import is below.
const EXPORTS: &str = "(module (func (export \"_start\")) (memory (export \"memory\") 1))";
const IMPORTS: &str = "(module
  (import \"wasi_snapshot_preview1\" \"args_get\" (func (param i32 i32) (result i32)))
  (import \"wasi_snapshot_preview1\" \"args_sizes_get\" (func (param i32 i32) (result i32)))
  (import \"wasi_snapshot_preview1\" \"clock_time_get\" (func (param i32 i64 i32) (result i32)))
  (import \"wasi_snapshot_preview1\" \"environ_get\" (func (param i32 i32) (result i32)))
  (import \"wasi_snapshot_preview1\" \"fd_close\" (func (param i32) (result i32)))
  (import \"wasi_snapshot_preview1\" \"fd_filestat_get\" (func (param i32 i32) (result i32)))
  (import \"wasi_snapshot_preview1\" \"fd_pread\"
    (func (param i32 i32 i32 i64 i32) (result i32)))
  (import \"wasi_snapshot_preview1\" \"fd_read\" (func (param i32 i32 i32 i32) (result i32)))
  (import \"wasi_snapshot_preview1\" \"fd_readdir\"
    (func (param i32 i32 i32 i64 i32) (result i32)))
  (import \"wasi_snapshot_preview1\" \"fd_renumber\" (func (param i32 i32) (result i32)))
  (import \"wasi_snapshot_preview1\" \"fd_seek\" (func (param i32 i64 i32 i32) (result i32)))
  (import \"wasi_snapshot_preview1\" \"fd_write\" (func (param i32 i32 i32 i32) (result i32)))
  (import \"wasi_snapshot_preview1\" \"path_open\"
    (func (param i32 i32 i32 i32 i32 i64 i64 i32 i32) (result i32)))
  (import \"wasi_snapshot_preview1\" \"poll_oneoff\"
    (func (param i32 i32 i32 i32) (result i32)))
  (import \"wasi_snapshot_preview1\" \"proc_exit\" (func (param i32)))
  (import \"wasi_snapshot_preview1\" \"random_get\" (func (param i32 i32) (result i32))))";

/// A command: valid, with a `_start` and a memory, that may call what commands may.
pub(super) fn command(random: &mut Random) -> Vec<u8> {
    let mut config = config(random);
    config.exports = wat::parse_str(EXPORTS).ok();
    config.available_imports = wat::parse_str(IMPORTS).ok();
    // One in ten asks for parts that are off, to be refused.
    let off = random.one_in(10);
    config.threads_enabled = off;
    config.memory64_enabled = off;
    config.gc_enabled = off;
    config.exceptions_enabled = off;
    let chance = chance(random);
    let module = Module::new(config, &mut Unstructured::new(&chance));
    module.map(|module| module.to_bytes()).unwrap_or_default()
}

/// A component of any shape.
pub(super) fn component(random: &mut Random) -> Vec<u8> {
    let (config, chance) = (config(random), chance(random));
    let component = Component::new(config, &mut Unstructured::new(&chance));
    component.map(|component| component.to_bytes()).unwrap_or_default()
}

fn chance(random: &mut Random) -> Vec<u8> {
    let length = random.up_to(CHANCE_MAX);
    random.bytes(length)
}

/// A configuration of chance, within what can be compiled in a moment. Loops may well be endless.
fn config(random: &mut Random) -> Config {
    let chance = random.bytes(512);
    let mut config = Config::arbitrary(&mut Unstructured::new(&chance)).unwrap_or_default();
    config.max_instructions = random.up_to(3000);
    config.max_memory32_bytes = 1 << (16 + random.below(17));
    config.max_memories = random.below(4).max(1);
    config.max_tables = random.below(4).max(1);
    config.max_table_elements = 1 << random.below(24);
    config.reference_types_enabled = random.one_in(3);
    config.custom_descriptors_enabled = false;
    config.custom_page_sizes_enabled = false;
    config.shared_everything_threads_enabled = false;
    config.wide_arithmetic_enabled = false;
    config.allow_invalid_funcs = random.one_in(20);
    config
}
