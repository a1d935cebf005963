//! Quotes of a TPM in software, which is one in all but its shell. Where `swtpm` is not installed,
//! these tests say so and check nothing.
#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "what a test lacks fails it")]

mod machine;
mod quotes;
