//! TPM 2.0: a quote of what a machine was started with, by a key that never leaves its TPM.
//!
//! Which TPM a key is in cannot be seen from the key; whoever pins its name says that it is the
//! right one. What can be seen is that the key is made in a TPM, cannot be taken out, and signs
//! nothing that the TPM did not make itself: only then does a quote say anything.
//!
//! Source: TCG, "TPM 2.0 Library" part 2 (1.59), sections 8.3, 10.12, 11.2.4 and 12.2.

use crate::bytes::Bytes;
use crate::limits::{TPM_ATTEST_BYTES_MAX, TPM_PUBLIC_BYTES_MAX, TPM_SIGNATURE_BYTES_MAX};
use crate::platform::{Pcrs, Platform};
use crate::signature::{p256, sha256};

const ECC: u16 = 0x0023;
const NULL: u16 = 0x0010;
const ECDSA: u16 = 0x0018;
const SHA256: u16 = 0x000b;
const NIST_P256: u16 = 0x0003;
/// What every structure begins with that a TPM made itself.
const GENERATED: u32 = 0xff54_4347;
const QUOTE: u16 = 0x8018;

/// A key's attributes: what must be so.
const KEY_MUST: u32 = FIXED_TPM | FIXED_PARENT | MADE_INSIDE | RESTRICTED | SIGN;
/// What must not: a key that also opens.
const KEY_MUST_NOT: u32 = DECRYPT;
const FIXED_TPM: u32 = 1 << 1;
const FIXED_PARENT: u32 = 1 << 4;
const MADE_INSIDE: u32 = 1 << 5;
const RESTRICTED: u32 = 1 << 16;
const DECRYPT: u32 = 1 << 17;
const SIGN: u32 = 1 << 18;

/// What a verified quote says.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Quote {
    /// What it was asked to bind.
    pub data: [u8; 32],
    /// Which key of which TPM, and what the machine was started with.
    pub platform: Platform,
}

/// Why a quote says nothing.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum BadTpm {
    /// The key is not one that a quote can be believed of.
    #[error(
        "its key is not one on P-256 that is made in a TPM, stays there, and signs only quotes"
    )]
    Key,
    /// It is not a quote.
    #[error("it is not a quote in its one form")]
    Form,
    /// It is not the TPM that made it.
    #[error("it was not made by a TPM, or is no quote")]
    NotAQuote,
    /// It is of no register of the bank that is known here.
    #[error("it is not of registers of the SHA-256 bank")]
    Registers,
    /// The signature does not fit.
    #[error("the TPM's signature does not fit it")]
    Forged,
}

/// A quote as a TPM gives it.
#[derive(Clone, Copy)]
pub struct Raw<'a> {
    /// The key's public area, `TPMT_PUBLIC`.
    pub public: &'a [u8],
    /// What was signed, `TPMS_ATTEST`.
    pub attest: &'a [u8],
    /// The signature, `TPMT_SIGNATURE`.
    pub signature: &'a [u8],
}

/// What a quote says, once it is known that this key signed it.
/// # Errors  [`BadTpm`]
pub fn verify(raw: Raw<'_>) -> Result<Quote, BadTpm> {
    let point = key(raw.public).ok_or(BadTpm::Key)?;
    let signature = signature(raw.signature).ok_or(BadTpm::Form)?;
    p256(&point, raw.attest, &signature).ok_or(BadTpm::Forged)?;
    let attest = Attest::read(raw.attest).ok_or(BadTpm::Form)?;
    if attest.magic != GENERATED || attest.kind != QUOTE {
        return Err(BadTpm::NotAQuote);
    }
    let pcrs = attest.pcrs.ok_or(BadTpm::Registers)?;
    let platform = Platform::Tpm { key: name(raw.public), pcrs, digest: attest.digest };
    Ok(Quote { data: attest.data, platform })
}

/// The name of a key: what clients pin.
#[must_use]
pub fn name(public: &[u8]) -> [u8; 34] {
    let mut name = [0; 34];
    let digest = sha256(&[public]);
    for (to, from) in name.iter_mut().zip(SHA256.to_be_bytes().iter().chain(&digest)) {
        *to = *from;
    }
    name
}

/// The point of a key that quotes can be believed of.
fn key(public: &[u8]) -> Option<[u8; 64]> {
    (public.len() <= TPM_PUBLIC_BYTES_MAX).then_some(())?;
    let mut bytes = Bytes::new(public);
    ((bytes.u16_be()?, bytes.u16_be()?) == (ECC, SHA256)).then_some(())?;
    let attributes = bytes.u32_be()?;
    (attributes & KEY_MUST == KEY_MUST && attributes & KEY_MUST_NOT == 0).then_some(())?;
    // Whoever may use the key is the TPM's affair.
    bytes.counted_u16_be()?;
    (bytes.u16_be()? == NULL).then_some(())?;
    ((bytes.u16_be()?, bytes.u16_be()?) == (ECDSA, SHA256)).then_some(())?;
    ((bytes.u16_be()?, bytes.u16_be()?) == (NIST_P256, NULL)).then_some(())?;
    let point = both(bytes.counted_u16_be()?, bytes.counted_u16_be()?);
    bytes.end()?;
    point
}

fn signature(bytes: &[u8]) -> Option<[u8; 64]> {
    (bytes.len() <= TPM_SIGNATURE_BYTES_MAX).then_some(())?;
    let mut bytes = Bytes::new(bytes);
    ((bytes.u16_be()?, bytes.u16_be()?) == (ECDSA, SHA256)).then_some(())?;
    let numbers = both(bytes.counted_u16_be()?, bytes.counted_u16_be()?);
    bytes.end()?;
    numbers
}

/// Two numbers of up to 32 bytes, of which some TPMs leave out the zeros in front.
fn both(first: &[u8], second: &[u8]) -> Option<[u8; 64]> {
    let mut bytes = [0; 64];
    let (left, right) = bytes.split_at_mut(32);
    for (half, number) in [(left, first), (right, second)] {
        let zeros = 32usize.checked_sub(number.len())?;
        for (to, from) in half.iter_mut().skip(zeros).zip(number) {
            *to = *from;
        }
    }
    Some(bytes)
}

struct Attest {
    magic: u32,
    kind: u16,
    data: [u8; 32],
    pcrs: Option<Pcrs>,
    digest: [u8; 32],
}

impl Attest {
    fn read(attest: &[u8]) -> Option<Self> {
        (attest.len() <= TPM_ATTEST_BYTES_MAX).then_some(())?;
        let mut bytes = Bytes::new(attest);
        let (magic, kind) = (bytes.u32_be()?, bytes.u16_be()?);
        // The signer's qualified name, which says again who signed.
        bytes.counted_u16_be()?;
        let data = bytes.counted_u16_be()?.try_into().ok()?;
        // How long it has run, how often it was started, whether its clock is safe; its firmware.
        bytes.take(8 + 4 + 4)?;
        (bytes.u8()? <= 1).then_some(())?;
        bytes.u64_be()?;
        (bytes.u32_be()? == 1).then_some(())?;
        let bank = bytes.u16_be()?;
        let length = usize::from(bytes.u8()?);
        let selected = bytes.take(length)?;
        let pcrs = if bank == SHA256 { Pcrs::from_selection(selected) } else { None };
        let digest = bytes.counted_u16_be()?.try_into().ok()?;
        bytes.end()?;
        Some(Self { magic, kind, data, pcrs, digest })
    }
}
