//! Macros nobody may call, and the one file that may log.
//!
//! What a process prints leaves it. So programs write through `std::io::Write` where they mean to,
//! and what the node says about itself goes through the closed list in its telemetry file.

use proc_macro2::TokenTree;

use crate::Breach;
use crate::source::{Source, is_sign, is_word, line_of};

const REFUSED: [(&str, &str); 7] = [
    ("println", "write to `std::io::stdout()`"),
    ("print", "write to `std::io::stdout()`"),
    ("eprintln", "write to `std::io::stderr()`"),
    ("eprint", "write to `std::io::stderr()`"),
    ("dbg", "remove it"),
    ("todo", "do it, or leave it out"),
    ("unimplemented", "do it, or leave it out"),
];

const LOGGERS: [&str; 2] = ["tracing", "log"];
const SINK: &str = "platform/node/src/telemetry.rs";

/// Calls of refused macros, and logging outside its one file.
#[must_use]
pub fn breaches(source: &Source) -> Vec<Breach> {
    let mut found = Vec::new();
    source.each_run(|run| {
        for (at, token) in run.iter().enumerate() {
            let line = line_of(token);
            let called = is_sign(run.get(at + 1), '!')
                && matches!(run.get(at + 2), Some(TokenTree::Group(_)));
            for (name, instead) in REFUSED.iter().filter(|(name, _)| is_word(token, name)) {
                if called {
                    let what = format!("`{name}!`: {instead}");
                    found.push(Breach::new(&source.path, line, what));
                }
            }
            if source.path != SINK && logs(run, at) {
                let what = format!("only {SINK} may log");
                found.push(Breach::new(&source.path, line, what));
            }
        }
    });
    found
}

/// `tracing::` anything, or `log::some!`. A module of ours may well be called `log`.
fn logs(run: &[TokenTree], at: usize) -> bool {
    let path = is_sign(run.get(at + 1), ':') && is_sign(run.get(at + 2), ':');
    let of = |name: &str| run.get(at).is_some_and(|token| is_word(token, name));
    let macro_call = is_sign(run.get(at + 4), '!') && !is_sign(run.get(at + 5), '=');
    LOGGERS.iter().any(|name| of(name)) && path && (of("tracing") || macro_call)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::crates::members;
    use crate::expect_none;
    use crate::repository::Repository;

    fn judged(path: &str, statement: &str) -> usize {
        let text = format!("fn f() {{ {statement} }}");
        breaches(&Source::parse(path, &text).unwrap()).len()
    }

    #[test]
    fn nothing_is_printed_or_logged_past_the_sink() {
        let sources = Repository::open().unwrap().sources().unwrap();
        let found: Vec<Breach> = sources.iter().flat_map(breaches).collect();
        expect_none(&found);
    }

    #[test]
    fn no_crate_but_the_node_depends_on_a_logger() {
        let members = members(&Repository::open().unwrap()).unwrap();
        let loggers: Vec<&str> = members
            .iter()
            .filter(|it| it.folder != "platform/node")
            .filter(|it| it.dependencies.iter().any(|it| LOGGERS.contains(&it.name.as_str())))
            .map(|member| member.folder.as_str())
            .collect();
        assert!(loggers.is_empty(), "{loggers:?}");
    }

    #[test]
    fn printing_is_refused_also_inside_another_macro() {
        for name in REFUSED.map(|(name, _)| name) {
            assert_eq!(judged("store/log/src/lib.rs", &format!("{name}!(\"a\");")), 1);
        }
        assert_eq!(judged("store/log/src/lib.rs", "spawn! { dbg!(x) }"), 1);
    }

    #[test]
    fn logging_is_for_the_sink_alone() {
        assert_eq!(judged("store/log/src/lib.rs", "tracing::info!(\"a\");"), 1);
        assert_eq!(judged("store/log/src/lib.rs", "log::warn!(\"a\");"), 1);
        assert_eq!(judged(SINK, "tracing::info!(\"a\");"), 0);
    }

    #[test]
    fn a_module_of_ours_may_be_called_log() {
        assert_eq!(judged("store/replica/src/lib.rs", "log::open(&disk); a.todo != b;"), 0);
    }
}
