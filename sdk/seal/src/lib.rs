//! Sealing and opening: how bytes become ciphertext, and who can turn them back.
//!
//! One algorithm, AES-256-GCM, under keys that live in memory that wipes itself. A [`DataKey`]
//! seals one object version or one run's input and answer; a [`WrappingKey`] seals data keys. What
//! a sealing is *for* goes in as associated data, so that a ciphertext moved elsewhere does not
//! open.
//!
//! Reading order: `key`, `sealed`, `wrap`; `invite` is how a node that joins a group proves its
//! token.
#![forbid(unsafe_code)]

mod key;
mod sealed;
mod wrap;

mod invite;

pub use invite::{
    INVITE_ID_BYTES, INVITE_PROOF_BYTES, InviteKey, TOKEN_BYTES, WelcomeKey, is_asked, same_proof,
};
pub use key::{DataKey, WrappingKey};
pub use sealed::{NotAuthentic, OVERHEAD_BYTES, open, open_in_place, seal};
pub use wrap::{WRAPPED_KEY_BYTES, unwrap_key, wrap_key};
