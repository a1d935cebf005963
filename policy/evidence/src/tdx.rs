//! Intel TDX: a quote by a quoting enclave of what a virtual machine was started from, and the
//! chain from the machine's key to Intel's.
//!
//! Source: Intel, "TDX DCAP Quoting Library API" (0.9), appendix 3: quote format of version 4.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use crate::bytes::Bytes;
use crate::certificate::{BadChain, Certificate, verify_chain};
use crate::limits::TDX_QUOTE_BYTES_MAX;
use crate::platform::Platform;
use crate::signature::{Key, p256, sha256};
use crate::vendors::Vendors;

const SIGNED_BYTES: usize = 48 + 584;
const INTEL: [u8; 16] = [
    0x93, 0x9a, 0x72, 0x33, 0xf7, 0x9c, 0x4c, 0xa9, 0x94, 0x0a, 0x0d, 0xb3, 0x95, 0x7f, 0x06, 0x07,
];
/// Who signs Intel's own enclaves. Source: Intel's published identity of its TD quoting enclave.
const QE_SIGNER: [u8; 32] = [
    0xdc, 0x9e, 0x2a, 0x7c, 0x6f, 0x94, 0x8f, 0x17, 0x47, 0x4e, 0x34, 0xa7, 0xfc, 0x43, 0xed, 0x03,
    0x0f, 0x7c, 0x15, 0x63, 0xf1, 0xba, 0xbd, 0xdf, 0x63, 0x40, 0xc8, 0x2e, 0x0e, 0x54, 0xa8, 0xc5,
];
/// The product number of the TD quoting enclave among Intel's.
const QE_PRODUCT: u16 = 2;
const ENCLAVE_DEBUG: u64 = 1 << 1;
/// Attributes under which nothing of a machine is hidden: the lowest byte, of which one is DEBUG.
const UNTRUSTED: u64 = 0xff;
const MIGRATABLE: u64 = 1 << 29;
/// Certification data: the report of the enclave, and within it a chain in PEM.
const QE_REPORT_DATA: u16 = 6;
const PCK_CHAIN: u16 = 5;
const REPORT_BYTES: usize = 384;

/// What a verified quote says.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Quote {
    /// What the machine had put into it.
    pub data: [u8; 64],
    /// What the machine was started from, on a module of which version.
    pub platform: Platform,
}

/// Why a quote says nothing.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum BadTdx {
    /// It is not a quote of the version that is known here.
    #[error("it is not a TDX quote of version 4 in its one form")]
    Form,
    /// The machine's memory could be read from outside.
    #[error("its machine may be debugged, so that nothing is hidden from its host")]
    Debug,
    /// The machine may be moved.
    #[error("its machine may be moved to another host")]
    Migration,
    /// The TDX module is not Intel's.
    #[error("it was made by another module than Intel's")]
    OtherModule,
    /// The quoting enclave is not Intel's, or may be debugged.
    #[error("it was made by another enclave than Intel's, or by one that may be debugged")]
    OtherEnclave,
    /// The machine's key leads to no key of Intel.
    #[error("of its certificates, {0}")]
    Chain(BadChain),
    /// The platform's signature does not fit the enclave's report.
    #[error("the platform's signature does not fit the enclave's report")]
    EnclaveForged,
    /// The enclave's report is of another key.
    #[error("the enclave vouches for another key than the one that signed")]
    OtherKey,
    /// The signature does not fit.
    #[error("the signature does not fit it")]
    Forged,
}

/// The parts of a quote.
struct Parts<'a> {
    signed: &'a [u8],
    signature: &'a [u8],
    key: [u8; 64],
    enclave: &'a [u8],
    enclave_signature: &'a [u8],
    extra: &'a [u8],
    chain: Vec<Vec<u8>>,
}

/// What of a machine's report is looked at.
struct Machine {
    svn: [u8; 16],
    module_signer: [u8; 48],
    module_attributes: u64,
    attributes: u64,
    mrtd: [u8; 48],
    registers: [u8; 32],
    data: [u8; 64],
}

/// What a quote says, once it is known that a platform of Intel says it.
/// # Errors  [`BadTdx`]
pub fn verify(quote: &[u8], vendors: &Vendors, now_unix_s: u64) -> Result<Quote, BadTdx> {
    let parts = Parts::read(quote).ok_or(BadTdx::Form)?;
    let machine = Machine::read(parts.signed).ok_or(BadTdx::Form)?;
    parts.are_authentic(vendors, now_unix_s)?;
    if machine.attributes & UNTRUSTED != 0 {
        return Err(BadTdx::Debug);
    }
    if machine.attributes & MIGRATABLE != 0 {
        return Err(BadTdx::Migration);
    }
    // Intel's own modules bear no signer and no attributes.
    if machine.module_signer != [0; 48] || machine.module_attributes != 0 {
        return Err(BadTdx::OtherModule);
    }
    let Machine { svn, mrtd, registers, data, .. } = machine;
    Ok(Quote { data, platform: Platform::Tdx { mrtd, registers, svn } })
}

impl<'a> Parts<'a> {
    fn read(quote: &'a [u8]) -> Option<Self> {
        (quote.len() <= TDX_QUOTE_BYTES_MAX).then_some(())?;
        let mut bytes = Bytes::new(quote);
        let signed = bytes.take(SIGNED_BYTES)?;
        let length = bytes.u32_le()?;
        let mut rest = Bytes::new(bytes.take(usize::try_from(length).ok()?)?);
        bytes.end()?;
        let signature = rest.take(64)?;
        let key = rest.array()?;
        (rest.u16_le()? == QE_REPORT_DATA).then_some(())?;
        let length = rest.u32_le()?;
        let mut certified = Bytes::new(rest.take(usize::try_from(length).ok()?)?);
        rest.end()?;
        let enclave = certified.take(REPORT_BYTES)?;
        let enclave_signature = certified.take(64)?;
        let length = certified.u16_le()?;
        let extra = certified.take(usize::from(length))?;
        (certified.u16_le()? == PCK_CHAIN).then_some(())?;
        let length = certified.u32_le()?;
        let chain = chain_of(certified.take(usize::try_from(length).ok()?)?)?;
        certified.end()?;
        Some(Self { signed, signature, key, enclave, enclave_signature, extra, chain })
    }

    /// From the machine's report to Intel's key, each is signed for by the next.
    fn are_authentic(&self, vendors: &Vendors, now_unix_s: u64) -> Result<(), BadTdx> {
        let parsed = self.chain.iter().map(|der| Certificate::parse(der));
        let chain: Option<Vec<Certificate<'_>>> = parsed.collect();
        let chain = chain.ok_or(BadTdx::Chain(BadChain::Form))?;
        let [platform, _, _] = chain.as_slice() else {
            return Err(BadTdx::Chain(BadChain::Form));
        };
        p256(&self.key, self.signed, self.signature).ok_or(BadTdx::Forged)?;
        self.enclave_vouches()?;
        let point = match platform.key {
            Key::P256(point) => point.split_first_chunk::<1>(),
            _ => None,
        };
        let point: Option<&[u8; 64]> =
            point.filter(|(form, _)| **form == [4]).and_then(|(_, point)| point.try_into().ok());
        let point = point.ok_or(BadTdx::Chain(BadChain::Form))?;
        p256(point, self.enclave, self.enclave_signature).ok_or(BadTdx::EnclaveForged)?;
        verify_chain(&chain, vendors.intel(), now_unix_s).map_err(BadTdx::Chain)
    }

    /// Whether Intel's enclave says that the key is its own.
    fn enclave_vouches(&self) -> Result<(), BadTdx> {
        let enclave = Enclave::read(self.enclave).ok_or(BadTdx::Form)?;
        let is_intels = enclave.signer == QE_SIGNER && enclave.product == QE_PRODUCT;
        if !is_intels || enclave.attributes & ENCLAVE_DEBUG != 0 {
            return Err(BadTdx::OtherEnclave);
        }
        let vouched = [&sha256(&[&self.key, self.extra])[..], &[0; 32]].concat();
        (enclave.data[..] == vouched).then_some(()).ok_or(BadTdx::OtherKey)
    }
}

/// What of the quoting enclave's report is looked at.
struct Enclave {
    attributes: u64,
    signer: [u8; 32],
    product: u16,
    data: [u8; 64],
}

impl Enclave {
    fn read(report: &[u8]) -> Option<Self> {
        let mut bytes = Bytes::new(report);
        bytes.take(48)?;
        let attributes = bytes.u64_le()?;
        bytes.take(8 + 32 + 32)?;
        let signer = bytes.array()?;
        bytes.take(96)?;
        let product = bytes.u16_le()?;
        bytes.take(2 + 60)?;
        let data = bytes.array()?;
        bytes.end()?;
        Some(Self { attributes, signer, product, data })
    }
}

impl Machine {
    /// From a quote's header and the report behind it.
    fn read(signed: &[u8]) -> Option<Self> {
        let mut bytes = Bytes::new(signed);
        let (version, key_kind) = (bytes.u16_le()?, bytes.u16_le()?);
        let tee = bytes.u32_le()?;
        // Version 4, ECDSA on P-256, TDX.
        ((version, key_kind, tee) == (4, 2, 0x81)).then_some(())?;
        bytes.take(4)?;
        (bytes.array()? == INTEL).then_some(())?;
        bytes.take(20)?;
        let svn = bytes.array()?;
        bytes.take(48)?;
        let module_signer = bytes.array()?;
        let module_attributes = bytes.u64_le()?;
        let attributes = bytes.u64_le()?;
        bytes.take(8)?;
        let mrtd = bytes.array()?;
        // Configuration, owner, owner's configuration, and four registers that grow as it runs.
        let registers = sha256(&[bytes.take(7 * 48)?]);
        let data = bytes.array()?;
        bytes.end()?;
        Some(Self { svn, module_signer, module_attributes, attributes, mrtd, registers, data })
    }
}

const BEGIN: &str = "-----BEGIN CERTIFICATE-----\n";
const END: &str = "-----END CERTIFICATE-----\n";

/// Certificates in PEM, in the one spelling that platforms write: 64 columns, nothing between them,
/// and perhaps a zero behind.
fn chain_of(pem: &[u8]) -> Option<Vec<Vec<u8>>> {
    let text = core::str::from_utf8(pem.strip_suffix(&[0]).unwrap_or(pem)).ok()?;
    let mut chain = Vec::new();
    let mut rest = text;
    while !rest.is_empty() {
        (chain.len() < 3).then_some(())?;
        let (body, behind) = rest.strip_prefix(BEGIN)?.split_once(END)?;
        let der = STANDARD.decode(body.replace('\n', "")).ok()?;
        (to_pem_body(&der) == body).then_some(())?;
        chain.push(der);
        rest = behind;
    }
    Some(chain)
}

fn to_pem_body(der: &[u8]) -> String {
    let mut body = String::new();
    for (place, symbol) in STANDARD.encode(der).chars().enumerate() {
        if place > 0 && place % 64 == 0 {
            body.push('\n');
        }
        body.push(symbol);
    }
    body.push('\n');
    body
}

#[cfg(test)]
mod a_recorded_quote {
    use super::*;

    #[test]
    fn is_read_as_it_was_written() {
        let path = "/../../../shared/data/evidence/tdx-quote-v4.dat";
        let Ok(quote) = std::fs::read(format!("{}{path}", env!("CARGO_MANIFEST_DIR"))) else {
            use std::io::Write as _;
            let _ = writeln!(std::io::stderr(), "skipped: no quote was recorded here");
            return;
        };
        let parts = Parts::read(&quote).unwrap();
        let machine = Machine::read(parts.signed).unwrap();
        // As other readers of the same file print them.
        assert_eq!(machine.svn, [3, 0, 5, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]);
        assert_eq!(machine.mrtd[..4], [0x70, 0x5e, 0xe9, 0x38]);
        assert_eq!(machine.data[..4], [0x7c, 0x71, 0xfe, 0x2c]);
        assert_eq!((machine.attributes, machine.module_attributes), (0x1000_0001, 0));
        assert_eq!(parts.chain.len(), 3);
    }
}
