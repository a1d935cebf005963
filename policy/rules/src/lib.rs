//! Who may do what, decided in one place and kept nowhere.
//!
//! Two functions: [`admit`] before a run, [`release`] after it. Both are pure, both deny when
//! unsure. A [`Grant`] is the only leave to run there is, and only [`admit`] makes one.
//!
//! A node begins with the rules of one owner: the owner may do everything, nobody else anything.
//! Rules that somebody wrote take their place ([`set`]). Under any rules, a pool that asks for
//! sealed requests gets no plain ones.
#![forbid(unsafe_code)]

pub mod limits;
pub mod set;

mod admit;
mod principal;
mod release;
mod rules;

pub use admit::{Access, Asked, Denied, Grant, Handle, Seen, admit};
pub use principal::{Authenticated, Principal};
pub use release::{Release, release};
pub use rules::{LockedOut, Rules};
