//! Assertions outside tests say a literal sentence and print no value.
//!
//! A panic message is the one string that can leave a process without anybody deciding so.
//! `assert_eq!` prints both of its sides, and a format argument prints whatever it is given; either
//! may be a client's.

use proc_macro2::{Group, TokenTree};

use crate::Breach;
use crate::source::{Source, is_sign, is_word, line_of};

const PRINT_BOTH: [&str; 4] = ["assert_eq", "assert_ne", "debug_assert_eq", "debug_assert_ne"];

/// Macro, then how many arguments it may have: a condition and a message, or a message alone.
const LITERAL: [(&str, usize); 4] =
    [("assert", 2), ("debug_assert", 2), ("panic", 1), ("unreachable", 1)];

/// Assertions in shipped code that could print a value.
#[must_use]
pub fn breaches(source: &Source) -> Vec<Breach> {
    let mut found = Vec::new();
    source.each_run(|run| {
        for (at, token) in run.iter().enumerate() {
            let line = line_of(token);
            if !is_sign(run.get(at + 1), '!') || source.is_test(line) {
                continue;
            }
            if PRINT_BOTH.iter().any(|name| is_word(token, name)) {
                let what = "prints both sides; write `assert!` with a literal message";
                found.push(Breach::new(&source.path, line, what));
            }
            let limit = LITERAL.iter().find(|(name, _)| is_word(token, name));
            if let (Some((_, most)), Some(TokenTree::Group(arguments))) = (limit, run.get(at + 2))
                && !is_literal(arguments, *most)
            {
                let what = "the message is not a literal; it could print a value";
                found.push(Breach::new(&source.path, line, what));
            }
        }
    });
    found
}

fn is_literal(arguments: &Group, most: usize) -> bool {
    let tokens: Vec<TokenTree> = arguments.stream().into_iter().collect();
    let parts: Vec<&[TokenTree]> =
        tokens.split(|token| is_sign(Some(token), ',')).filter(|part| !part.is_empty()).collect();
    // Without its message there is nothing to print; a comparison with commas inside `<..>` is rare
    // and can be named.
    let Some(message) = parts.get(most.saturating_sub(1)) else { return true };
    let quiet = |token: &TokenTree| {
        let text = token.to_string();
        text.starts_with(['"', 'r']) && !text.replace("{{", "").contains('{')
    };
    parts.len() == most && matches!(message, [token] if quiet(token))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::expect_none;
    use crate::repository::Repository;

    fn judged(statement: &str) -> usize {
        let text = format!("fn f() {{ {statement} }}");
        breaches(&Source::parse("store/log/src/lib.rs", &text).unwrap()).len()
    }

    #[test]
    fn no_assertion_prints_a_value() {
        let sources = Repository::open().unwrap().sources().unwrap();
        let found: Vec<Breach> = sources.iter().flat_map(breaches).collect();
        expect_none(&found);
    }

    #[test]
    fn a_literal_message_passes() {
        assert_eq!(judged("assert!(a <= b, \"delivered past the frontier\");"), 0);
        assert_eq!(judged("assert!(a <= b);"), 0);
        assert_eq!(judged("unreachable!(\"a row has an owner\");"), 0);
    }

    #[test]
    fn a_format_argument_is_refused() {
        assert_eq!(judged("assert!(a <= b, \"at {}\", a);"), 1);
        assert_eq!(judged("assert!(a <= b, \"at {a}\");"), 1);
        assert_eq!(judged("panic!(\"{error}\");"), 1);
    }

    #[test]
    fn assert_eq_is_for_tests() {
        assert_eq!(judged("assert_eq!(a, b);"), 1);
        let text = "#[cfg(test)] mod tests { fn f() { assert_eq!(a, b); } }";
        assert_eq!(breaches(&Source::parse("store/log/src/lib.rs", text).unwrap()).len(), 0);
    }
}
