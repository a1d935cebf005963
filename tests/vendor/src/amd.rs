//! A chip that makes reports of SEV-SNP.

use ring::rand::SystemRandom;
use ring::signature::{ECDSA_P384_SHA384_FIXED_SIGNING, EcdsaKeyPair};

use crate::put;

const REPORT_BYTES: usize = 1184;
const SIGNED_BYTES: usize = 0x2a0;

/// A chip, and a guest on it.
pub struct Chip {
    key: EcdsaKeyPair,
    /// What the guest was started from.
    pub measurement: [u8; 48],
}

impl Default for Chip {
    fn default() -> Self {
        let pkcs8 = include_bytes!("../amd/vcek.pk8");
        let random = SystemRandom::new();
        let key = EcdsaKeyPair::from_pkcs8(&ECDSA_P384_SHA384_FIXED_SIGNING, pkcs8, &random);
        Self { key: key.unwrap(), measurement: [0x5a; 48] }
    }
}

impl Chip {
    /// The root's certificate, in DER.
    pub const ARK: &[u8] = include_bytes!("../amd/ark.der");
    /// That of the signer for chips.
    pub const ASK: &[u8] = include_bytes!("../amd/ask.der");
    /// That of this chip.
    pub const VCEK: &[u8] = include_bytes!("../amd/vcek.der");
    /// The version of its firmware.
    pub const TCB: [u8; 8] = [3, 0, 0, 0, 0, 0, 8, 0xd4];

    /// A report with this in it.
    #[must_use]
    pub fn report(&self, data: &[u8; 64]) -> Vec<u8> {
        self.changed(data, |_| {})
    }

    /// The same, changed before the chip signs it.
    #[must_use]
    pub fn changed(&self, data: &[u8; 64], change: impl FnOnce(&mut [u8])) -> Vec<u8> {
        let mut report = vec![0; REPORT_BYTES];
        put(&mut report, 0x00, &[2]);
        // Threads that share a core are allowed, and a bit that is always set.
        put(&mut report, 0x08, &0x3_0000_u64.to_le_bytes());
        put(&mut report, 0x34, &[1]);
        for at in [0x38, 0x180, 0x1e0, 0x1f0] {
            put(&mut report, at, &Self::TCB);
        }
        put(&mut report, 0x50, data);
        put(&mut report, 0x90, &self.measurement);
        put(&mut report, 0x1a0, &[0xcc; 64]);
        change(&mut report);
        let signature = self.key.sign(&SystemRandom::new(), &report[..SIGNED_BYTES]).unwrap();
        let (r, s) = signature.as_ref().split_at(48);
        let reversed = |number: &[u8]| number.iter().rev().copied().collect::<Vec<u8>>();
        put(&mut report, SIGNED_BYTES, &reversed(r));
        put(&mut report, SIGNED_BYTES + 72, &reversed(s));
        report
    }
}
