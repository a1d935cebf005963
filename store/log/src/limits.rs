//! Every bound of the log. Sizes are bytes.

/// The longest payload of one record.
pub const RECORD_BYTES_MAX: u32 = 80 << 20;
/// A segment that is longer than this gets no further record.
pub const SEGMENT_BYTES_DEFAULT: u64 = 64 << 20;
/// Parts handed to the system in one write. It takes up to 1,024.
pub(crate) const PARTS_MAX: usize = 512;
/// Read ahead while scanning.
pub(crate) const WINDOW_BYTES: u64 = 1 << 20;
/// Bytes of a checkpoint that are written before they are made safe.
pub(crate) const UNSYNCED_BYTES_MAX: u64 = 4 << 20;
