//! Query strings: known parameters only, each at most once, a misspelt one named by its neighbour.

use crate::limits::QUERY_BYTES_MAX;

/// The parameters of one request.
pub(crate) struct Query(Vec<(&'static str, String)>);

/// Why a query is refused. Never says what the client wrote, only what would have been known.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum BadQuery {
    /// A parameter that this path does not know; the nearest that it does, if any is near.
    Unknown { nearest: Option<&'static str> },
    /// A parameter given twice.
    Repeated { name: &'static str },
    /// Longer than any query needs to be.
    TooLong,
}

impl Query {
    /// Parses `raw`, the part after the question mark, against the names this path knows. A name
    /// without `=` is present with an empty value, as `?history` is.
    pub(crate) fn parse(
        raw: Option<&str>,
        known: &'static [&'static str],
    ) -> Result<Self, BadQuery> {
        let raw = raw.unwrap_or_default();
        if raw.len() > QUERY_BYTES_MAX {
            return Err(BadQuery::TooLong);
        }
        let mut parameters = Vec::new();
        for (name, value) in form_urlencoded::parse(raw.as_bytes()) {
            let Some(&found) = known.iter().find(|known| **known == name) else {
                return Err(BadQuery::Unknown { nearest: nearest(&name, known) });
            };
            if parameters.iter().any(|(earlier, _)| *earlier == found) {
                return Err(BadQuery::Repeated { name: found });
            }
            parameters.push((found, value.into_owned()));
        }
        Ok(Self(parameters))
    }

    /// The value of a parameter, if it is there.
    pub(crate) fn value(&self, name: &str) -> Option<&str> {
        self.0.iter().find(|(known, _)| *known == name).map(|(_, value)| value.as_str())
    }
}

/// The known word nearest to what was written, if it is near enough to have been meant.
pub(crate) fn nearest(written: &str, known: &'static [&'static str]) -> Option<&'static str> {
    nearest_of(written, known.iter().copied())
}

/// The same among words that are known only now, such as the names of tasks.
pub(crate) fn nearest_of<'a>(
    written: &str,
    known: impl Iterator<Item = &'a str>,
) -> Option<&'a str> {
    let written: String = written.chars().take(64).collect();
    known
        .map(|word| (strsim::damerau_levenshtein(&written, word), word))
        .filter(|(distance, word)| *distance <= word.len().div_ceil(2))
        .min()
        .map(|(_, word)| word)
}

#[cfg(test)]
mod a_query {
    use super::*;

    const KNOWN: &[&str] = &["prefix", "limit", "after", "history"];

    fn refused(raw: &str) -> Option<BadQuery> {
        Query::parse(Some(raw), KNOWN).err()
    }

    #[test]
    fn is_decoded_and_found_by_name() {
        let query = Query::parse(Some("prefix=a%2Fb+c&history"), KNOWN).ok().unwrap();
        assert_eq!(query.value("prefix"), Some("a/b c"));
        assert_eq!(query.value("history"), Some(""));
        assert_eq!(query.value("after"), None);
    }

    #[test]
    fn that_is_misspelt_is_refused_with_its_neighbour() {
        assert_eq!(refused("prefx=a"), Some(BadQuery::Unknown { nearest: Some("prefix") }));
        assert_eq!(refused("zzzzzzzzz=a"), Some(BadQuery::Unknown { nearest: None }));
        assert_eq!(refused("limit=1&limit=2"), Some(BadQuery::Repeated { name: "limit" }));
        assert_eq!(refused(&"a".repeat(QUERY_BYTES_MAX + 1)), Some(BadQuery::TooLong));
    }
}
