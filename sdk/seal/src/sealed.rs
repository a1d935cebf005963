//! Bytes under a data key: nonce, ciphertext and tag in one buffer.

use ring::aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use zeroize::Zeroize;

use crate::key::DataKey;

/// How much longer a sealed value is than its plaintext: 12 bytes of nonce and 16 of tag.
pub const OVERHEAD_BYTES: usize = NONCE_LEN + 16;

/// The bytes were altered, or belong elsewhere, or to another key.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[error("the sealed bytes do not open under this key for this purpose")]
pub struct NotAuthentic;

/// Seals `plaintext` under `key` for the purpose `ad`, wiping it on the way.
///
/// `nonce` must never repeat under one key; draw it at random, or count.
/// Source: NIST SP 800-38D, with the 96-bit nonce of its §8.2.
/// # Errors  [`NotAuthentic`] only for a value beyond the algorithm's bound of 64 GiB.
pub fn seal(
    key: &DataKey,
    nonce: [u8; NONCE_LEN],
    ad: &[u8],
    mut plaintext: Vec<u8>,
) -> Result<Vec<u8>, NotAuthentic> {
    let mut sealed = Vec::with_capacity(plaintext.len() + OVERHEAD_BYTES);
    sealed.extend_from_slice(&nonce);
    sealed.extend_from_slice(&plaintext);
    plaintext.zeroize();
    let (_, body) = sealed.split_at_mut(NONCE_LEN);
    let tag = cipher(key)?
        .seal_in_place_separate_tag(Nonce::assume_unique_for_key(nonce), Aad::from(ad), body)
        .map_err(|_| NotAuthentic)?;
    sealed.extend_from_slice(tag.as_ref());
    Ok(sealed)
}

/// Opens what [`seal`] made, in place: the plaintext is the returned part of the buffer.
/// # Errors  [`NotAuthentic`]; the buffer then holds no plaintext.
pub fn open_in_place<'a>(
    key: &DataKey,
    ad: &[u8],
    sealed: &'a mut [u8],
) -> Result<&'a mut [u8], NotAuthentic> {
    let (nonce, body) = sealed.split_at_mut_checked(NONCE_LEN).ok_or(NotAuthentic)?;
    let nonce = Nonce::try_assume_unique_for_key(nonce).map_err(|_| NotAuthentic)?;
    cipher(key)?.open_in_place(nonce, Aad::from(ad), body).map_err(|_| NotAuthentic)
}

/// Opens what [`seal`] made, into the same allocation without the overhead.
/// # Errors  [`NotAuthentic`]; nothing of the plaintext is returned.
pub fn open(key: &DataKey, ad: &[u8], mut sealed: Vec<u8>) -> Result<Vec<u8>, NotAuthentic> {
    let length = open_in_place(key, ad, &mut sealed)?.len();
    sealed.copy_within(NONCE_LEN..NONCE_LEN + length, 0);
    // The end still holds a copy of the last plaintext bytes; `truncate` would leave it there.
    if let Some(rest) = sealed.get_mut(length..) {
        rest.zeroize();
    }
    sealed.truncate(length);
    Ok(sealed)
}

fn cipher(key: &DataKey) -> Result<LessSafeKey, NotAuthentic> {
    let unbound = key.reveal(|bytes| UnboundKey::new(&AES_256_GCM, bytes));
    Ok(LessSafeKey::new(unbound.map_err(|_| NotAuthentic)?))
}

#[cfg(test)]
mod a_sealed_value {
    use super::*;

    fn key(byte: u8) -> DataKey {
        DataKey::from_bytes(&[byte; 32])
    }

    #[test]
    fn opens_under_its_key_and_purpose() {
        let sealed = seal(&key(1), [7; 12], b"purpose", b"hello".to_vec()).unwrap();
        assert_eq!(sealed.len(), 5 + OVERHEAD_BYTES);
        assert_eq!(open(&key(1), b"purpose", sealed).unwrap(), b"hello");
    }

    #[test]
    fn of_nothing_is_only_overhead() {
        let sealed = seal(&key(1), [7; 12], b"", Vec::new()).unwrap();
        assert_eq!(sealed.len(), OVERHEAD_BYTES);
        assert_eq!(open(&key(1), b"", sealed).unwrap(), b"");
    }

    #[test]
    fn does_not_open_elsewhere_or_altered() {
        let sealed = seal(&key(1), [7; 12], b"purpose", b"hello".to_vec()).unwrap();
        assert_eq!(open(&key(2), b"purpose", sealed.clone()), Err(NotAuthentic));
        assert_eq!(open(&key(1), b"other", sealed.clone()), Err(NotAuthentic));
        for index in 0..sealed.len() {
            let mut altered = sealed.clone();
            altered[index] ^= 1;
            assert_eq!(open(&key(1), b"purpose", altered), Err(NotAuthentic));
        }
        for length in 0..sealed.len() {
            assert_eq!(open(&key(1), b"purpose", sealed[..length].to_vec()), Err(NotAuthentic));
        }
    }
}
