//! YAML as strictly as those who read it differ.

use anyhow::{Result, bail};
use serde::Deserialize as _;
use serde_json::Value;
use serde_norway::Deserializer;

/// The documents in `text`.
///
/// # Errors  It is not YAML, a key comes twice, or a plain scalar means one thing to readers of
/// YAML 1.1, as the cluster's tools are, and another to those of 1.2.
pub fn documents(text: &str) -> Result<Vec<Value>> {
    for (number, line) in (1..).zip(text.lines()) {
        if let Some(scalar) = scalar_of(line).filter(|scalar| is_ambiguous(scalar)) {
            bail!("line {number}: `{scalar}` is read in two ways; quote it or write it plainly");
        }
    }
    let mut documents = Vec::new();
    for document in Deserializer::from_str(text) {
        // By way of the parser's own value, which refuses a key that comes twice.
        let value = serde_norway::Value::deserialize(document)?;
        documents.push(serde_json::to_value(value)?);
    }
    Ok(documents)
}

/// The scalar at the end of a line, if it is a plain one.
fn scalar_of(line: &str) -> Option<&str> {
    let line = line.split(" #").next()?.trim();
    let value = line.split_once(": ").map_or(line, |(_, value)| value);
    Some(value.trim_start_matches("- ").trim())
}

fn is_ambiguous(scalar: &str) -> bool {
    const WORDS: [&str; 6] = ["y", "n", "yes", "no", "on", "off"];
    let digits = scalar.len() > 1 && scalar.chars().all(|c| c.is_ascii_digit());
    WORDS.contains(&scalar.to_lowercase().as_str()) || (digits && scalar.starts_with('0'))
}

#[cfg(test)]
mod a_document {
    use super::*;

    #[test]
    fn is_read_with_its_neighbours() {
        let read = documents("a: 1\n---\nb: [x, \"yes\"]\n").unwrap();
        assert_eq!(read, [serde_json::json!({"a": 1}), serde_json::json!({"b": ["x", "yes"]})]);
    }

    #[test]
    fn with_a_key_twice_is_refused() {
        assert!(documents("a: 1\na: 2\n").is_err());
    }

    #[test]
    fn with_a_scalar_of_two_meanings_is_refused() {
        for text in ["mode: 0440\n", "on: off\n", "list:\n  - yes\n", "a: No # why\n"] {
            assert!(documents(text).is_err(), "{text}");
        }
    }

    #[test]
    fn that_is_none_is_refused() {
        assert!(documents("a: [1\n").is_err());
    }
}
