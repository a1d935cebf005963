//! Why a sealed request or its answer is not to be had.

/// Why bytes were not sealed or do not open. Whoever is told learns nothing of what is inside: that
/// something was altered, truncated, moved, or sealed for another task looks the same.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum SealError {
    /// They are of a version that this program does not know.
    #[error("this is sealed in a form of another version")]
    Version,
    /// They are too short, or hold something that is not spelt as it should.
    #[error("these bytes are not in the form of a sealed request")]
    Form,
    /// More than a sealed request or answer may hold.
    #[error("this is more than can be sealed at once")]
    TooLarge,
    /// What should be a key is none.
    #[error("this is not a key to seal to")]
    Key,
    /// They were altered, cut or put together anew, or are for another key, task, promise or
    /// object.
    #[error("the sealed bytes do not open for this task, on these objects, under this key")]
    NotAuthentic,
}

impl SealError {
    /// The word by which programs know it; it never changes its meaning.
    #[must_use]
    pub const fn code(self) -> &'static str {
        match self {
            SealError::Version => "version",
            SealError::Form => "form",
            SealError::TooLarge => "too_large",
            SealError::Key => "key",
            SealError::NotAuthentic => "not_authentic",
        }
    }
}
