//! Tests wait for what they wait for, not for a while.
//!
//! A sleep that wins a race on one machine loses it on a slower one. Wait on a channel, a line of
//! output or a file descriptor, with a time limit; or hand the code a clock that the test moves.

use proc_macro2::TokenTree;

use crate::Breach;
use crate::source::{Source, is_word, line_of};

const SLEEPS: [&str; 3] = ["sleep", "sleep_until", "sleep_ms"];

/// Sleeps in test code.
#[must_use]
pub fn breaches(source: &Source) -> Vec<Breach> {
    let mut found = Vec::new();
    // A benchmark measures over a length of time; it wins no race by it.
    if source.path.starts_with("tests/bench/") {
        return found;
    }
    source.each_run(|run| {
        for (at, token) in run.iter().enumerate() {
            let line = line_of(token);
            let called = matches!(run.get(at + 1), Some(TokenTree::Group(_)));
            let defined = at > 0 && run.get(at - 1).is_some_and(|before| is_word(before, "fn"));
            let sleeps = SLEEPS.iter().any(|name| is_word(token, name));
            if sleeps && called && !defined && source.is_test(line) {
                let what = "wait for the thing itself, with a limit, instead of sleeping";
                found.push(Breach::new(&source.path, line, what));
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

    fn judged(path: &str, text: &str) -> usize {
        breaches(&Source::parse(path, text).unwrap()).len()
    }

    #[test]
    fn no_test_sleeps() {
        let sources = Repository::open().unwrap().sources().unwrap();
        let found: Vec<Breach> = sources.iter().flat_map(breaches).collect();
        expect_none(&found);
    }

    #[test]
    fn a_test_that_sleeps_is_refused() {
        let thread = "fn a() { std::thread::sleep(ONE); }";
        assert_eq!(judged("tests/hostile/src/lib.rs", thread), 1);
        let tokio = "async fn a() { tokio::time::sleep(ONE).await; }";
        assert_eq!(judged("platform/node/tests/story.rs", tokio), 1);
        let inside = "#[cfg(test)]\nmod tests { use std::thread::sleep; fn a() { sleep(ONE); } }";
        assert_eq!(judged("platform/node/src/lib.rs", inside), 1);
    }

    #[test]
    fn shipped_code_may_wait() {
        assert_eq!(judged("platform/node/src/lib.rs", "fn a() { sleep(ONE); }"), 0);
    }
}
