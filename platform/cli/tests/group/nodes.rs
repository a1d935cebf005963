//! Several nodes as processes, in folders below one.

use std::io::{BufRead as _, BufReader};
use std::process::{Child, ChildStdout, Command, Stdio};
use std::time::Duration;

use tokio::time::Instant;

use crate::run::{Ran, notrace};

/// A node of the group; killed when dropped.
pub(crate) struct Node {
    pub(crate) child: Child,
    pub(crate) url: String,
    pub(crate) cluster: String,
}

/// All of them, each in a folder below one.
pub(crate) struct Group {
    pub(crate) folder: tempfile::TempDir,
    pub(crate) nodes: Vec<Node>,
}

impl Drop for Node {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Group {
    /// A group of so many nodes, founded with these options, as soon as the last one serves.
    pub(crate) fn found(nodes: usize, options: &str) -> Self {
        let mut group = Self { folder: tempfile::tempdir().unwrap(), nodes: Vec::new() };
        let line = format!("--listen 127.0.0.1:0 --cluster 127.0.0.1:0 {options}");
        let founder = group.start(1, &line);
        group.nodes.push(founder);
        for number in 2..=nodes {
            group.joins(number);
        }
        group
    }

    /// One more node, with a token of the first.
    pub(crate) fn joins(&mut self, number: usize) {
        let token = self.types(1, "cluster invite").ended(0).out;
        let join = self.nodes[0].url.replace("https://", "");
        let line = format!(
            "--listen 127.0.0.1:0 --cluster 127.0.0.1:0 --join {join} --token {}",
            token.trim()
        );
        self.join(number, &line);
    }

    /// One more node, started so.
    pub(crate) fn join(&mut self, number: usize, line: &str) {
        let node = self.start(number, line);
        self.nodes.push(node);
    }

    /// Starts a node and reads where it listens, which it says once it serves.
    fn start(&self, number: usize, line: &str) -> Node {
        let mut child = self.spawn(number, line);
        let out: ChildStdout = child.stdout.take().unwrap();
        let mut lines = BufReader::new(out).lines().map_while(Result::ok);
        let first = lines.next().unwrap();
        let cluster = first.split_whitespace().find(|word| word.contains("127.0.0.1:")).unwrap();
        let second = lines.next().unwrap();
        let url = second.split_whitespace().next().unwrap().to_owned();
        Node { child, url, cluster: cluster.to_owned() }
    }

    pub(crate) fn spawn(&self, number: usize, line: &str) -> Child {
        Command::new(env!("CARGO_BIN_EXE_notrace"))
            .args(["serve", "--dir", &format!("n{number}")])
            .args(line.split_whitespace())
            .current_dir(self.folder.path())
            .env_clear()
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap()
    }

    pub(crate) fn kill(&mut self, number: usize) {
        self.nodes[number - 1].child.kill().unwrap();
        self.nodes[number - 1].child.wait().unwrap();
    }

    /// Starts a node again where it was. It serves as soon as enough of the others do.
    pub(crate) fn restart(&mut self, number: usize) {
        self.restart_with(number, "");
    }

    /// A node that keeps its store alone, and founds a group when it is started again.
    pub(crate) fn alone() -> Self {
        let mut group = Self { folder: tempfile::tempdir().unwrap(), nodes: Vec::new() };
        let mut child = group.spawn(1, "--listen 127.0.0.1:0");
        let out: ChildStdout = child.stdout.take().unwrap();
        let mut lines = BufReader::new(out).lines().map_while(Result::ok);
        let url = lines.find(|line| line.contains("https://")).unwrap();
        let url = url.split_whitespace().next().unwrap().to_owned();
        group.nodes.push(Node { child, url, cluster: "127.0.0.1:0".to_owned() });
        group
    }

    pub(crate) fn restart_with(&mut self, number: usize, options: &str) {
        let node = &self.nodes[number - 1];
        let listen = node.url.replace("https://", "");
        let line = format!("--listen {listen} --cluster {} {options}", node.cluster);
        self.nodes[number - 1].child = self.spawn(number, &line);
    }

    pub(crate) fn types(&self, number: usize, line: &str) -> Ran {
        self.types_with(number, line, b"")
    }

    pub(crate) fn types_with(&self, number: usize, line: &str, input: &[u8]) -> Ran {
        let config = format!("./n{number}/client.toml");
        notrace(self.folder.path(), Some(&config), line, input)
    }

    /// Asks again until the answer is this one, as a client does while a view changes.
    #[track_caller]
    pub(crate) fn comes_to(&self, number: usize, line: &str, wanted: impl Fn(&Ran) -> bool) {
        let until = Instant::now() + Duration::from_secs(30);
        loop {
            let ran = self.types(number, line);
            if wanted(&ran) {
                return;
            }
            assert!(Instant::now() < until, "{line} at {number}: {}{}", ran.out, ran.err);
        }
    }
}
