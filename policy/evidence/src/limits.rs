//! How large evidence may be, in all its parts.

/// Evidence as a whole, in its canonical bytes.
pub const EVIDENCE_BYTES_MAX: usize = 64 * 1024;
/// The statement that the ledger's key signed.
pub const STATEMENT_BYTES_MAX: usize = 4 * 1024;
/// A certificate in DER.
pub const CERTIFICATE_BYTES_MAX: usize = 8 * 1024;
/// Extensions of a certificate.
pub const EXTENSIONS_MAX: usize = 32;
/// Platforms that a client pins.
pub const PLATFORMS_MAX: usize = 64;
/// How long evidence is good at most, in seconds: a day.
pub const VALID_SECONDS_MAX: u64 = 24 * 60 * 60;
/// A report of SEV-SNP.
pub const SNP_REPORT_BYTES: usize = 1184;
/// A quote of TDX.
pub const TDX_QUOTE_BYTES_MAX: usize = 16 * 1024;
/// What a TPM signs of a quote.
pub const TPM_ATTEST_BYTES_MAX: usize = 512;
/// A TPM key's public area.
pub const TPM_PUBLIC_BYTES_MAX: usize = 512;
/// A TPM's signature.
pub const TPM_SIGNATURE_BYTES_MAX: usize = 256;
/// PCRs of a bank.
pub const PCRS: u8 = 24;
