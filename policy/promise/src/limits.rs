//! Every bound that client and node must agree on. Sizes are bytes unless the name says otherwise.

/// The longest pool name.
pub const POOL_NAME_BYTES_MAX: usize = 64;
/// The longest object key within a pool.
pub const OBJECT_KEY_BYTES_MAX: usize = 512;
/// The longest name a task can be given.
pub const TASK_NAME_BYTES_MAX: usize = 128;
/// The longest confidentiality label.
pub const LABEL_BYTES_MAX: usize = 32;
/// The largest module that is accepted for upload.
pub const MODULE_BYTES_MAX: usize = 64 << 20;
/// The largest value of one object version, before sealing.
pub const OBJECT_BYTES_MAX: usize = 64 << 20;
/// The largest input of one run.
pub const INPUT_BYTES_MAX: usize = 64 << 20;
/// The largest answer of one run.
pub const ANSWER_BYTES_MAX: usize = 64 << 20;
/// The most objects one run may name.
pub const RUN_OBJECTS_MAX: usize = 64;
/// The most arguments one run may be given.
pub const RUN_ARGS_MAX: usize = 64;
/// The longest single argument of a run.
pub const RUN_ARG_BYTES_MAX: usize = 4096;
/// The most operations one transaction may hold.
pub const TRANSACT_OPS_MAX: usize = 256;
/// The most keys or versions one listing answers.
pub const LIST_ENTRIES_MAX: usize = 1000;

const _: () = assert!(OBJECT_KEY_BYTES_MAX <= u16::MAX as usize, "a key's length fits its prefix");
const _: () = assert!(RUN_OBJECTS_MAX * OBJECT_BYTES_MAX <= 4 << 30, "a run's objects fit 4 GiB");
