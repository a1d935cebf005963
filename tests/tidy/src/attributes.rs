//! Attributes that switch something off.
//!
//! An ignored test is a claim nobody checks; `should_panic` passes for whatever reason something
//! panics; `allow` stays long after its reason has gone, where `expect` complains once it is no
//! longer needed.

use crate::Breach;
use crate::source::{Source, attribute, line_of};

const REFUSED: [(&str, &str); 3] = [
    ("ignore", "run it, or delete it"),
    ("should_panic", "return an error and test for that error"),
    ("allow", "write `#[expect(lint, reason = \"..\")]`"),
];

/// Attributes that are refused, also inside `cfg_attr`.
#[must_use]
pub fn breaches(source: &Source) -> Vec<Breach> {
    let mut found = Vec::new();
    source.each_run(|run| {
        for (at, token) in run.iter().enumerate() {
            let Some((words, _)) = attribute(run, at) else { continue };
            let place = usize::from(words.first().is_some_and(|word| word == "cfg_attr"));
            for (name, instead) in REFUSED {
                let named = match place {
                    0 => words.first().is_some_and(|word| word == name),
                    _ => words.iter().any(|word| word == name),
                };
                if named {
                    let what = format!("`{name}`: {instead}");
                    found.push(Breach::new(&source.path, line_of(token), what));
                }
            }
        }
    });
    found
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::expect_none;
    use crate::repository::Repository;

    fn judged(text: &str) -> usize {
        breaches(&Source::parse("store/log/src/lib.rs", text).unwrap()).len()
    }

    #[test]
    fn nothing_is_switched_off() {
        let sources = Repository::open().unwrap().sources().unwrap();
        let found: Vec<Breach> = sources.iter().flat_map(breaches).collect();
        expect_none(&found);
    }

    #[test]
    fn an_ignored_test_is_refused() {
        assert_eq!(judged("#[test]\n#[ignore]\nfn a() {}"), 1);
        assert_eq!(judged("#[test]\n#[ignore = \"slow\"]\nfn a() {}"), 1);
        assert_eq!(judged("#[cfg_attr(miri, ignore)]\nfn a() {}"), 1);
    }

    #[test]
    fn should_panic_is_refused() {
        assert_eq!(judged("#[test]\n#[should_panic(expected = \"x\")]\nfn a() {}"), 1);
    }

    #[test]
    fn allow_is_refused_and_expect_is_not() {
        assert_eq!(judged("#![allow(dead_code)]"), 1);
        assert_eq!(judged("#[expect(dead_code, reason = \"read by the tests\")]\nfn a() {}"), 0);
    }
}
