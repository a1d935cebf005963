//! A Rust file as tokens.
//!
//! Tokens rather than a syntax tree: the rules ask about names, braces and lines, also inside macro
//! calls, where a syntax tree has nothing but tokens either. Comments and strings can never be
//! mistaken for code.

use std::ops::RangeInclusive;

use anyhow::{Result, anyhow};
use proc_macro2::{Delimiter, Group, TokenStream, TokenTree};

/// One file, lexed.
#[derive(Debug)]
pub struct Source {
    /// Path relative to the root of the repository.
    pub path: String,
    /// The text as it stands in the file.
    pub text: String,
    tokens: TokenStream,
    test_items: Vec<RangeInclusive<usize>>,
    wholly_tests: bool,
}

impl Source {
    /// Lexes `text`.
    ///
    /// # Errors
    /// When the text is not made of Rust tokens.
    pub fn parse(path: &str, text: &str) -> Result<Self> {
        let tokens: TokenStream =
            text.parse().map_err(|error| anyhow!("{path} is not Rust: {error}"))?;
        let mut test_items = Vec::new();
        each_run(&tokens, &mut |run| note_test_items(run, &mut test_items));
        let wholly_tests = path.starts_with("tests/")
            || path.contains("/tests/")
            || path.contains("/benches/")
            || path.ends_with("/tests.rs");
        Ok(Self { path: path.to_owned(), text: text.to_owned(), tokens, test_items, wholly_tests })
    }

    /// Calls `look` with every run of neighbouring tokens: the file itself, then the inside of each
    /// bracket.
    pub fn each_run(&self, mut look: impl FnMut(&[TokenTree])) {
        each_run(&self.tokens, &mut look);
    }

    /// Whether `line` is compiled for tests alone.
    #[must_use]
    pub fn is_test(&self, line: usize) -> bool {
        self.wholly_tests || self.test_items.iter().any(|lines| lines.contains(&line))
    }

    /// Folders and files named by `#[cfg(test)] mod name;` in this file.
    pub(crate) fn test_modules(&self) -> Vec<String> {
        let folder = self.module_folder();
        let mut found = Vec::new();
        self.each_run(|run| {
            for (at, token) in run.iter().enumerate() {
                let after = run.get(at + 1..).unwrap_or_default();
                if let [TokenTree::Ident(name), TokenTree::Punct(end), ..] = after
                    && is_word(token, "mod")
                    && end.as_char() == ';'
                    && self.test_items.iter().any(|lines| lines.contains(&line_of(token)))
                {
                    found.push(format!("{folder}/{name}"));
                }
            }
        });
        found
    }

    /// Marks this file as test code if it is one of the modules that [`Self::test_modules`] found.
    pub(crate) fn note_declared_as_tests(&mut self, modules: &[String]) {
        self.wholly_tests |= modules.iter().any(|module| {
            self.path == format!("{module}.rs") || self.path.starts_with(&format!("{module}/"))
        });
    }

    fn module_folder(&self) -> String {
        let (folder, name) = self.path.rsplit_once('/').unwrap_or(("", self.path.as_str()));
        match name {
            "lib.rs" | "main.rs" | "mod.rs" => folder.to_owned(),
            _ => format!("{folder}/{}", name.trim_end_matches(".rs")),
        }
    }
}

/// The line a token starts at, counted from one.
#[must_use]
pub fn line_of(token: &TokenTree) -> usize {
    token.span().start().line
}

/// Whether the token is the word `word`.
#[must_use]
pub fn is_word(token: &TokenTree, word: &str) -> bool {
    matches!(token, TokenTree::Ident(ident) if ident == word)
}

/// Whether the token is the sign `sign`.
#[must_use]
pub fn is_sign(token: Option<&TokenTree>, sign: char) -> bool {
    matches!(token, Some(TokenTree::Punct(punct)) if punct.as_char() == sign)
}

/// The words in an attribute such as `#[cfg(test)]`, outermost first, when `hash` begins one.
#[must_use]
pub fn attribute(run: &[TokenTree], hash: usize) -> Option<(Vec<String>, usize)> {
    if !is_sign(run.get(hash), '#') {
        return None;
    }
    let inner = usize::from(is_sign(run.get(hash + 1), '!'));
    let end = hash + 1 + inner;
    match run.get(end) {
        Some(TokenTree::Group(group)) if group.delimiter() == Delimiter::Bracket => {
            let mut words = Vec::new();
            gather_words(group, &mut words);
            Some((words, end))
        }
        _ => None,
    }
}

fn gather_words(group: &Group, words: &mut Vec<String>) {
    for token in group.stream() {
        match token {
            TokenTree::Ident(ident) => words.push(ident.to_string()),
            TokenTree::Group(inner) => gather_words(&inner, words),
            TokenTree::Punct(_) | TokenTree::Literal(_) => {}
        }
    }
}

fn each_run(tokens: &TokenStream, look: &mut impl FnMut(&[TokenTree])) {
    let run: Vec<TokenTree> = tokens.clone().into_iter().collect();
    look(&run);
    for token in &run {
        if let TokenTree::Group(group) = token {
            each_run(&group.stream(), look);
        }
    }
}

/// An item ends at the first semicolon or brace that stands beside its attribute.
fn note_test_items(run: &[TokenTree], test_items: &mut Vec<RangeInclusive<usize>>) {
    for (at, hash) in run.iter().enumerate() {
        let Some((words, end)) = attribute(run, at) else { continue };
        let first = words.first().map_or("", String::as_str);
        let marks_tests = first == "test"
            || (first == "cfg"
                && words.iter().any(|w| w == "test")
                && !words.contains(&"not".into()))
            || (first == "tokio" && words.last().is_some_and(|w| w == "test"));
        if !marks_tests {
            continue;
        }
        let last = run.iter().skip(end + 1).find_map(|token| match token {
            TokenTree::Group(group) if group.delimiter() == Delimiter::Brace => {
                Some(group.span_close().end().line)
            }
            TokenTree::Punct(sign) if sign.as_char() == ';' => Some(line_of(token)),
            _ => None,
        });
        test_items.push(line_of(hash)..=last.unwrap_or(usize::MAX));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SAMPLE: &str = "fn a() {}\n#[cfg(test)]\nmod tests {\n    fn b() {}\n}\nfn c() {}\n";

    #[test]
    fn what_is_below_cfg_test_is_test_code_and_nothing_else() {
        let source = Source::parse("store/log/src/lib.rs", SAMPLE).unwrap();
        let marked: Vec<usize> = (1..=6).filter(|&line| source.is_test(line)).collect();
        assert_eq!(marked, [2, 3, 4, 5]);
    }

    #[test]
    fn a_module_file_declared_for_tests_is_test_code() {
        let parent = Source::parse("store/log/src/disk.rs", "#[cfg(test)]\nmod specs;").unwrap();
        assert_eq!(parent.test_modules(), ["store/log/src/disk/specs"]);
        let mut child = Source::parse("store/log/src/disk/specs.rs", "fn a() {}").unwrap();
        assert!(!child.is_test(1));
        child.note_declared_as_tests(&parent.test_modules());
        assert!(child.is_test(1));
    }

    #[test]
    fn cfg_not_test_is_not_test_code() {
        let source = Source::parse("a/src/lib.rs", "#[cfg(not(test))]\nfn a() {}").unwrap();
        assert!(!source.is_test(2));
    }

    #[test]
    fn words_in_strings_and_comments_are_no_tokens() {
        let source =
            Source::parse("a/src/lib.rs", "// unsafe\nconst A: &str = \"unsafe\";").unwrap();
        let mut seen = false;
        source.each_run(|run| seen |= run.iter().any(|token| is_word(token, "unsafe")));
        assert!(!seen);
    }
}
