//! A write-ahead log on one folder: records go in, and after a crash they come out again, in order.
//!
//! Files only: no thread, no network, no clock. What is appended is a record's place in the order
//! and bytes that are somebody else's (in this product, ciphertext). [`Log::append`] hands records
//! to the system, [`Log::sync`] makes all of them safe with one `fdatasync`, [`write_checkpoint`]
//! puts a whole state beside them so that they can be trimmed.
//!
//! Three promises, each with a test that breaks the disk to see it kept: what was synced is
//! recovered; what was cut short is cut off; what has decayed is an error and never a silence.
//!
//! Reading order: [`limits`]; [`disk`] is what we ask of a disk; `record`, `segment` and
//! `checkpoint` are the formats; `scan` and `recover` read them back; `log` writes them, and
//! `history` goes back in it; `error` says what can go wrong.
#![forbid(unsafe_code)]

pub mod disk;
pub mod limits;

mod checkpoint;
mod record;
mod segment;

mod recover;
mod scan;

mod error;
mod log;

mod history;

pub use checkpoint::{Stored, write_checkpoint};
pub use error::{AppendError, CheckpointError, OpenError, SyncError};
pub use log::{Log, LogConfig, Mark, Superseded};
pub use record::Record;
pub use recover::Recovered;
