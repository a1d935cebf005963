//! The house rules, as tests.
//!
//! What people argue about in review is settled here once. Each rule is one file: a function from
//! what the repository holds to a list of [`Breach`]es, a test that the repository keeps the rule,
//! and a test that a bad sample breaks it, so that no rule can quietly stop working. A rule that
//! turns out wrong is changed here, in the open, with its reason.
//!
//! Nothing here needs a network: [`repository`] reads files, [`source`] reads tokens, [`crates`]
//! asks `cargo metadata`.

#![forbid(unsafe_code)]

// What the rules look at.
pub mod crates;
pub mod repository;
pub mod source;

// How the parts may hang together.
pub mod arrows;
pub mod budget;
pub mod manifest;
pub mod readme;

// How the code is written.
pub mod assertions;
pub mod attributes;
pub mod leaks;
pub mod macros;
pub mod patience;
pub mod size;
pub mod unsafety;
pub mod words;

/// One place that breaks a rule.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Breach {
    /// The file, relative to the root of the repository.
    pub path: String,
    /// The line, counted from one; zero where the breach has no line.
    pub line: usize,
    /// What is wrong, and what to do instead.
    pub what: String,
}

impl Breach {
    /// A breach at a line of a file.
    #[must_use]
    pub fn new(path: &str, line: usize, what: impl Into<String>) -> Self {
        Self { path: path.to_owned(), line, what: what.into() }
    }
}

/// Fails the calling test with one line per breach.
#[cfg(test)]
fn expect_none(breaches: &[Breach]) {
    let lines: Vec<String> =
        breaches.iter().map(|b| format!("  {}:{}: {}", b.path, b.line, b.what)).collect();
    assert!(breaches.is_empty(), "{} breaches:\n{}", breaches.len(), lines.join("\n"));
}
