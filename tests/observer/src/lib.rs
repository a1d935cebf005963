//! What an observer can tell of a secret.
//!
//! The same task runs on two secrets, and everything that can be recorded from outside is recorded
//! of both: the lengths of TLS records either way, status and headers, the body's length, when it
//! came, the receipt, what is in the log, on the disk and in what the node prints. Where the pool
//! lets nothing show, the two must be the same but for nonces; where it lets everything show, each
//! secret must be told from the other, because a recorder that sees nothing proves nothing.
//!
//! Reading order: `secrets` is what is told apart; `stage` is a node with a pool of each policy;
//! `wire` records what passes; `transcript` is one run as it was seen; `pairs` compares two; `kept`
//! looks at what stays; `timing` asks for the time within a quantum; `table` prints.
#![forbid(unsafe_code)]

pub mod secrets;

pub mod stage;
pub mod wire;

pub mod transcript;

pub mod kept;
pub mod pairs;
pub mod timing;

pub mod table;
