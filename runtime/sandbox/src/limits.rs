//! Every bound of the sandbox. Sizes are bytes unless the name says otherwise.

/// How deep a guest's own calls may nest, as bytes of stack.
pub const GUEST_STACK_BYTES: usize = 1 << 20;
/// Address space set aside for one linear memory. All of a 32-bit memory, so that a bounds check is
/// a guard page and no instruction.
pub const MEMORY_RESERVATION_BYTES: u64 = 4 << 30;
/// Core instances one component may be made of. Snapshots of Python hold about a hundred.
pub const INSTANCES_MAX: usize = 512;
/// Linear memories one component may have.
pub const MEMORIES_MAX: usize = 16;
/// Tables one component may have.
pub const TABLES_MAX: usize = 64;
/// Handles a guest may hold at once: open files, streams, pollables.
pub const HANDLES_MAX: usize = 4096;
/// What one call into the host may make it allocate for the call's arguments.
pub const CALL_BYTES_MAX: usize = 16 << 20;
/// The most one read answers; a guest that wants more asks again.
pub const READ_BYTES_MAX: usize = 1 << 20;
/// The most one write says it takes; more than this at once is taken too, up to the output's bound.
pub const WRITE_BYTES_OFFERED: u64 = 64 << 10;
/// The most random bytes one call answers.
pub const RANDOM_BYTES_MAX: u64 = 16 << 20;
/// What is kept of a guest's standard error, or of its error text; the rest is dropped.
pub const MESSAGE_BYTES_MAX: usize = 32 << 10;
/// Frames kept of a trap's backtrace.
pub const TRAP_FRAMES_MAX: usize = 16;
/// How much of a frame's name is kept, in characters.
pub const FRAME_CHARS_MAX: usize = 160;

/// Functions in one module or component, all nested ones taken together.
pub const FUNCTIONS_MAX: u32 = 300_000;
/// The largest body of one function. Compiling grows faster than the body does.
pub const FUNCTION_BYTES_MAX: usize = 2 << 20;
/// Imports a component or core module may have, not counting those of what is nested in it.
pub const IMPORTS_MAX: usize = 512;
/// Declarations of types within types, in one section of a component. Components have a few.
pub const TYPE_NESTING_MAX: usize = 256;
/// How much of a name out of a module is kept, in characters.
pub const NAME_CHARS_MAX: usize = 120;
/// How much of what is no WebAssembly is shown, in characters.
pub const STARTS_CHARS_MAX: usize = 16;

const _: () = assert!(READ_BYTES_MAX <= CALL_BYTES_MAX, "a read fits a call");
