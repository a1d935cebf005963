//! A TPM whose key is in this process.

use ring::rand::SystemRandom;
use ring::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair as _};

/// A TPM, and a machine that was started with it.
pub struct Tpm {
    key: EcdsaKeyPair,
    /// Attributes of its key.
    pub attributes: u32,
    /// What all registers together come to.
    pub digest: [u8; 32],
}

impl Default for Tpm {
    fn default() -> Self {
        let random = SystemRandom::new();
        let algorithm = &ECDSA_P256_SHA256_FIXED_SIGNING;
        let pkcs8 = EcdsaKeyPair::generate_pkcs8(algorithm, &random).unwrap();
        let key = EcdsaKeyPair::from_pkcs8(algorithm, pkcs8.as_ref(), &random).unwrap();
        // It stays in its TPM, was made there, needs no more than its password, is restricted, and
        // signs.
        Self { key, attributes: 0x0005_0072, digest: [0x77; 32] }
    }
}

impl Tpm {
    /// The registers it quotes: 0, 2, 4 and 7.
    pub const REGISTERS: [u8; 4] = [0, 2, 4, 7];

    /// The key's public area.
    #[must_use]
    pub fn public(&self) -> Vec<u8> {
        let point = &self.key.public_key().as_ref()[1..];
        let mut area = vec![0x00, 0x23, 0x00, 0x0b];
        area.extend_from_slice(&self.attributes.to_be_bytes());
        area.extend_from_slice(&[0, 0, 0x00, 0x10, 0x00, 0x18, 0x00, 0x0b, 0, 3, 0x00, 0x10]);
        for half in point.chunks(32) {
            area.extend_from_slice(&[0, 32]);
            area.extend_from_slice(half);
        }
        area
    }

    /// What it signs, and its signature.
    #[must_use]
    pub fn quote(&self, data: &[u8; 32]) -> (Vec<u8>, Vec<u8>) {
        self.changed(data, |_| {})
    }

    /// The same, changed before it is signed.
    #[must_use]
    pub fn changed(
        &self,
        data: &[u8; 32],
        change: impl FnOnce(&mut Vec<u8>),
    ) -> (Vec<u8>, Vec<u8>) {
        let mut attest = vec![0xff, 0x54, 0x43, 0x47, 0x80, 0x18, 0, 34];
        attest.extend_from_slice(&[0x11; 34]);
        attest.extend_from_slice(&[0, 32]);
        attest.extend_from_slice(data);
        // Clock, resets, restarts, a clock that is safe; the firmware.
        attest.extend_from_slice(&[0; 16]);
        attest.push(1);
        attest.extend_from_slice(&[0; 8]);
        // One selection: SHA-256, three bytes.
        attest.extend_from_slice(&[0, 0, 0, 1, 0x00, 0x0b, 3, 0b1001_0101, 0, 0, 0, 32]);
        attest.extend_from_slice(&self.digest);
        change(&mut attest);
        let signed = self.key.sign(&SystemRandom::new(), &attest).unwrap();
        let mut signature = vec![0x00, 0x18, 0x00, 0x0b];
        for half in signed.as_ref().chunks(32) {
            signature.extend_from_slice(&[0, 32]);
            signature.extend_from_slice(half);
        }
        (attest, signature)
    }
}
