//! Text out of a module, made fit to be shown.

use core::fmt;

use serde::{Deserialize, Serialize};

use crate::limits::{NAME_CHARS_MAX, STARTS_CHARS_MAX};

/// A name out of a module: cut to [`NAME_CHARS_MAX`] characters, and with everything that a
/// terminal might act on replaced by `?`. It is the uploader's text and never a task's data.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
pub struct Name(Box<str>);

/// The first printable characters of what was uploaded, at most [`STARTS_CHARS_MAX`].
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Starts(Box<str>);

impl Name {
    /// The name `text`, made fit to be shown.
    pub fn of(text: &str) -> Self {
        Self(text.chars().take(NAME_CHARS_MAX).map(shown).collect())
    }

    /// The name's text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl Starts {
    /// The printable start of `module`.
    pub fn of(module: &[u8]) -> Self {
        let ascii = |byte: &&u8| byte.is_ascii_graphic() || **byte == b' ';
        let start = module.iter().take(STARTS_CHARS_MAX).take_while(ascii);
        Self(start.map(|byte| char::from(*byte)).collect())
    }

    /// The start's text; empty if the first byte is not printable.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

fn shown(character: char) -> char {
    if character.is_ascii_graphic() || character == ' ' { character } else { '?' }
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Display for Starts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}
