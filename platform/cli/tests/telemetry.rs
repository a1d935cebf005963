//! What a node says about itself, and what it does not.
#![cfg(test)]

mod run;

use std::fs::{self, File};
use std::io::{BufRead as _, BufReader, Read as _};
use std::process::{Child, Command, Stdio};

use rustix::process::{Pid, Signal, kill_process};

use run::notrace;

struct Killed(Child);

impl Drop for Killed {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn serving(folder: &std::path::Path, config: &str) -> Killed {
    fs::write(folder.join("config.toml"), config).unwrap();
    let node = Command::new(env!("CARGO_BIN_EXE_notrace"))
        .args(["serve", "--dir", "node", "--listen", "127.0.0.1:0", "--config", "config.toml"])
        .current_dir(folder)
        .env("RUST_LOG", "trace")
        .stdout(Stdio::piped())
        .stderr(File::create(folder.join("said")).unwrap())
        .spawn();
    let mut node = Killed(node.unwrap());
    let lines = BufReader::new(node.0.stdout.take().unwrap()).lines();
    lines.map_while(Result::ok).find(|line| line.starts_with("  posture: ")).unwrap();
    node
}

fn end(mut node: Killed) {
    kill_process(Pid::from_raw(node.0.id().cast_signed()).unwrap(), Signal::TERM).unwrap();
    assert!(node.0.wait().unwrap().success());
}

fn said(folder: &std::path::Path) -> String {
    let mut said = String::new();
    File::open(folder.join("said")).unwrap().read_to_string(&mut said).unwrap();
    said
}

#[test]
fn is_what_becomes_of_the_node_and_nothing_of_requests() {
    let folder = tempfile::tempdir().unwrap();
    let node = serving(folder.path(), "[telemetry]\nevents = true\n");
    let types = |line: &str, input: &[u8]| {
        notrace(folder.path(), Some("node/client.toml"), line, input).ended(0)
    };
    types("pool create zebra --retain 1d", b"");
    types("put zebra/quagga -", b"okapi");
    assert_eq!(types("get zebra/quagga", b"").out, "okapi");
    end(node);
    let said = said(folder.path());
    let mut lines: Vec<&str> = said.lines().collect();
    // The view may be there before the node has become what its store says, or after.
    lines.sort_unstable();
    let view = "event=view_installed view=1 members=1";
    assert_eq!(lines, ["event=draining", "event=serving members=1", view], "{said}");
}

#[test]
fn is_nothing_unless_that_is_wanted() {
    let folder = tempfile::tempdir().unwrap();
    let node = serving(folder.path(), "");
    notrace(folder.path(), Some("node/client.toml"), "pool list", b"").ended(0);
    end(node);
    assert_eq!(said(folder.path()), "");
}

#[test]
fn shows_no_single_request_in_its_counts() {
    let folder = tempfile::tempdir().unwrap();
    let _node = serving(folder.path(), "");
    let types = |line: &str| notrace(folder.path(), Some("node/client.toml"), line, b"");
    let before = types("metrics").ended(0).out;
    assert!(before.contains("notrace_requests_total{route=\"write\",answered=\"done\"} 0\n"));
    types("pool create p --retain 1d").ended(0);
    let counts = |text: &str| -> Vec<String> {
        text.lines().filter(|line| !line.contains("workers_ready")).map(str::to_owned).collect()
    };
    assert_eq!(counts(&types("metrics").ended(0).out), counts(&before));
    assert!(types("metrics --json").ended(0).out.contains("notrace_members"));

    let config = fs::read_to_string(folder.path().join("node/client.toml")).unwrap();
    let stranger: Vec<&str> = config.lines().filter(|line| !line.starts_with("token")).collect();
    fs::write(folder.path().join("node/stranger.toml"), stranger.join("\n")).unwrap();
    let refused = notrace(folder.path(), Some("node/stranger.toml"), "metrics", b"");
    assert_ne!(refused.exit, 0, "{}", refused.out);
}
