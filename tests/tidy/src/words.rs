//! What the repository does not speak of: one machine's paths, one network's hosts, and how it was
//! made.
//!
//! It speaks of the product alone, so that it reads the same to everybody and builds the same
//! everywhere. The words are kept in two halves here, so that this file keeps its own rule.

use crate::Breach;

/// Two halves of a word, and why it is refused. Compared without regard to case.
const REFUSED: [(&str, &str, &str); 21] = [
    ("/wo", "rk/", "a path of one machine"),
    ("/ro", "ot/", "a path of one machine"),
    ("/ho", "me/", "a path of one machine"),
    ("/tmp/", "plan", "a path of one machine"),
    ("crates", ".io", "a registry's host; cargo knows where packages come from"),
    ("py", "pi.org", "a registry's host; pip knows where packages come from"),
    ("pythonhos", "ted", "a registry's host; pip knows where packages come from"),
    ("deb.deb", "ian.org", "a registry's host; apt knows where packages come from"),
    ("registry.np", "mjs", "a registry's host; npm knows where packages come from"),
    ("proxy.go", "lang", "a registry's host; go knows where packages come from"),
    ("artif", "actory", "a registry's host"),
    ("assis", "tant", "how it was made"),
    ("sub", "agent", "how it was made"),
    ("chat", "gpt", "how it was made"),
    ("cla", "ude", "how it was made"),
    ("anth", "ropic", "how it was made"),
    ("coll", "eague", "how it was made"),
    ("work", "place", "how it was made"),
    ("issue", " #", "a number only some can look up; write the reason"),
    ("spdx-lic", "ense", "the licence is in LICENSE, once"),
    ("copyright", " (c)", "the licence is in LICENSE, once"),
];

/// Files in which a refused word is a fact of its format, or a text that is not ours.
const EXEMPT: [&str; 2] = ["Cargo.lock", "LICENSE"];

/// Refused words in a file.
#[must_use]
pub fn breaches(path: &str, text: &str) -> Vec<Breach> {
    if EXEMPT.iter().any(|name| path.rsplit('/').next() == Some(name)) {
        return Vec::new();
    }
    let mut found = Vec::new();
    for (number, line) in (1..).zip(text.lines()) {
        let line = line.to_lowercase();
        for (head, tail, why) in REFUSED {
            if line.contains(&format!("{head}{tail}")) {
                found.push(Breach::new(path, number, format!("`{head}{tail}`: {why}")));
            }
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::expect_none;
    use crate::repository::Repository;

    #[test]
    fn the_repository_speaks_of_the_product_alone() {
        let repository = Repository::open().unwrap();
        let found: Vec<Breach> = repository
            .files()
            .filter_map(|path| Some((path, repository.text(path)?)))
            .flat_map(|(path, text)| breaches(path, &text))
            .collect();
        expect_none(&found);
    }

    #[test]
    fn each_word_is_found_in_any_case() {
        for (head, tail, _) in REFUSED {
            let line = format!("see {head}{tail} there");
            assert_eq!(breaches("README.md", &line).len(), 1);
            assert_eq!(breaches("README.md", &line.to_uppercase()).len(), 1);
        }
    }

    #[test]
    fn the_lock_file_may_name_its_registry() {
        let line = format!("source = \"{}{}\"", "crates", ".io-index");
        assert_eq!(breaches("Cargo.lock", &line).len(), 0);
        assert_eq!(breaches("examples/thumbnail/Cargo.lock", &line).len(), 0);
        assert_eq!(breaches("Cargo.toml", &line).len(), 1);
    }
}
