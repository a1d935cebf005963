//! AMD SEV-SNP: a report by the processor's own key of what a virtual machine was started from.
//!
//! Source: AMD, "SEV Secure Nested Paging Firmware ABI Specification" (56860, 1.55), table 22;
//! "Versioned Chip Endorsement Key Certificate and KDS Interface Specification" (57230, 0.51).

use crate::bytes::Bytes;
use crate::certificate::{BadChain, Certificate, verify_chain};
use crate::der::{Der, INTEGER, small};
use crate::limits::SNP_REPORT_BYTES;
use crate::platform::{Platform, Tcb};
use crate::signature::{Key, p384};
use crate::vendors::Vendors;

/// What the signature is over.
const SIGNED_BYTES: usize = 0x2a0;
const ECDSA_P384_SHA384: u32 = 1;
/// Bits of a guest's policy.
const POLICY_MIGRATION_AGENT: u64 = 1 << 18;
const POLICY_DEBUG: u64 = 1 << 19;
/// Bits of the word that says which key signed.
const KEY_MASKED: u32 = 1 << 1;
const KEY_KIND: u32 = 0b111 << 2;

/// AMD's arc of extensions, without the last parts.
const ARC: [u8; 8] = [0x2b, 0x06, 0x01, 0x04, 0x01, 0x9c, 0x78, 0x01];
/// Where each byte of a TCB version stands below 1.3 of that arc: boot loader, TEE, four that are
/// reserved, SNP firmware, microcode.
const TCB_ARC: [u8; 8] = [1, 2, 4, 5, 6, 7, 3, 8];

/// What a verified report says.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Report {
    /// What the guest had put into it.
    pub data: [u8; 64],
    /// What the guest was started from, on firmware of which version.
    pub platform: Platform,
}

/// Why a report says nothing.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum BadSnp {
    /// It is not a report of a version that is known here.
    #[error("it is not a report of version 2 or 3 in its one form")]
    Form,
    /// The guest's memory could be read from outside.
    #[error("its guest may be debugged, so that nothing is hidden from its host")]
    Debug,
    /// The guest may be moved by another one.
    #[error("its guest may be moved by a migration agent")]
    Migration,
    /// The report is not the most privileged level's.
    #[error("it does not speak for the guest's most privileged level")]
    Privilege,
    /// It is not the chip's own key that signed.
    #[error("it is not signed by a chip's own, versioned key")]
    KeyKind,
    /// The key's certificate leads to no key of AMD.
    #[error("of its certificates, {0}")]
    Chain(BadChain),
    /// The certificate is of another chip or firmware.
    #[error("its certificate is of another chip, or of firmware of another version")]
    OtherChip,
    /// The signature does not fit.
    #[error("the chip's signature does not fit it")]
    Forged,
}

/// The fields that are looked at.
struct Fields {
    policy: u64,
    vmpl: u32,
    current: Tcb,
    key: u32,
    data: [u8; 64],
    measurement: [u8; 48],
    reported: Tcb,
    chip: [u8; 64],
    signature: [u8; 96],
}

/// What a report says, once it is known that a chip of AMD says it.
/// # Errors  [`BadSnp`]
pub fn verify(
    report: &[u8],
    vcek_der: &[u8],
    vendors: &Vendors,
    now_unix_s: u64,
) -> Result<Report, BadSnp> {
    let fields = Fields::read(report).ok_or(BadSnp::Form)?;
    let vcek = Certificate::parse(vcek_der).ok_or(BadSnp::Chain(BadChain::Form))?;
    authentic(&vcek, vendors, now_unix_s).map_err(BadSnp::Chain)?;
    let Key::P384(point) = vcek.key else { return Err(BadSnp::KeyKind) };
    let signed = report.get(..SIGNED_BYTES).ok_or(BadSnp::Form)?;
    p384(point, signed, &fields.signature).ok_or(BadSnp::Forged)?;

    if fields.policy & POLICY_DEBUG != 0 {
        return Err(BadSnp::Debug);
    }
    if fields.policy & POLICY_MIGRATION_AGENT != 0 {
        return Err(BadSnp::Migration);
    }
    if fields.vmpl != 0 {
        return Err(BadSnp::Privilege);
    }
    if fields.key & (KEY_MASKED | KEY_KIND) != 0 {
        return Err(BadSnp::KeyKind);
    }
    let is_of_chip = vcek.extension(&[&ARC[..], &[4]].concat()) == Some(&fields.chip);
    if !is_of_chip || tcb_of(&vcek) != Some(fields.reported) {
        return Err(BadSnp::OtherChip);
    }
    // Firmware may report less than it is, never more.
    if !fields.current.covers(fields.reported) {
        return Err(BadSnp::Form);
    }
    let platform = Platform::Snp { measurement: fields.measurement, tcb: fields.reported };
    Ok(Report { data: fields.data, platform })
}

/// Whether the chain holds under one of AMD's products.
fn authentic(vcek: &Certificate<'_>, vendors: &Vendors, now_unix_s: u64) -> Result<(), BadChain> {
    let mut last = BadChain::OtherRoot;
    for product in vendors.amd() {
        let again = Certificate::parse(vcek.der()).ok_or(BadChain::Form)?;
        let ask = Certificate::parse(&product.ask).ok_or(BadChain::Form)?;
        let ark = Certificate::parse(&product.ark).ok_or(BadChain::Form)?;
        match verify_chain(&[again, ask, ark], &product.ark, now_unix_s) {
            Ok(()) => return Ok(()),
            // What another product did not issue is no news.
            Err(BadChain::NotIssued) => {}
            Err(error) => last = error,
        }
    }
    Err(last)
}

/// The version of the firmware that the certified key is for.
fn tcb_of(vcek: &Certificate<'_>) -> Option<Tcb> {
    let mut tcb = [0; 8];
    for (part, arc) in tcb.iter_mut().zip(TCB_ARC) {
        let value = vcek.extension(&[&ARC[..], &[3, arc]].concat())?;
        let mut value = Der::new(value);
        *part = small(value.value(INTEGER)?)?;
        value.end()?;
    }
    Some(Tcb(tcb))
}

impl Fields {
    /// `None` if it is not the one form of a report.
    fn read(report: &[u8]) -> Option<Self> {
        (report.len() == SNP_REPORT_BYTES).then_some(())?;
        let mut bytes = Bytes::new(report);
        let version = bytes.u32_le()?;
        (version == 2 || version == 3).then_some(())?;
        bytes.u32_le()?;
        let policy = bytes.u64_le()?;
        bytes.take(32)?;
        let vmpl = bytes.u32_le()?;
        (bytes.u32_le()? == ECDSA_P384_SHA384).then_some(())?;
        let current = Tcb(bytes.array()?);
        bytes.u64_le()?;
        let key = bytes.u32_le()?;
        bytes.u32_le()?;
        let data = bytes.array()?;
        let measurement = bytes.array()?;
        // Host data, both digests of the launch's keys, and both report ids.
        bytes.take(32 + 2 * 48 + 2 * 32)?;
        let reported = Tcb(bytes.array()?);
        bytes.take(24)?;
        let chip = bytes.array()?;
        bytes.take(0x2a0 - 0x1e0)?;
        let (r, s) = (half(bytes.array()?)?, half(bytes.array()?)?);
        let mut signature = [0; 96];
        for (to, from) in signature.iter_mut().zip(r.iter().chain(&s)) {
            *to = *from;
        }
        bytes.rest().iter().all(|byte| *byte == 0).then_some(())?;
        Some(Self { policy, vmpl, current, key, data, measurement, reported, chip, signature })
    }
}

/// Half a signature: AMD has the last byte first, and zeros up to 72 bytes.
fn half(bytes: [u8; 72]) -> Option<[u8; 48]> {
    let (number, zeros) = bytes.split_first_chunk::<48>()?;
    zeros.iter().all(|byte| *byte == 0).then_some(())?;
    let mut number = *number;
    number.reverse();
    Some(number)
}
