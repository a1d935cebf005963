//! Confidentiality labels.

use core::fmt;
use core::str::FromStr;

use crate::limits::LABEL_BYTES_MAX;

/// How confidential data is, as a word the rules know: lower-case letters, digits and dashes.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Label(Box<str>);

/// Why a text is not a label.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[error("a label is 1 to {LABEL_BYTES_MAX} of a-z, 0-9 and -, and starts with a letter")]
pub struct NotALabel;

impl Label {
    /// The label's text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for Label {
    type Err = NotALabel;

    fn from_str(text: &str) -> Result<Self, NotALabel> {
        let known = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
        let starts = text.bytes().next().is_some_and(|byte| byte.is_ascii_lowercase());
        if starts && text.len() <= LABEL_BYTES_MAX && text.bytes().all(known) {
            Ok(Self(text.into()))
        } else {
            Err(NotALabel)
        }
    }
}

impl fmt::Display for Label {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}
