//! What must hold whatever went wrong. Each check is a function of what clients saw and of what
//! members held afterwards, and is tested against a planted violation.
//!
//! [`linear`]: every object behaved as one copy of it would. [`durable`]: nothing acknowledged is
//! lost, nothing came twice or from nowhere. [`watches`]: each watcher was told all, in order.
//! [`equal`]: the members hold the same. [`ledger`]: the public log never took back what it said.

pub mod durable;
pub mod equal;
pub mod ledger;
pub mod linear;
pub mod object;
pub mod watches;

/// Something that must not be, in words.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Violation {
    /// Which check found it.
    pub check: &'static str,
    /// What is wrong.
    pub text: String,
}

impl Violation {
    /// A violation in words.
    pub(crate) fn new(check: &'static str, text: impl Into<String>) -> Self {
        Self { check, text: text.into() }
    }
}
