//! How much hardware may say, and how often it is asked.

use std::time::Duration;

/// How often a report is asked for that others keep interrupting.
pub const REPORT_TRIES_MAX: u32 = 8;
/// How long to wait before asking again; twice as long each time.
pub const REPORT_PAUSE: Duration = Duration::from_millis(5);
/// A report or quote.
pub const OUTBLOB_BYTES_MAX: usize = 16 * 1024;
/// A table of certificates.
pub const AUXBLOB_BYTES_MAX: usize = 32 * 1024;
/// A word or a number.
pub const WORD_BYTES_MAX: usize = 64;
/// Certificates in a table.
pub const TABLE_ENTRIES_MAX: usize = 16;
/// What a TPM answers.
pub const TPM_REPLY_BYTES_MAX: usize = 4096;
/// How often a TPM is asked that says that it is busy.
pub const TPM_TRIES_MAX: u32 = 16;
/// How long to wait before asking it again; twice as long each time.
pub const TPM_PAUSE: Duration = Duration::from_millis(5);
/// How long a TPM at a socket may take for anything.
pub const TPM_REPLY_MAX: Duration = Duration::from_secs(30);
