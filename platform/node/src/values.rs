//! Values on their way into the store and out of it: sealed before they enter, opened after.

use std::sync::Arc;

use notrace_policy_promise::name::{ObjectName, PoolName};
use notrace_policy_promise::private::Private;
use notrace_sdk_seal::{DataKey, NotAuthentic, WrappingKey, open, seal, unwrap_key, wrap_key};
use notrace_store_objects::{Sealed, WrappedKey};
use zeroize::Zeroizing;

use crate::identity::fill;
use crate::planted;
use crate::refusal::Refusal;

/// A value that is sealed but whose data key is not wrapped yet: the pool's key may change between
/// two attempts to store it, and then only the wrapping is done again.
pub(crate) struct SealedValue {
    ciphertext: Arc<[u8]>,
    plain_len: u64,
    id: [u8; 16],
    key: DataKey,
}

/// Sealing more than this is left to a thread that may block.
const INLINE_BYTES_MAX: usize = 256 << 10;

impl SealedValue {
    /// Seals `value` for the object `name` under a fresh data key, and wipes it.
    /// # Errors  [`Refusal::Internal`] without randomness.
    pub(crate) fn seal(name: &ObjectName, mut value: Private<Vec<u8>>) -> Result<Self, Refusal> {
        // All chance that it takes at once: each drawing is a system call.
        let mut drawn = Zeroizing::new([0; 60]);
        fill(&mut *drawn).map_err(|_| Refusal::Internal("drawing a key"))?;
        let (mut bytes, mut id, mut nonce) = (Zeroizing::new([0; 32]), [0; 16], [0; 12]);
        let places = bytes.iter_mut().chain(&mut id).chain(&mut nonce);
        places.zip(drawn.iter()).for_each(|(place, byte)| *place = *byte);
        planted!(
            47,
            value.reveal(|value| id.iter_mut().zip(value).for_each(|(to, from)| *to = *from))
        );
        let key = DataKey::from_bytes(&bytes);
        let plaintext = value.reveal_mut(std::mem::take);
        let plain_len = plaintext.len();
        let ad = purpose(name, &id);
        let work = || seal(&key, nonce, &ad, plaintext);
        let sealed =
            if plain_len > INLINE_BYTES_MAX { tokio::task::block_in_place(work) } else { work() };
        let ciphertext = sealed.map_err(|_| Refusal::Internal("sealing"))?.into();
        Ok(Self { ciphertext, plain_len: plain_len as u64, id, key })
    }

    /// The value as the store takes it, its key wrapped by the pool's key of `epoch`.
    /// # Errors  [`Refusal::Internal`] without randomness.
    pub(crate) fn wrapped_by(&self, pool: &WrappingKey, epoch: u32) -> Result<Sealed, Refusal> {
        Ok(Sealed {
            ciphertext: self.ciphertext.clone(),
            wrapped_key: wrap(pool, &self.id, &self.key)?,
            key_epoch: epoch,
            plain_len: self.plain_len,
            id: self.id,
        })
    }
}

/// What a ciphertext is for: this object and this version of it, and nothing else.
pub(crate) fn purpose(name: &ObjectName, id: &[u8; 16]) -> Vec<u8> {
    let pool: &PoolName = &name.pool;
    let mut ad = b"notrace object v1\0".to_vec();
    ad.extend_from_slice(id);
    ad.extend_from_slice(pool.as_str().as_bytes());
    ad.push(b'/');
    ad.extend_from_slice(name.key.as_str().as_bytes());
    ad
}

/// The data key of a stored value.
/// # Errors  [`NotAuthentic`] if the pool's key is not the one it was wrapped by.
pub(crate) fn data_key(pool: &WrappingKey, sealed: &Sealed) -> Result<DataKey, NotAuthentic> {
    unwrap_key(pool, &sealed.id, sealed.wrapped_key.as_bytes())
}

/// The same data key under another pool key.
/// # Errors  [`NotAuthentic`] if `old` did not wrap it; none otherwise but a lack of randomness.
pub(crate) fn rewrap(
    old: &WrappingKey,
    new: &WrappingKey,
    id: &[u8; 16],
    wrapped: &WrappedKey,
) -> Result<WrappedKey, Refusal> {
    let key = unwrap_key(old, id, wrapped.as_bytes());
    wrap(new, id, &key.map_err(|_| Refusal::Internal("rewrapping a key"))?)
}

/// Opens a stored value.
/// # Errors  [`NotAuthentic`] if it is not this object's, or the key is not its pool's.
pub(crate) fn open_value(
    pool: &WrappingKey,
    name: &ObjectName,
    sealed: &Sealed,
) -> Result<Private<Vec<u8>>, NotAuthentic> {
    let key = data_key(pool, sealed)?;
    let ad = purpose(name, &sealed.id);
    let work = || open(&key, &ad, sealed.ciphertext.to_vec());
    let plaintext = if sealed.ciphertext.len() > INLINE_BYTES_MAX {
        tokio::task::block_in_place(work)
    } else {
        work()
    };
    plaintext.map(Private::new)
}

fn wrap(pool: &WrappingKey, id: &[u8; 16], key: &DataKey) -> Result<WrappedKey, Refusal> {
    let mut nonce = [0; 12];
    fill(&mut nonce).map_err(|_| Refusal::Internal("drawing a nonce"))?;
    let wrapped = wrap_key(pool, nonce, id, key);
    let wrapped = wrapped.map_err(|_| Refusal::Internal("wrapping a key"))?;
    WrappedKey::new(&wrapped).ok_or(Refusal::Internal("wrapping a key"))
}
