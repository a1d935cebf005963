//! What fits on a screen: files, functions, lines.

use proc_macro2::{Delimiter, TokenTree};

use crate::Breach;
use crate::source::{Source, is_sign, is_word, line_of};

/// Lines of a source file, at most.
pub const FILE_LINES: usize = 600;
/// Lines of a source file that we aim for.
pub const FILE_LINES_AIM: usize = 400;
/// Lines of a function, from its name to its closing brace.
pub const FUNCTION_LINES: usize = 70;
/// Columns of a line, comments included; a line that holds a link may be as long as the link.
pub const COLUMNS: usize = 100;

/// Endings of the files these limits are for.
pub const ENDINGS: [&str; 5] = [".rs", ".c", ".h", ".wit", ".sh"];

/// A file that is too long, and its lines that are too wide.
#[must_use]
pub fn file_breaches(path: &str, text: &str) -> Vec<Breach> {
    let mut found = Vec::new();
    let lines = text.lines().count();
    if lines > FILE_LINES {
        found.push(Breach::new(path, 0, format!("{lines} lines, {FILE_LINES} allowed")));
    }
    for (number, line) in (1..).zip(text.lines()) {
        let columns = line.chars().count();
        if columns > COLUMNS && !line.contains("://") {
            found.push(Breach::new(path, number, format!("{columns} columns, {COLUMNS} allowed")));
        }
    }
    found
}

/// Functions that are too long.
#[must_use]
pub fn function_breaches(source: &Source) -> Vec<Breach> {
    let mut found = Vec::new();
    source.each_run(|run| {
        for (at, token) in run.iter().enumerate() {
            let Some(TokenTree::Ident(name)) = run.get(at + 1) else { continue };
            if !is_word(token, "fn") {
                continue;
            }
            let lines = last_line(run, at).map_or(0, |last| last + 1 - line_of(token));
            if lines > FUNCTION_LINES {
                let what = format!("`{name}` has {lines} lines, {FUNCTION_LINES} allowed");
                found.push(Breach::new(&source.path, line_of(token), what));
            }
        }
    });
    found
}

/// The line of the closing brace of the function at `at`, unless it has no body.
fn last_line(run: &[TokenTree], at: usize) -> Option<usize> {
    let end = run.iter().skip(at).find(|token| match token {
        TokenTree::Group(group) => group.delimiter() == Delimiter::Brace,
        token => is_sign(Some(token), ';'),
    });
    match end {
        Some(TokenTree::Group(body)) => Some(body.span_close().end().line),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::expect_none;
    use crate::repository::Repository;

    #[test]
    fn files_and_lines_fit() {
        let repository = Repository::open().unwrap();
        let found: Vec<Breach> = repository
            .files_ending(&ENDINGS)
            .flat_map(|path| file_breaches(path, &repository.text(path).unwrap()))
            .collect();
        expect_none(&found);
    }

    #[test]
    fn functions_fit() {
        let sources = Repository::open().unwrap().sources().unwrap();
        let found: Vec<Breach> = sources.iter().flat_map(function_breaches).collect();
        expect_none(&found);
    }

    #[test]
    fn a_long_file_is_refused() {
        assert_eq!(file_breaches("a.rs", &"x\n".repeat(FILE_LINES + 1)).len(), 1);
        assert_eq!(file_breaches("a.rs", &"x\n".repeat(FILE_LINES)).len(), 0);
    }

    #[test]
    fn a_wide_line_is_refused() {
        assert_eq!(file_breaches("a.rs", &"x".repeat(COLUMNS + 1)).len(), 1);
        assert_eq!(file_breaches("a.rs", &"ü".repeat(COLUMNS)).len(), 0);
    }

    #[test]
    fn a_long_function_is_refused_wherever_it_hides() {
        let long = format!("fn long() {{\n{}}}\n", "a();\n".repeat(FUNCTION_LINES - 1));
        let fits = format!("fn fits() {{\n{}}}\n", "a();\n".repeat(FUNCTION_LINES - 2));
        let judged = |text: &str| {
            function_breaches(&Source::parse("store/log/src/lib.rs", text).unwrap()).len()
        };
        assert_eq!(judged(&long), 1);
        assert_eq!(judged(&fits), 0);
        assert_eq!(judged(&format!("mod a {{ impl B {{ {long} }} }}")), 1);
        assert_eq!(judged(&format!("trait C {{ fn short(&self); {long} }}")), 1);
    }
}
