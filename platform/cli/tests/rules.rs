//! `notrace rules`: mistakes with their places, the examples' questions, and what a node makes of
//! rules that are pushed to it.
#![cfg(test)]

mod run;
mod serving;

use std::fs;
use std::path::{Path, PathBuf};

use run::{Ran, notrace};
use serving::Node;

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
                assert!([0, 2, 5].contains(&ran.exit), "{set}: {}", ran.err);
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

    const ALL: &str = "permit (principal, action, resource);";

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
            let ran = check(dir.path(), ALL, Some(&asked(rest))).ended(2);
            assert!(ran.err.contains("error[questions_malformed]"), "{}", ran.err);
            assert!(ran.err.contains(hint), "{rest}: {}", ran.err);
        }
        let ran = check(dir.path(), ALL, Some("answer = ")).ended(2);
        assert!(ran.err.contains("line 1"), "{}", ran.err);
    }

    #[test]
    fn is_a_set_that_its_owner_could_never_change_again() {
        let dir = tempfile::tempdir().unwrap();
        let ran = check(dir.path(), "permit (principal is Device, action, resource);", None);
        let ran = ran.ended(2);
        assert!(ran.err.contains("permit `manage_rules` to the owner"), "{}", ran.err);
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

/// Rules as a node follows them.
mod rules_in_force {
    use super::*;

    /// Everything, and then what a test forbids.
    const ALL: &str = "permit (principal, action, resource);\n";

    const ECHO: &str = include_str!("classify.wat");

    fn with_task() -> (Node, String) {
        let node = Node::start();
        node.write("echo.wasm", &wat::parse_str(ECHO).unwrap());
        node.write("value", b"a value");
        let pushed = node.types("task push echo.wasm --name echo").ended(0);
        let task = pushed.out.split_whitespace().nth(1).unwrap().to_owned();
        node.types("pool create records --retain 30d --label medical").ended(0);
        node.types("put records/1 value").ended(0);
        (node, task)
    }

    fn push(node: &Node, rules: &str) -> Ran {
        node.write("rules.cedar", rules.as_bytes());
        node.types("rules push rules.cedar")
    }

    #[test]
    fn are_those_of_one_owner_until_others_are_pushed() {
        let node = Node::start();
        let shown = node.types("rules show").ended(0);
        assert!(shown.out.contains("permit (principal == Person::\"owner\""), "{}", shown.out);
        // What is shown can be checked, and pushed, and is the same then.
        push(&node, &shown.out).ended(0);
        let told = node.types("rules show --json").ended(0);
        let told: serde_json::Value = serde_json::from_str(&told.out).unwrap();
        assert_eq!(told["text"], shown.out.as_str());
        assert!(told["version"].is_string());
    }

    #[test]
    fn are_kept_in_versions_and_replaced_on_condition() {
        let node = Node::start();
        let first = push(&node, ALL).ended(0);
        let version = first.out.split_whitespace().nth(3).unwrap().to_owned();
        node.write("next.cedar", format!("// next\n{ALL}").as_bytes());
        node.types(&format!("rules push next.cedar --if-version {version}")).ended(0);
        let late = node.types(&format!("rules push rules.cedar --if-version {version}")).ended(5);
        assert!(late.err.contains("version_mismatch"), "{}", late.err);
        let shown = node.types("rules show").ended(0);
        assert!(shown.out.starts_with("// next"), "{}", shown.out);
        let old = node.types(&format!("rules show --version {version}")).ended(0);
        assert_eq!(old.out, ALL);
    }

    #[test]
    fn bind_the_owner_at_every_door_and_name_the_rule() {
        let (node, task) = with_task();
        for (action, line) in [
            ("read", "get records/1"),
            ("read", "head records/1"),
            ("read", "history records/1"),
            ("list", "ls records"),
            ("list", "pool show records"),
            ("write", "put records/1 value"),
            ("write", "rm records/1"),
            ("shred", "shred records/1"),
            ("make_pool", "pool create others --retain 30d"),
            ("shred_pool", "pool shred records"),
            ("see_tasks", "task list"),
            ("push_task", "task push echo.wasm --name other"),
            ("remove_task", "task rm other"),
            ("manage_node", "metrics"),
            ("run", &format!("run {task} --input value")),
            ("use", &format!("run {task} --object records/1")),
        ] {
            let rule = format!("forbid (principal, action == Action::\"{action}\", resource);\n");
            push(&node, &(ALL.to_owned() + &rule)).ended(0);
            let refused = node.types(line).ended(4);
            assert!(refused.err.contains("error[not_permitted]"), "{line}: {}", refused.err);
            // The answer to HEAD has no body that could say so.
            let says = refused.err.contains("line 2 of") || line.starts_with("head");
            assert!(says, "{line}: {}", refused.err);
        }
        push(&node, ALL).ended(0);
        node.types(&format!("run {task} --object records/1 --input value")).ended(0);
        assert_eq!(node.types("get records/1").ended(0).out, "a value");
    }

    #[test]
    fn keep_a_labelled_answer_in_unless_its_label_may_be_taken_off() {
        let (node, task) = with_task();
        let rules = format!(
            "{ALL}forbid (principal, action == Action::\"receive\", \
             resource == Label::\"medical\");\n\
             forbid (principal, action == Action::\"declassify\", resource)\n\
             unless {{ context.task == Task::\"{task}\" }};\n"
        );
        push(&node, &rules).ended(0);
        let run = format!("run {task} --object records/1 --input value");
        let refused = node.types(&run).ended(4);
        assert!(refused.err.contains("error[label_forbids]"), "{}", refused.err);
        // Without the object there is no label.
        node.types(&format!("run {task} --input value")).ended(0);
        let answered = node.types(&format!("{run} --declassify medical")).ended(0);
        assert_eq!(answered.out, "a value");
        // The right is for one task.
        node.write("other.wasm", &wat::parse_str(ECHO.replace("4096", "2048")).unwrap());
        let pushed = node.types("task push other.wasm").ended(0);
        let other = pushed.out.split_whitespace().nth(1).unwrap().to_owned();
        let line = format!("run {other} --object records/1 --input value --declassify medical");
        let refused = node.types(&line).ended(4);
        assert!(refused.err.contains("error[not_permitted]"), "{}", refused.err);
    }

    #[test]
    fn are_in_each_receipt_and_survive_a_start() {
        let (mut node, task) = with_task();
        let run = format!("run {task} --input value --receipt r.proof");
        node.types(&run).ended(0);
        let before = node.types("audit verify r.proof --json").ended(0);
        let pushed = push(&node, &format!("{ALL}// more\n")).ended(0);
        let digest = pushed.out.split_whitespace().nth(1).unwrap().to_owned();
        assert!(!before.out.contains(&digest));
        std::fs::remove_file(node.path().join("r.proof")).unwrap();
        node.types(&run).ended(0);
        let after = node.types("audit verify r.proof --json").ended(0);
        assert!(after.out.contains(&digest), "{}", after.out);
        assert_eq!(node.stop(), Some(0));
        let (child, banner) = serving::serve(node.path());
        node.child = Some(child);
        assert_eq!(banner.len(), node.banner.len());
        assert!(node.types("rules show").ended(0).out.ends_with("// more\n"));
    }

    #[test]
    fn that_are_none_change_nothing() {
        let node = Node::start();
        push(&node, ALL).ended(0);
        for bad in
            ["permit (principal, action);", "permit (principal is Device, action, resource);"]
        {
            let refused = push(&node, bad).ended(2);
            assert!(refused.err.contains("error[rules_malformed]"), "{}", refused.err);
        }
        assert_eq!(node.types("rules show").ended(0).out, ALL);
        let refused = node.types("rules show --version 0:1").ended(3);
        assert!(refused.err.contains("object_unknown"), "{}", refused.err);
    }
}
