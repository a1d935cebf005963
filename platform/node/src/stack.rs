//! The part of a thread's stack that calls have used and left.

/// How far down calls of a request reach below a thread's own loop, with room to spare. A build
/// that is not optimised was seen to leave a key 180 KiB below.
const REACH_BYTES: usize = if cfg!(debug_assertions) { 512 << 10 } else { 128 << 10 };

/// Overwrites what lies below the caller's frame: locals and spilled registers of calls that have
/// returned. To be called where a thread is about to wait, so that no request's bytes wait with it.
///
/// Best effort, as any such wiping in a language without a say over its frames. Costs a few
/// microseconds.
#[inline(never)]
pub fn wipe_unused_stack() {
    crate::planted!(3, return);
    let mut frame = [0_u8; REACH_BYTES];
    std::hint::black_box(&mut frame);
}
