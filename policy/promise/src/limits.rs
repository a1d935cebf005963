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

/// The longest name an operator can have in a promise.
pub const OPERATOR_BYTES_MAX: usize = 128;
/// The longest name of a key that signs notes, and so the longest origin of a log.
pub const KEY_NAME_BYTES_MAX: usize = 255;
/// The longest signed note: room for a quorum of post-quantum cosignatures of 5 kB each.
pub const NOTE_BYTES_MAX: usize = 92 << 10;
/// The longest proof file.
pub const PROOF_BYTES_MAX: usize = 100 << 10;
/// The most hashes on a way from a leaf to the root.
pub const PROOF_HASHES_MAX: usize = 63;
/// The longest extra data of a proof file.
pub const PROOF_EXTRA_BYTES_MAX: usize = 2048;
/// The most leaves a log can have. Beyond it, index arithmetic in 64 bits would need care.
pub const LEDGER_LEAVES_MAX: u64 = 1 << 48;
/// The longest encoded receipt, of this or a later version.
pub const RECEIPT_BYTES_MAX: usize = 1024;
/// What the shortest padded message of [`Sizes::Padme`](crate::release::Sizes) is filled up to.
pub const PADME_BYTES_MIN: usize = 1 << 10;
/// The same of [`Sizes::Powers`](crate::release::Sizes).
pub const POWERS_BYTES_MIN: usize = 4 << 10;
/// The longest message that is filled up: the largest input or answer and what goes with it.
pub const PADDED_BYTES_MAX: usize = 65 << 20;

const _: () = assert!(OBJECT_KEY_BYTES_MAX <= u16::MAX as usize, "a key's length fits its prefix");
const _: () = assert!(RUN_OBJECTS_MAX * OBJECT_BYTES_MAX <= 4 << 30, "a run's objects fit 4 GiB");
const _: () =
    assert!(NOTE_BYTES_MAX + PROOF_EXTRA_BYTES_MAX * 2 < PROOF_BYTES_MAX, "a note fits its proof");
const _: () = assert!(
    INPUT_BYTES_MAX + RUN_ARGS_MAX * (RUN_ARG_BYTES_MAX + 2) + 64 <= PADDED_BYTES_MAX,
    "the largest input can be filled up"
);
const _: () = assert!(ANSWER_BYTES_MAX + 64 <= PADDED_BYTES_MAX, "so can the largest answer");
