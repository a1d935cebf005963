//! Data keys under a wrapping key.

use ring::aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use zeroize::Zeroizing;

use crate::key::{DataKey, WrappingKey};
use crate::sealed::{NotAuthentic, OVERHEAD_BYTES};

/// How long a wrapped data key is.
pub const WRAPPED_KEY_BYTES: usize = DataKey::BYTES + OVERHEAD_BYTES;

/// Wraps `key` for the object version `ad` names. `nonce` must never repeat under `wrapping`.
/// # Errors  Never for a 32-byte key; the cipher's interface has the case.
pub fn wrap_key(
    wrapping: &WrappingKey,
    nonce: [u8; NONCE_LEN],
    ad: &[u8],
    key: &DataKey,
) -> Result<[u8; WRAPPED_KEY_BYTES], NotAuthentic> {
    let mut body = Zeroizing::new([0; DataKey::BYTES]);
    key.reveal(|bytes| body.copy_from_slice(bytes));
    let nonce_once = Nonce::assume_unique_for_key(nonce);
    let tag = cipher(wrapping)?
        .seal_in_place_separate_tag(nonce_once, Aad::from(ad), &mut *body)
        .map_err(|_| NotAuthentic)?;
    let mut wrapped = [0; WRAPPED_KEY_BYTES];
    let parts = nonce.iter().chain(&*body).chain(tag.as_ref());
    for (place, byte) in wrapped.iter_mut().zip(parts) {
        *place = *byte;
    }
    Ok(wrapped)
}

/// The data key that [`wrap_key`] wrapped.
/// # Errors  [`NotAuthentic`] for another wrapping key, another version, or altered bytes.
pub fn unwrap_key(
    wrapping: &WrappingKey,
    ad: &[u8],
    wrapped: &[u8],
) -> Result<DataKey, NotAuthentic> {
    let buffer: [u8; WRAPPED_KEY_BYTES] = wrapped.try_into().map_err(|_| NotAuthentic)?;
    let mut buffer = Zeroizing::new(buffer);
    let (nonce, body) = buffer.split_at_mut(NONCE_LEN);
    let nonce = Nonce::try_assume_unique_for_key(nonce).map_err(|_| NotAuthentic)?;
    let opened = cipher(wrapping)?.open_in_place(nonce, Aad::from(ad), body);
    opened
        .map_err(|_| NotAuthentic)
        .and_then(|bytes| <&[u8; 32]>::try_from(&*bytes).map_err(|_| NotAuthentic))
        .map(DataKey::from_bytes)
}

fn cipher(key: &WrappingKey) -> Result<LessSafeKey, NotAuthentic> {
    let unbound = key.reveal(|bytes| UnboundKey::new(&AES_256_GCM, bytes));
    Ok(LessSafeKey::new(unbound.map_err(|_| NotAuthentic)?))
}

#[cfg(test)]
mod a_wrapped_key {
    use super::*;

    #[test]
    fn comes_back_under_its_wrapping_key_for_its_version_only() {
        let (pool, other) = (WrappingKey::from_bytes(&[1; 32]), WrappingKey::from_bytes(&[2; 32]));
        let wrapped = wrap_key(&pool, [3; 12], b"id", &DataKey::from_bytes(&[4; 32])).unwrap();
        let key = unwrap_key(&pool, b"id", &wrapped).ok().unwrap();
        key.reveal(|bytes| assert_eq!(bytes, &[4; 32]));
        assert!(unwrap_key(&other, b"id", &wrapped).is_err());
        assert!(unwrap_key(&pool, b"di", &wrapped).is_err());
        assert!(unwrap_key(&pool, b"id", &wrapped[1..]).is_err());
    }
}
