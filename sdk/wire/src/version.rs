//! Which version of an object, as clients spell it.

use core::fmt;
use core::str::FromStr;

use crate::text::as_text;

/// An object's version: `VIEW:SEQ`, as in `1:42`. Orders as the store does.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Version {
    /// The view that delivered the update; below 2^24.
    pub view: u32,
    /// The update's number in that view; below 2^40.
    pub seq: u64,
}

const VIEW_MAX: u32 = (1 << 24) - 1;
const SEQ_MAX: u64 = (1 << 40) - 1;

impl Version {
    /// The version inside an `ETag` or `If-Match` value: the text in double quotes.
    /// # Errors  The value is not one quoted version.
    pub fn from_etag(value: &str) -> Result<Self, NotAVersion> {
        let inner = value.strip_prefix('"').and_then(|rest| rest.strip_suffix('"'));
        inner.ok_or(NotAVersion)?.parse()
    }

    /// The version as an `ETag` value: in double quotes.
    pub fn to_etag(self) -> String {
        format!("\"{self}\"")
    }
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.view, self.seq)
    }
}

/// A text that is not a version.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct NotAVersion;

impl fmt::Display for NotAVersion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a version is VIEW:SEQ, as in 1:42")
    }
}

impl core::error::Error for NotAVersion {}

impl FromStr for Version {
    type Err = NotAVersion;

    fn from_str(text: &str) -> Result<Self, NotAVersion> {
        let (view, seq) = text.split_once(':').ok_or(NotAVersion)?;
        let digits = |part: &str| !part.is_empty() && part.bytes().all(|b| b.is_ascii_digit());
        if !digits(view) || !digits(seq) {
            return Err(NotAVersion);
        }
        let view = view.parse().ok().filter(|&view| view <= VIEW_MAX).ok_or(NotAVersion)?;
        let seq = seq.parse().ok().filter(|&seq| seq <= SEQ_MAX).ok_or(NotAVersion)?;
        Ok(Self { view, seq })
    }
}

as_text!(Version);

#[cfg(test)]
mod a_version {
    use super::*;

    #[test]
    fn reads_back_what_it_prints_bare_and_quoted() {
        let version: Version = "1:42".parse().unwrap();
        assert_eq!(version, Version { view: 1, seq: 42 });
        assert_eq!(version.to_string(), "1:42");
        assert_eq!(Version::from_etag(&version.to_etag()), Ok(version));
    }

    #[test]
    fn refuses_what_no_store_can_number() {
        for bad in ["", "1", ":", "1:", ":1", "+1:2", "1:-2", "16777216:1", "1:1099511627776"] {
            assert_eq!(bad.parse::<Version>(), Err(NotAVersion), "{bad}");
        }
        for bad in ["1:42", "\"1:42", "W/\"1:42\"", "*", "\"\""] {
            assert_eq!(Version::from_etag(bad), Err(NotAVersion), "{bad}");
        }
    }
}
