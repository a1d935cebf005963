//! The four kinds of signature that hardware vendors use, each with its one spelling of the
//! algorithm.

use ring::signature::{
    ECDSA_P256_SHA256_ASN1, ECDSA_P256_SHA256_FIXED, ECDSA_P384_SHA384_FIXED,
    RSA_PSS_2048_8192_SHA384, UnparsedPublicKey, VerificationAlgorithm,
};

/// Who signed, as a certificate says it.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Key<'a> {
    /// A point on P-256, uncompressed.
    P256(&'a [u8]),
    /// A point on P-384, uncompressed.
    P384(&'a [u8]),
    /// An RSA key, PKCS#1.
    Rsa(&'a [u8]),
}

/// `id-ecPublicKey` with `prime256v1`.
const P256: &[u8] = &[
    0x06, 0x07, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01, 0x06, 0x08, 0x2a, 0x86, 0x48, 0xce, 0x3d,
    0x03, 0x01, 0x07,
];
/// `id-ecPublicKey` with `secp384r1`.
const P384: &[u8] = &[
    0x06, 0x07, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01, 0x06, 0x05, 0x2b, 0x81, 0x04, 0x00, 0x22,
];
/// `rsaEncryption`.
const RSA: &[u8] = &[0x06, 0x09, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x01, 0x05, 0x00];
/// `ecdsa-with-SHA256`.
const ECDSA_SHA256: &[u8] = &[0x06, 0x08, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x04, 0x03, 0x02];
/// `id-RSASSA-PSS` with SHA-384, MGF1 with SHA-384, 48 bytes of salt, and the trailer field, which
/// DER would leave out and AMD writes.
const PSS_SHA384: &[u8] = &[
    0x06, 0x09, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x0a, 0x30, 0x39, 0xa0, 0x0f, 0x30,
    0x0d, 0x06, 0x09, 0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04, 0x02, 0x02, 0x05, 0x00, 0xa1, 0x1c,
    0x30, 0x1a, 0x06, 0x09, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x08, 0x30, 0x0d, 0x06,
    0x09, 0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04, 0x02, 0x02, 0x05, 0x00, 0xa2, 0x03, 0x02, 0x01,
    0x30, 0xa3, 0x03, 0x02, 0x01, 0x01,
];
/// How long [`PSS_SHA384`] is without its trailer field, and where its length stands.
const TRAILER_BYTES: usize = 5;

impl<'a> Key<'a> {
    /// The key of this algorithm and these bits, if it is one of the three.
    pub(crate) fn of(algorithm: &[u8], bits: &'a [u8]) -> Option<Self> {
        match algorithm {
            P256 => Some(Self::P256(bits)),
            P384 => Some(Self::P384(bits)),
            RSA => Some(Self::Rsa(bits)),
            _ => None,
        }
    }

    /// Whether a certificate's signature is this key's.
    pub(crate) fn signed(self, algorithm: &[u8], message: &[u8], signature: &[u8]) -> Option<()> {
        match self {
            Self::P256(key) if algorithm == ECDSA_SHA256 => {
                check(&ECDSA_P256_SHA256_ASN1, key, message, signature)
            }
            Self::Rsa(key) if is_pss(algorithm) => {
                check(&RSA_PSS_2048_8192_SHA384, key, message, signature)
            }
            _ => None,
        }
    }
}

/// Whether it is [`PSS_SHA384`], with the trailer field or without.
fn is_pss(algorithm: &[u8]) -> bool {
    let mut short = PSS_SHA384.to_vec();
    short.truncate(PSS_SHA384.len() - TRAILER_BYTES);
    if let Some(length) = short.get_mut(12) {
        *length -= TRAILER_BYTES as u8;
    }
    algorithm == PSS_SHA384 || algorithm == short
}

/// Whether 64 bytes are a signature by a point of 64.
pub(crate) fn p256(point: &[u8; 64], message: &[u8], signature: &[u8]) -> Option<()> {
    let key = [&[4][..], point].concat();
    check(&ECDSA_P256_SHA256_FIXED, &key, message, signature)
}

/// Whether 96 bytes are a signature by this uncompressed point.
pub(crate) fn p384(point: &[u8], message: &[u8], signature: &[u8; 96]) -> Option<()> {
    check(&ECDSA_P384_SHA384_FIXED, point, message, signature)
}

fn check(
    algorithm: &'static dyn VerificationAlgorithm,
    key: &[u8],
    message: &[u8],
    signature: &[u8],
) -> Option<()> {
    UnparsedPublicKey::new(algorithm, key).verify(message, signature).ok()
}

/// SHA-256 without a domain: for digests whose form others have fixed.
pub(crate) fn sha256(parts: &[&[u8]]) -> [u8; 32] {
    let mut context = ring::digest::Context::new(&ring::digest::SHA256);
    parts.iter().for_each(|part| context.update(part));
    let mut bytes = [0; 32];
    for (to, from) in bytes.iter_mut().zip(context.finish().as_ref()) {
        *to = *from;
    }
    bytes
}
