//! Bad input against a real node: every refusal has its code, and the node is alive after it.
//!
//! The tests are in `tests/`; the modules they send are in `fixtures/`.
#![forbid(unsafe_code)]
