//! Values as they are stored: ciphertext, and the key to it under a key that is not here.

use core::fmt;
use std::sync::Arc;

use crate::limits::WRAPPED_KEY_BYTES_MAX;

/// A data key, wrapped by its pool's key. Opaque here.
#[derive(Clone, PartialEq, Eq)]
pub struct WrappedKey(Box<[u8]>);

impl WrappedKey {
    /// A wrapped key of these bytes, if they are at most [`WRAPPED_KEY_BYTES_MAX`].
    pub fn new(bytes: &[u8]) -> Option<Self> {
        (bytes.len() <= WRAPPED_KEY_BYTES_MAX).then(|| Self(bytes.into()))
    }

    /// The bytes.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }
}

/// One version's value. Clones share the ciphertext.
#[derive(Clone, PartialEq, Eq)]
pub struct Sealed {
    /// The value, sealed under its data key.
    pub ciphertext: Arc<[u8]>,
    /// The data key, wrapped by the pool's key.
    pub wrapped_key: WrappedKey,
    /// Which of the pool's keys wrapped it.
    pub key_epoch: u32,
    /// How long the value is before sealing, in bytes.
    pub plain_len: u64,
    /// What the ciphertext is bound to; unlike any other.
    pub id: [u8; 16],
}

impl fmt::Debug for WrappedKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "WrappedKey({} bytes)", self.0.len())
    }
}

impl fmt::Debug for Sealed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Sealed({} bytes, epoch {})", self.ciphertext.len(), self.key_epoch)
    }
}
