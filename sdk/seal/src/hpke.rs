//! Hybrid public key encryption, as far as a sealed request needs it: base mode, one suite.
//!
//! The suite is DHKEM(X25519, HKDF-SHA256), HKDF-SHA256, ChaCha20-Poly1305. What carries data are
//! keys taken from the exporter; the context's own cipher seals nothing but an empty message, once,
//! which proves to the recipient that the sender meant this key and these associated data.
//!
//! Source: RFC 9180, whose appendix A.2.1 the tests repeat.

use ring::aead::{Aad, CHACHA20_POLY1305, LessSafeKey, Nonce, UnboundKey};
use ring::hmac;
use x25519_dalek::{PublicKey, StaticSecret};
use zeroize::Zeroizing;

use crate::error::SealError;

/// How long an encapsulated key is.
pub(crate) const ENC_BYTES: usize = 32;
/// How long the proof of a context is.
pub(crate) const PROOF_BYTES: usize = 16;

/// `"KEM"` and the number of DHKEM(X25519, HKDF-SHA256).
const KEM: &[u8] = b"KEM\x00\x20";
/// `"HPKE"` and the numbers of the KEM, of HKDF-SHA256 and of ChaCha20-Poly1305.
const SUITE: &[u8] = b"HPKE\x00\x20\x00\x01\x00\x03";
const MODE_BASE: u8 = 0;

type Bytes32 = Zeroizing<[u8; 32]>;

/// What both ends have in common afterwards.
pub(crate) struct Context {
    key: Bytes32,
    base_nonce: [u8; 12],
    exporter: Bytes32,
}

/// The public key of a secret one.
pub(crate) fn public(secret: &[u8; 32]) -> [u8; 32] {
    PublicKey::from(&StaticSecret::from(*secret)).to_bytes()
}

/// Makes a context with the owner of `recipient`: the encapsulated key, to be sent, and the
/// context. `ephemeral` must be random and used for nothing else.
/// # Errors  [`SealError::Key`] for a recipient that is no key.
pub(crate) fn encapsulate(
    recipient: &[u8; 32],
    ephemeral: &[u8; 32],
    info: &[u8],
) -> Result<([u8; ENC_BYTES], Context), SealError> {
    let enc = public(ephemeral);
    let shared = shared_secret(ephemeral, recipient, &enc, recipient)?;
    Ok((enc, Context::of(&shared, info)))
}

/// The context that an encapsulated key stands for.
/// # Errors  [`SealError::Key`] for what is no key.
pub(crate) fn decapsulate(
    secret: &[u8; 32],
    enc: &[u8; ENC_BYTES],
    info: &[u8],
) -> Result<Context, SealError> {
    let shared = shared_secret(secret, enc, enc, &public(secret))?;
    Ok(Context::of(&shared, info))
}

/// Source: RFC 9180 §4.1, `ExtractAndExpand`; §7.1.4 has the result that is all zeros refused.
fn shared_secret(
    ours: &[u8; 32],
    theirs: &[u8; 32],
    enc: &[u8; 32],
    recipient: &[u8; 32],
) -> Result<Bytes32, SealError> {
    let secret = StaticSecret::from(*ours);
    let agreed = secret.diffie_hellman(&PublicKey::from(*theirs));
    if !agreed.was_contributory() {
        return Err(SealError::Key);
    }
    let prk = extract(&[], KEM, b"eae_prk", agreed.as_bytes());
    Ok(expand(&prk, KEM, b"shared_secret", &[enc, recipient], 32))
}

impl Context {
    /// Source: RFC 9180 §5.1, `KeySchedule` in base mode, whose pre-shared key is empty.
    fn of(shared: &[u8; 32], info: &[u8]) -> Self {
        let psk_id = extract(&[], SUITE, b"psk_id_hash", &[]);
        let info = extract(&[], SUITE, b"info_hash", info);
        let about: [&[u8]; 3] = [&[MODE_BASE], psk_id.as_ref(), info.as_ref()];
        let secret = extract(shared, SUITE, b"secret", &[]);
        let nonce = expand(&secret, SUITE, b"base_nonce", &about, 12);
        Self {
            key: expand(&secret, SUITE, b"key", &about, 32),
            base_nonce: nonce.first_chunk().copied().unwrap_or_default(),
            exporter: expand(&secret, SUITE, b"exp", &about, 32),
        }
    }

    /// A key for this purpose.
    /// Source: RFC 9180 §5.3.
    pub(crate) fn export(&self, purpose: &[u8]) -> Bytes32 {
        expand(&self.exporter, SUITE, b"sec", &[purpose], 32)
    }

    /// The empty message, sealed: what shows the other end that both have the same context and
    /// speak of the same `ad`. To be made once.
    /// # Errors  [`SealError::NotAuthentic`] never; the cipher's interface has the case.
    pub(crate) fn prove(&self, ad: &[u8]) -> Result<[u8; PROOF_BYTES], SealError> {
        let tag = self.cipher()?.seal_in_place_separate_tag(self.nonce(), Aad::from(ad), &mut []);
        let tag = tag.map_err(|_| SealError::NotAuthentic)?;
        tag.as_ref().first_chunk().copied().ok_or(SealError::NotAuthentic)
    }

    /// Whether the other end has the same context and speaks of the same `ad`.
    /// # Errors  [`SealError::NotAuthentic`] if not.
    pub(crate) fn check(&self, ad: &[u8], proof: &[u8; PROOF_BYTES]) -> Result<(), SealError> {
        let mut proof = *proof;
        let opened = self.cipher()?.open_in_place(self.nonce(), Aad::from(ad), &mut proof);
        opened.map(drop).map_err(|_| SealError::NotAuthentic)
    }

    fn cipher(&self) -> Result<LessSafeKey, SealError> {
        let key = UnboundKey::new(&CHACHA20_POLY1305, &*self.key);
        Ok(LessSafeKey::new(key.map_err(|_| SealError::NotAuthentic)?))
    }

    /// That of the first message; there is no second one.
    fn nonce(&self) -> Nonce {
        Nonce::assume_unique_for_key(self.base_nonce)
    }
}

/// Source: RFC 9180 §4, `LabeledExtract`.
fn extract(salt: &[u8], suite: &[u8], label: &[u8], material: &[u8]) -> Bytes32 {
    mac(salt, &[b"HPKE-v1", suite, label, material])
}

/// The first `bytes` of what is expanded, the others zero. At most 32, so that HKDF-Expand is one
/// round.
/// Source: RFC 9180 §4, `LabeledExpand`; RFC 5869 §2.3.
fn expand(prk: &[u8; 32], suite: &[u8], label: &[u8], info: &[&[u8]], bytes: u16) -> Bytes32 {
    let length = bytes.to_be_bytes();
    let mut parts: Vec<&[u8]> = vec![&length, b"HPKE-v1", suite, label];
    parts.extend_from_slice(info);
    parts.push(&[1]);
    let mut expanded = mac(prk, &parts);
    expanded.iter_mut().skip(usize::from(bytes)).for_each(|byte| *byte = 0);
    expanded
}

fn mac(key: &[u8], parts: &[&[u8]]) -> Bytes32 {
    let mut context = hmac::Context::with_key(&hmac::Key::new(hmac::HMAC_SHA256, key));
    parts.iter().for_each(|part| context.update(part));
    let tag = context.sign();
    let mut bytes = Zeroizing::new([0; 32]);
    bytes.iter_mut().zip(tag.as_ref()).for_each(|(place, byte)| *place = *byte);
    bytes
}

#[cfg(test)]
mod the_suite {
    use super::*;

    fn hex<const N: usize>(text: &str) -> [u8; N] {
        core::array::from_fn(|at| u8::from_str_radix(&text[2 * at..2 * at + 2], 16).unwrap())
    }

    /// Source: RFC 9180 appendix A.2.1.
    const INFO: &[u8] = b"Ode on a Grecian Urn";
    const EPHEMERAL: &str = "f4ec9b33b792c372c1d2c2063507b684ef925b8c75a42dbcbf57d63ccd381600";
    const ENC: &str = "1afa08d3dec047a643885163f1180476fa7ddb54c6a8029ea33f95796bf2ac4a";
    const SECRET: &str = "8057991eef8f1f1af18f4a9491d16a1ce333f695d4db8e38da75975c4478e0fb";
    const PUBLIC: &str = "4310ee97d88cc1f088a5576c77ab0cf5c3ac797f3d95139c6c84b5429c59662a";
    const KEY: &str = "ad2744de8e17f4ebba575b3f5f5a8fa1f69c2a07f6e7500bc60ca6e3e3ec1c91";
    const EXPORTER: &str = "a3b010d4994890e2c6968a36f64470d3c824c8f5029942feb11e7a74b2921922";

    #[test]
    fn is_that_of_the_rfc() {
        assert_eq!(public(&hex(SECRET)), hex(PUBLIC));
        let (enc, sender) = encapsulate(&hex(PUBLIC), &hex(EPHEMERAL), INFO).unwrap();
        assert_eq!(enc, hex(ENC));
        let recipient = decapsulate(&hex(SECRET), &enc, INFO).unwrap();
        for context in [&sender, &recipient] {
            assert_eq!(*context.key, hex(KEY));
            assert_eq!(context.base_nonce, hex("5c4d98150661b848853b547f"));
            assert_eq!(*context.exporter, hex(EXPORTER));
        }
        let mut message = *b"Beauty is truth, truth beauty";
        let cipher = sender.cipher().unwrap();
        let aad = Aad::from(b"Count-0");
        let tag = cipher.seal_in_place_separate_tag(sender.nonce(), aad, &mut message).unwrap();
        let sealed = "1c5250d8034ec2b784ba2cfd69dbdb8af406cfe3ff938e131f0def8c8b60b4db21993c62ce\
                      81883d2dd1b51a28";
        assert_eq!([&message[..], tag.as_ref()].concat(), hex::<45>(sealed));
    }

    #[test]
    fn exports_what_the_rfc_exports() {
        let context = decapsulate(&hex(SECRET), &hex(ENC), INFO).unwrap();
        for (purpose, exported) in [
            (&b""[..], "4bbd6243b8bb54cec311fac9df81841b6fd61f56538a775e7c80a9f40160606e"),
            (b"\0", "8c1df14732580e5501b00f82b10a1647b40713191b7c1240ac80e2b68808ba69"),
            (b"TestContext", "5acb09211139c43b3090489a9da433e8a30ee7188ba8b0a9a1ccf0c229283e53"),
        ] {
            assert_eq!(*context.export(purpose), hex(exported));
        }
    }

    #[test]
    fn proves_one_context_over_one_thing() {
        let (enc, sender) = encapsulate(&hex(PUBLIC), &hex(EPHEMERAL), INFO).unwrap();
        let proof = sender.prove(b"this").unwrap();
        let check = |info: &[u8], ad: &[u8], proof| {
            decapsulate(&hex(SECRET), &enc, info).unwrap().check(ad, proof)
        };
        assert_eq!(check(INFO, b"this", &proof), Ok(()));
        assert_eq!(check(INFO, b"that", &proof), Err(SealError::NotAuthentic));
        assert_eq!(check(b"other", b"this", &proof), Err(SealError::NotAuthentic));
        let mut altered = proof;
        altered[15] ^= 1;
        assert_eq!(check(INFO, b"this", &altered), Err(SealError::NotAuthentic));
    }

    #[test]
    fn refuses_points_that_agree_with_everybody() {
        let mut one = [0; 32];
        one[0] = 1;
        for point in [[0; 32], one] {
            assert!(matches!(encapsulate(&point, &[7; 32], b""), Err(SealError::Key)));
            assert!(matches!(decapsulate(&[7; 32], &point, b""), Err(SealError::Key)));
        }
    }
}
