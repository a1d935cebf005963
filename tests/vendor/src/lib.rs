//! Vendors of hardware that does not exist, whose evidence tests can have made to order.
#![forbid(unsafe_code)]
#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a vendor that cannot make what is asked for fails the test"
)]

mod amd;
mod intel;
mod tpm;

pub use amd::Chip;
pub use intel::Platform;
pub use tpm::Tpm;

/// Puts bytes where they belong in a form of fixed length.
fn put(form: &mut [u8], at: usize, bytes: &[u8]) {
    form[at..at + bytes.len()].copy_from_slice(bytes);
}
