//! The first ten minutes, typed as they are written in the guide, against a real node.
#![cfg(test)]

mod run;
mod serving;

use std::process::{Command, Stdio};

use run::notrace;
use serving::Node;

/// A task that answers with its first object when it is given one: WASI preview 1, by hand.
const CLASSIFY: &str = include_str!("classify.wat");

fn words(line: &str) -> Vec<&str> {
    line.split_whitespace().collect()
}

#[test]
fn go_as_they_are_written() {
    let mut node = Node::start();
    let [title, place, posture] = node.banner.as_slice() else { panic!("{:?}", node.banner) };
    let version = env!("CARGO_PKG_VERSION");
    let expected =
        format!("notrace {version} · one node, embedded store · trust level 0 (software key)");
    assert_eq!(*title, expected);
    assert!(place.starts_with("  https://127.0.0.1:"), "{place}");
    assert!(place.ends_with("   credentials ./node/client.toml   ledger ./node/ledger"), "{place}");
    assert!(posture.ends_with(" mitigations on; `notrace posture` lists the rest"), "{posture}");

    node.write("rash.png", &vec![0x89; 41_233]);
    node.write("classify.wasm", &wat::parse_str(CLASSIFY).unwrap());
    node.write("question.json", b"{\"question\": \"is it a rash?\"}");

    node.types("pool create photos --retain 30d --durability all_durable").ended(0);

    let put = node.types("put photos/rash.png rash.png").ended(0);
    let [name, "version", at, "41,233", "bytes", "sealed"] = words(&put.out)[..] else {
        panic!("{}", put.out);
    };
    assert_eq!(put.out, format!("{name}  version {at}  41,233 bytes  sealed\n"));

    let pushed = node.types("task push classify.wasm").ended(0);
    let ["task", task, "world", "wasi:cli/command", ..] = words(&pushed.out)[..] else {
        panic!("{}", pushed.out);
    };
    assert_eq!(
        pushed.out,
        format!(
            "task {task}  world wasi:cli/command  imports: none beyond the world  services: none\n"
        )
    );

    let line =
        format!("run {task} --object photos/rash.png --input question.json --receipt r.proof");
    let ran = node.types(&line).ended(0);
    assert_eq!(ran.out, "{\"question\": \"is it a rash?\"}");
    assert_eq!(ran.err, "");

    let verified = node.types("audit verify r.proof").ended(0);
    let start = format!("the receipt is true: task {task} ran once under promise sha256:");
    assert!(verified.out.starts_with(&start), "{}", verified.out);
    let end = ", checkpoint signed by 1 log key and 0 witnesses\n";
    assert!(verified.out.ends_with(end), "{}", verified.out);
    let middle = "its worker was destroyed and scrubbed before the answer left, included at leaf ";
    assert!(verified.out.contains(middle), "{}", verified.out);

    assert_eq!(node.stop(), Some(0));
}

#[test]
fn go_on_with_every_other_command() {
    let node = Node::start();
    node.types("pool create notes --retain forever --label private").ended(0);
    node.types_with("put notes/a -", b"first").ended(0);
    let second = node.types_with("put notes/a -", b"second").ended(0);
    let version = words(&second.out)[2].to_owned();

    assert_eq!(node.types("get notes/a").ended(0).out, "second");
    let head = node.types("head notes/a").ended(0);
    assert!(
        head.out.starts_with(&format!("notes/a  version {version}  6 bytes  20")),
        "{}",
        head.out
    );
    let history = node.types("history notes/a --json").ended(0);
    let history: serde_json::Value = serde_json::from_str(&history.out).unwrap();
    let first = history["versions"][1]["version"].as_str().unwrap().to_owned();
    let old = node.types(&format!("get notes/a --version {first}")).ended(0);
    assert_eq!(old.out, "first");
    node.types("get notes/a -o copy").ended(0);
    assert_eq!(std::fs::read(node.path().join("copy")).unwrap(), b"second");

    let ls = node.types("ls notes").ended(0);
    assert!(ls.out.starts_with(&format!("a  version {version}  6 bytes")), "{}", ls.out);
    assert_eq!(node.types("ls notes/b").ended(0).out, "");
    let listed = node.types("pool list").ended(0);
    assert!(listed.out.contains("notes  retain forever"), "{}", listed.out);
    node.types("pool show notes").ended(0);
    node.types("status").ended(0);
    node.types("posture").ended(0);
    node.types("promise show").ended(0);
    node.types("promise verify").ended(0);
    node.types("audit log").ended(0);

    let rm = node.types("rm notes/a").ended(0);
    assert!(rm.out.ends_with("  deleted\n"), "{}", rm.out);
    node.types("get notes/a").ended(3);
    node.types_with("put notes/a -", b"third").ended(0);
    let shredded = node.types("shred notes/a").ended(0);
    assert!(shredded.out.contains("shredded: the keys of "), "{}", shredded.out);
    let gone = node.types("get notes/a").ended(3);
    assert!(gone.err.starts_with("error[object_shredded]: "), "{}", gone.err);
    node.types("pool shred notes").ended(0);
}

#[test]
fn have_wrong_turns_that_say_what_to_do() {
    let node = Node::start();
    let refused = |line: &str, exit: i32, code: &str| {
        let ran = node.types(line).ended(exit);
        assert!(ran.err.starts_with(&format!("error[{code}]: ")), "{line}: {}", ran.err);
        assert!(ran.err.contains("\n  help: "), "{line}: {}", ran.err);
        assert!(ran.out.is_empty(), "{line}: {}", ran.out);
    };
    node.types("pool create notes --retain 1d").ended(0);
    node.types_with("put notes/a -", b"one").ended(0);
    node.write("text.js", b"console.log('canary-in-a-module')");
    node.write("truncated.wasm", b"\0asm\x01\0\0\0\x01\x7f");
    let command = |body: &str| {
        let export = "(memory (export \"memory\") 1) (func (export \"_start\")";
        wat::parse_str(format!("(module {body})").replace("(start", export)).unwrap()
    };
    node.write("trap.wasm", &command("(start unreachable)"));
    node.write("loop.wasm", &command("(start (loop (br 0)))"));
    node.write("import.wasm", &command("(import \"env\" \"open_socket\" (func)) (start)"));

    refused("get notes/b", 3, "object_unknown");
    refused("get nowhere/b", 3, "pool_unknown");
    refused("run nobody", 3, "task_unknown");
    refused("put notes/a text.js --if-absent", 5, "version_mismatch");
    refused("put notes/a text.js --if-version 1:1", 5, "version_mismatch");
    refused("put notes/a gone.txt", 3, "file_unreadable");
    refused("task push text.js", 2, "module_malformed");
    refused("task push truncated.wasm", 2, "module_malformed");
    refused("task push import.wasm", 2, "import_refused");
    node.types("task push trap.wasm --name trap").ended(0);
    node.types("task push loop.wasm --name loop").ended(0);
    refused("run trap", 1, "task_trapped");
    refused("run loop --timeout 200ms", 1, "task_exhausted");
    node.types("get notes/a").ended(0);
}

#[test]
fn begin_with_a_demo_that_leaves_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let told = Command::new(env!("CARGO_BIN_EXE_notrace"))
        .arg("demo")
        .env_clear()
        .env("TMPDIR", folder.path())
        .stdin(Stdio::null())
        .output()
        .unwrap();
    let out = String::from_utf8(told.stdout).unwrap();
    let err = String::from_utf8(told.stderr).unwrap();
    assert!(told.status.success(), "{out}\n{err}");
    assert!(out.matches("  ✓ ").count() >= 10, "{out}");
    let unwrapped = words(&out).join(" ");
    assert!(unwrapped.contains("the receipt is true: task sha256:"), "{out}");
    assert!(out.contains("    > "), "nothing was masked: {out}");
    assert_eq!(err, "");
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
}

#[test]
fn go_on_with_a_task_of_ones_own() {
    let node = Node::start();
    node.types("task new hello --lang wat").ended(0);
    let checked = node.types("task check hello/hello.wat").ended(0);
    assert!(checked.out.contains("would be accepted"), "{}", checked.out);
    node.types("task push hello/hello.wat --name hello").ended(0);
    let answer = node.types_with("run hello --input -", b"hello, you").ended(0);
    assert_eq!(answer.out, "HELLO, YOU");
}

#[test]
fn end_where_trust_ends() {
    let ours = Node::start();
    let theirs = Node::start();
    let read = |node: &Node| std::fs::read_to_string(node.path().join("node/client.toml")).unwrap();
    let url = |text: &str| text.lines().find(|line| line.starts_with("url")).unwrap().to_owned();
    let (mine, other) = (read(&ours), read(&theirs));
    ours.write("mixed.toml", mine.replace(&url(&mine), &url(&other)).as_bytes());
    let ran = notrace(ours.path(), Some("mixed.toml"), "status", b"").ended(6);
    assert!(ran.err.starts_with("error[certificate_changed]: "), "{}", ran.err);
    assert_eq!(ran.err.matches("sha256:").count(), 2, "{}", ran.err);

    ours.write("classify.wasm", &wat::parse_str(CLASSIFY).unwrap());
    ours.types("task push classify.wasm --name classify").ended(0);
    ours.types("run classify --receipt r.proof").ended(0);
    ours.types("audit verify r.proof").ended(0);
    let elsewhere = theirs.path().join("node/client.toml");
    let elsewhere = elsewhere.to_str();
    let ran = notrace(ours.path(), elsewhere, "audit verify r.proof", b"").ended(6);
    assert!(ran.err.starts_with("error[receipt_false]: "), "{}", ran.err);
    let proof = std::fs::read_to_string(ours.path().join("r.proof")).unwrap();
    ours.write("r.proof", proof.replacen("index 0", "index 1", 1).as_bytes());
    ours.types("audit verify r.proof").ended(6);
}
