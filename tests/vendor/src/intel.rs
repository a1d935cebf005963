//! A platform that makes quotes of TDX.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use rcgen::{
    BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair, KeyUsagePurpose,
    PKCS_ECDSA_P256_SHA256,
};
use ring::digest::{SHA256, digest};
use ring::rand::SystemRandom;
use ring::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair as _};

use crate::put;

const HEADER_BYTES: usize = 48;
const BODY_BYTES: usize = 584;
const VENDOR: [u8; 16] = [
    0x93, 0x9a, 0x72, 0x33, 0xf7, 0x9c, 0x4c, 0xa9, 0x94, 0x0a, 0x0d, 0xb3, 0x95, 0x7f, 0x06, 0x07,
];
const ENCLAVE_SIGNER: [u8; 32] = [
    0xdc, 0x9e, 0x2a, 0x7c, 0x6f, 0x94, 0x8f, 0x17, 0x47, 0x4e, 0x34, 0xa7, 0xfc, 0x43, 0xed, 0x03,
    0x0f, 0x7c, 0x15, 0x63, 0xf1, 0xba, 0xbd, 0xdf, 0x63, 0x40, 0xc8, 0x2e, 0x0e, 0x54, 0xa8, 0xc5,
];

/// A platform, its quoting enclave, and a machine on it.
pub struct Platform {
    root: Vec<u8>,
    chain: String,
    platform: EcdsaKeyPair,
    enclave: EcdsaKeyPair,
    /// What the machine was started from.
    pub mrtd: [u8; 48],
}

impl Default for Platform {
    fn default() -> Self {
        let root_key = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256).unwrap();
        let root = params("Nobody Root", true).self_signed(&root_key).unwrap();
        let root_issuer = Issuer::new(params("Nobody Root", true), root_key);
        let middle_key = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256).unwrap();
        let middle = params("Nobody Platforms", true).signed_by(&middle_key, &root_issuer).unwrap();
        let middle_issuer = Issuer::new(params("Nobody Platforms", true), middle_key);
        let leaf_key = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256).unwrap();
        let leaf = params("Nobody Platform", false).signed_by(&leaf_key, &middle_issuer).unwrap();
        let chain = [&leaf, &middle, &root].map(|certificate| pem(certificate.der())).concat();
        let enclave = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256).unwrap();
        Self {
            root: root.der().to_vec(),
            chain,
            platform: signing(&leaf_key),
            enclave: signing(&enclave),
            mrtd: [0xa5; 48],
        }
    }
}

impl Platform {
    /// The versions of the module's parts.
    pub const SVN: [u8; 16] = [3, 0, 5, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];

    /// The root's certificate, in DER.
    #[must_use]
    pub fn root(&self) -> Vec<u8> {
        self.root.clone()
    }

    /// A quote with this in it.
    #[must_use]
    pub fn quote(&self, data: &[u8; 64]) -> Vec<u8> {
        self.changed(data, |_| {}, |_| {})
    }

    /// The same; the machine's part and the report of the enclave changed before they are signed.
    #[must_use]
    pub fn changed(
        &self,
        data: &[u8; 64],
        machine: impl FnOnce(&mut [u8]),
        enclave: impl FnOnce(&mut [u8]),
    ) -> Vec<u8> {
        let mut signed = vec![0; HEADER_BYTES + BODY_BYTES];
        put(&mut signed, 0, &[4, 0, 2, 0, 0x81]);
        put(&mut signed, 12, &VENDOR);
        put(&mut signed, HEADER_BYTES, &Self::SVN);
        // Threads do not see what happens to pages below them: the one attribute that all set.
        put(&mut signed, HEADER_BYTES + 120, &0x1000_0000_u64.to_le_bytes());
        put(&mut signed, HEADER_BYTES + 136, &self.mrtd);
        put(&mut signed, HEADER_BYTES + 520, data);
        machine(&mut signed);

        let key = &self.enclave.public_key().as_ref()[1..];
        let extra = [0x33; 32];
        let mut report = vec![0; 384];
        put(&mut report, 48, &0x15_u64.to_le_bytes());
        put(&mut report, 128, &ENCLAVE_SIGNER);
        put(&mut report, 256, &[2, 0, 4]);
        put(&mut report, 320, digest(&SHA256, &[key, &extra].concat()).as_ref());
        enclave(&mut report);

        let chain = [self.chain.as_bytes(), &[0]].concat();
        let mut certified = [&report[..], &sign(&self.platform, &report)].concat();
        certified.extend_from_slice(&[32, 0]);
        certified.extend_from_slice(&extra);
        certified.extend_from_slice(&[5, 0]);
        certified.extend_from_slice(&(chain.len() as u32).to_le_bytes());
        certified.extend_from_slice(&chain);

        let mut behind = [&sign(&self.enclave, &signed), key, &[6, 0]].concat();
        behind.extend_from_slice(&(certified.len() as u32).to_le_bytes());
        behind.extend_from_slice(&certified);
        signed.extend_from_slice(&(behind.len() as u32).to_le_bytes());
        signed.extend_from_slice(&behind);
        signed
    }
}

fn params(name: &str, is_authority: bool) -> CertificateParams {
    let mut params = CertificateParams::default();
    params.distinguished_name.push(DnType::CommonName, name);
    if is_authority {
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign];
    } else {
        params.is_ca = IsCa::ExplicitNoCa;
    }
    params
}

fn signing(pair: &KeyPair) -> EcdsaKeyPair {
    let pkcs8 = pair.serialize_der();
    let random = SystemRandom::new();
    EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &pkcs8, &random).unwrap()
}

fn sign(key: &EcdsaKeyPair, message: &[u8]) -> Vec<u8> {
    key.sign(&SystemRandom::new(), message).unwrap().as_ref().to_vec()
}

fn pem(der: &[u8]) -> String {
    let text = STANDARD.encode(der);
    let lines: Vec<&str> =
        text.as_bytes().chunks(64).map(|line| std::str::from_utf8(line).unwrap()).collect();
    format!("-----BEGIN CERTIFICATE-----\n{}\n-----END CERTIFICATE-----\n", lines.join("\n"))
}
