//! The engine's one configuration, argued line by line.

use core::num::NonZeroUsize;
use std::sync::Arc;

use wasmparser::WasmFeatures;
use wasmtime::{
    Config, CustomCodeMemory, Engine, InstanceAllocationStrategy, OptLevel, RegallocAlgorithm,
};

use crate::limits::{GUEST_STACK_BYTES, MEMORY_RESERVATION_BYTES, TRAP_FRAMES_MAX};

/// The parts of WebAssembly that are on: what today's toolchains emit by default, less everything
/// that brings threads, a collector or 64-bit addresses. A closed list, so that a new engine turns
/// nothing on by itself.
pub(crate) const FEATURES: WasmFeatures = WasmFeatures::MUTABLE_GLOBAL
    .union(WasmFeatures::SATURATING_FLOAT_TO_INT)
    .union(WasmFeatures::SIGN_EXTENSION)
    .union(WasmFeatures::REFERENCE_TYPES)
    .union(WasmFeatures::MULTI_VALUE)
    .union(WasmFeatures::BULK_MEMORY)
    .union(WasmFeatures::SIMD)
    .union(WasmFeatures::RELAXED_SIMD)
    .union(WasmFeatures::TAIL_CALL)
    .union(WasmFeatures::FLOATS)
    .union(WasmFeatures::MULTI_MEMORY)
    .union(WasmFeatures::EXTENDED_CONST)
    .union(WasmFeatures::COMPONENT_MODEL);

/// An engine whose code memory is guarded by `memory`. All engines compile and load alike; they
/// differ in whether what they hold may be executed.
pub(crate) fn engine(memory: Arc<dyn CustomCodeMemory>) -> wasmtime::Result<Engine> {
    let mut config = Config::new();
    config.wasm_features(FEATURES.complement(), false);
    config.wasm_features(FEATURES, true);

    // The same task on the same cut gives the same answer, on every machine.
    config.cranelift_nan_canonicalization(true);
    config.relaxed_simd_deterministic(true);

    // Fuel bounds work, the epoch bounds time.
    config.consume_fuel(true);
    config.epoch_interruption(true);
    config.max_wasm_stack(GUEST_STACK_BYTES);

    // A memory is mapped when a run needs it and unmapped after: no slot is ever used twice.
    config.allocation_strategy(InstanceAllocationStrategy::OnDemand);
    config.memory_reservation(MEMORY_RESERVATION_BYTES);
    config.memory_may_move(false);
    // Copy-on-write images would need a file in memory per module, which a jailed worker cannot
    // make, and would leave a module's data in the kernel's page cache. Data is copied instead.
    config.memory_init_cow(false);

    // What is not needed to run: maps back to the source and tables for foreign unwinders. Frames
    // of a trap come from the frame pointers and the names in the module.
    config.generate_address_map(false);
    config.native_unwind_info(false);
    config.wasm_backtrace_max_frames(NonZeroUsize::new(TRAP_FRAMES_MAX));

    config.cranelift_opt_level(OptLevel::Speed);
    config.cranelift_regalloc_algorithm(RegallocAlgorithm::Backtracking);
    config.concurrency_support(false);
    config.shared_memory(false);
    config.with_custom_code_memory(Some(memory));
    Engine::new(&config)
}

#[cfg(test)]
mod suite;

#[cfg(test)]
mod the_configuration {
    use super::*;
    use crate::load::Inert;

    #[test]
    fn is_deterministic_and_bounded() {
        let config = engine(Arc::new(Inert)).unwrap();
        assert_eq!(config.get_cranelift_nan_canonicalization(), Some(true));
        assert!(config.get_relaxed_simd_deterministic());
        assert!(config.get_consume_fuel() && config.get_epoch_interruption());
        assert!(!config.get_shared_memory() && !config.get_concurrency_support());
        assert!(!config.get_memory_init_cow() && config.get_pooling_config().is_none());
        assert!(config.get_max_wasm_stack() == GUEST_STACK_BYTES);
    }

    #[test]
    fn turns_on_what_is_listed_and_nothing_else() {
        assert_eq!(engine(Arc::new(Inert)).unwrap().get_wasm_features(), FEATURES);
        for off in [WasmFeatures::THREADS, WasmFeatures::GC_TYPES, WasmFeatures::MEMORY64] {
            assert!(!FEATURES.intersects(off));
        }
    }
}
