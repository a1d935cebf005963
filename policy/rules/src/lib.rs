//! Who may do what, decided in one place and kept nowhere.
//!
//! Two functions: [`admit`] before a run, [`release`] after it. Both are pure, both deny when
//! unsure. A [`Grant`] is the only leave to run there is, and only [`admit`] makes one.
//!
//! The rule set of a node with one owner is built in: the owner may do everything, nobody else
//! anything, and a pool that asks for sealed requests gets no plain ones.
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
pub use rules::{Action, Rules};
