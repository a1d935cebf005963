//! Sealing and opening: how bytes become ciphertext, and who can turn them back.
//!
//! What is kept is under AES-256-GCM: a [`DataKey`] seals one object version, or what passes
//! between the node and one worker; a [`WrappingKey`] seals data keys. What a sealing is *for* goes
//! in as associated data, so that a ciphertext moved elsewhere does not open.
//!
//! What travels is a sealed request: [`seal_request`] on the client's side, [`SealedRequest`] in
//! the node, [`RunKeys`] in the worker. Nothing here draws at random, reads a clock or touches a
//! file.
//!
//! Reading order: `key`, `sealed`, `wrap` for what is kept; `error`, `limits`, `hpke`, `stream`,
//! `padding`, `content`, `run_keys`, `request` and `request_key` for what travels; `invite` is how
//! a node that joins a group proves its token.
#![forbid(unsafe_code)]

mod key;
mod sealed;
mod wrap;

mod error;
pub mod limits;

mod content;
mod hpke;
mod padding;
mod request;
mod request_key;
mod run_keys;
mod stream;

mod invite;

pub use content::Opened;
pub use error::SealError;
pub use request::{Binding, Content, Draw, NONCE_BYTES, SealedRequest, VERSION, seal_request};
pub use request_key::{KeyEpoch, NotARequestKey, RequestKey, public_key};
pub use run_keys::{Failure, RunKeys, Told, WordKey};

pub use invite::{
    INVITE_ID_BYTES, INVITE_PROOF_BYTES, InviteKey, TOKEN_BYTES, WelcomeKey, is_asked, same_proof,
};
pub use key::{DataKey, WrappingKey};
pub use sealed::{NotAuthentic, OVERHEAD_BYTES, open, open_in_place, seal};
pub use wrap::{WRAPPED_KEY_BYTES, unwrap_key, wrap_key};
