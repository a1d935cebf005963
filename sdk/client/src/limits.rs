//! Every bound of the client.

use std::time::Duration;

/// How often one call is sent at most, the first time included.
pub const ATTEMPTS_MAX: u32 = 6;
/// How long to wait before the first repetition; doubles from one to the next.
pub const BACKOFF_FIRST: Duration = Duration::from_millis(50);
/// The longest wait between two attempts, unless the node asks for more.
pub const BACKOFF_MAX: Duration = Duration::from_secs(2);
/// How long a call waits for retries altogether, if the caller does not say.
pub const PATIENCE: Duration = Duration::from_secs(10);
/// How long a connection may take to stand.
pub const CONNECT_MAX: Duration = Duration::from_secs(10);
/// How long the other end may be silent in the middle of a reply or a watch.
pub const SILENCE_MAX: Duration = Duration::from_secs(120);
/// How much longer than its own timeout a run may take to answer.
pub const RUN_MARGIN: Duration = Duration::from_secs(30);
/// The largest JSON reply, in bytes.
pub const REPLY_BYTES_MAX: usize = 8 << 20;
/// The largest receipt, in bytes. A proof over 2^64 leaves is about 3 KiB.
pub const RECEIPT_BYTES_MAX: usize = 256 << 10;
/// The longest line of an event stream, in bytes.
pub const EVENT_LINE_BYTES_MAX: usize = 64 << 10;
/// The largest event, in bytes.
pub const EVENT_BYTES_MAX: usize = 256 << 10;
/// How often in a row a stream is taken up again without anything coming from it.
pub const RESUMES_MAX: u32 = 8;
/// How much of a file is read at a time, in bytes.
pub const CHUNK_BYTES: usize = 256 << 10;
/// The largest credentials file, in bytes.
pub const CREDENTIALS_BYTES_MAX: u64 = 64 << 10;
