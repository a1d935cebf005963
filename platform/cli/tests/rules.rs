//! `notrace rules check`: mistakes with their places, and the examples' questions.
#![cfg(test)]

mod run;

use std::fs;
use std::path::{Path, PathBuf};

use run::{Ran, notrace};

fn check(dir: &Path, rules: &str, questions: Option<&str>) -> Ran {
    fs::write(dir.join("rules.cedar"), rules).unwrap();
    let line = match questions {
        Some(questions) => {
            fs::write(dir.join("q.toml"), questions).unwrap();
            "rules check rules.cedar --questions q.toml"
        }
        None => "rules check rules.cedar",
    };
    notrace(dir, None, line, b"")
}

mod the_examples {
    use super::*;

    const SETS: [&str; 3] = ["smart-home", "clinic", "call-centre"];

    fn folder(set: &str) -> PathBuf {
        let root = Path::new(env!("CARGO_MANIFEST_DIR"));
        root.join("../../examples/rules").join(set).canonicalize().unwrap()
    }

    #[test]
    fn answer_as_their_questions_expect() {
        for set in SETS {
            let line = "rules check rules.cedar --questions questions.toml --json";
            let ran = notrace(&folder(set), None, line, b"").ended(0);
            let told: serde_json::Value = serde_json::from_str(&ran.out).unwrap();
            let questions = told["questions"].as_array().unwrap();
            let allowed = questions.iter().filter(|it| it["allowed"] == true).count();
            // Each says what it must allow, and what it must refuse.
            assert!(allowed >= 7 && questions.len() - allowed >= 7, "{set}: {}", ran.out);
        }
    }

    /// A rule that no question depends on is a rule that nobody would miss: each is left out in
    /// turn, and some question must then be answered otherwise.
    #[test]
    fn have_a_question_for_each_decision_that_a_rule_makes() {
        let dir = tempfile::tempdir().unwrap();
        for set in SETS {
            let rules = fs::read_to_string(folder(set).join("rules.cedar")).unwrap();
            let questions = fs::read_to_string(folder(set).join("questions.toml")).unwrap();
            let parts: Vec<&str> = rules.split_inclusive(";\n").collect();
            let mut unmissed = Vec::new();
            for left_out in 0..parts.len() {
                let rest: String = parts
                    .iter()
                    .enumerate()
                    .filter_map(|(at, part)| (at != left_out).then_some(*part))
                    .collect();
                let ran = check(dir.path(), &rest, Some(&questions));
                assert!([0, 5].contains(&ran.exit), "{set}: {}", ran.err);
                if ran.exit == 0 {
                    unmissed.push(parts[left_out].trim().lines().next().unwrap_or_default());
                }
            }
            assert!(unmissed.is_empty(), "{set}: nobody would miss {unmissed:#?}");
        }
    }
}

mod a_mistake {
    use super::*;

    #[test]
    fn is_named_with_line_and_column() {
        let dir = tempfile::tempdir().unwrap();
        let rules = "permit (\n  principal,\n  action == Action::\"raed\",\n  resource\n);\n";
        let ran = check(dir.path(), rules, None).ended(2);
        assert!(ran.err.contains("error[rules_malformed]"), "{}", ran.err);
        assert!(ran.err.contains("line 3, column 13"), "{}", ran.err);
        let ran = check(dir.path(), "permit (principal, action, resource)", None).ended(2);
        assert!(ran.err.contains("line 1, column 37"), "{}", ran.err);
    }

    #[test]
    fn in_questions_says_which_and_what_is_there() {
        let dir = tempfile::tempdir().unwrap();
        let asked = |rest: &str| {
            format!(
                "[people]\none = {{}}\n[[questions]]\nsays = \"Well?\"\n{rest}\nanswer = \"no\"\n"
            )
        };
        for (rest, hint) in [
            ("who = \"person two\"\ndoes = \"see_tasks\"", "no person two"),
            ("who = \"robot one\"\ndoes = \"see_tasks\"", "device NAME"),
            ("who = \"person one\"\ndoes = \"dance\"", "no action \"dance\""),
            ("who = \"person one\"\ndoes = \"read\"", "`to` is missing"),
            ("who = \"person one\"\ndoes = \"read\"\nto = \"a/b\"", "no pool a"),
            ("who = \"person one\"\ndoes = \"run\"\nto = \"x\"", "no task x"),
            ("who = \"person one\"\ndoes = \"see_tasks\"\nwhy = \"x\"", "unknown field"),
        ] {
            let ran = check(dir.path(), "", Some(&asked(rest))).ended(2);
            assert!(ran.err.contains("error[questions_malformed]"), "{}", ran.err);
            assert!(ran.err.contains(hint), "{rest}: {}", ran.err);
        }
        let ran = check(dir.path(), "", Some("answer = ")).ended(2);
        assert!(ran.err.contains("line 1"), "{}", ran.err);
    }

    #[test]
    fn in_size_is_refused_unread() {
        let dir = tempfile::tempdir().unwrap();
        let ran = check(dir.path(), &"// long\n".repeat(10_000), None).ended(2);
        assert!(ran.err.contains("more than 65536 bytes"), "{}", ran.err);
        let ran = notrace(dir.path(), None, "rules check gone.cedar", b"").ended(3);
        assert!(ran.err.contains("file_unreadable"), "{}", ran.err);
    }
}

mod a_wrong_answer {
    use super::*;

    #[test]
    fn is_told_with_the_rules_that_decided() {
        let dir = tempfile::tempdir().unwrap();
        let rules = "@id(\"all\") permit (principal, action, resource);";
        let questions = "[people]\none = {}\n[[questions]]\nsays = \"One may not.\"\n\
                         who = \"person one\"\ndoes = \"see_tasks\"\nanswer = \"no\"\n";
        let ran = check(dir.path(), rules, Some(questions)).ended(5);
        assert!(ran.err.contains("error[rules_differ]"), "{}", ran.err);
        assert!(
            ran.out.contains("WRONG  One may not.  allowed by \"all\" (line 1)"),
            "{}",
            ran.out
        );
    }
}
