//! One log of all nodes: a receipt from any of them is proved by each, whoever comes and goes.

use std::collections::BTreeMap;
use std::time::Duration;

use notrace_policy_promise::release::Sizes;
use notrace_policy_promise::verify::Verified;
use notrace_sdk_client::receipt::ReceiptPath;
use notrace_sdk_client::run::{Passage, Run};
use notrace_sdk_client::source::Source;
use notrace_sdk_client::wire::Code;
use notrace_sdk_client::{Client, Error, credentials, verify};

use crate::nodes::Group;

const SOON: Duration = Duration::from_secs(10);

/// Receipts, and what their proofs said of the log.
struct Book<'a> {
    group: &'a Group,
    receipts: Vec<String>,
    /// The root of the tree of each size that somebody showed.
    roots: BTreeMap<u64, String>,
}

fn client(group: &Group, number: usize) -> Client {
    let path = group.folder.path().join(format!("n{number}/client.toml"));
    Client::new(&credentials::read(&path).unwrap()).unwrap().alone()
}

impl Book<'_> {
    /// Runs the task at a node, and keeps the path of its receipt.
    async fn run_at(&mut self, number: usize) {
        let run = Run {
            declassify: Vec::new(),
            task: "echo".parse().unwrap(),
            objects: Vec::new(),
            args: Vec::new(),
            input: Source::bytes("once"),
            timeout: None,
            passage: Passage::Sealed,
            sizes: Sizes::Powers,
        };
        loop {
            match client(self.group, number).run(&run).await {
                Ok(answer) => return self.receipts.push(answer.receipt.unwrap().to_string()),
                // A node compiles a task that it meets for the first time.
                Err(Error::Refused(problem)) if problem.code == Code::TaskCompiling => {}
                Err(error) => panic!("{error}"),
            }
        }
    }

    /// A receipt as this very node proves it.
    async fn proved_at(&mut self, number: usize, receipt: usize) -> Verified {
        let path: ReceiptPath = self.receipts[receipt].parse().unwrap();
        let proof = client(self.group, number).receipt(&path, SOON).await.unwrap();
        let credentials = self.group.folder.path().join(format!("n{number}/client.toml"));
        let trust = verify::trust(&credentials::read(&credentials).unwrap()).unwrap();
        let verified = verify::receipt(&proof, &trust, None).unwrap();
        let root = format!("{:?}", verified.root);
        let known = self.roots.entry(verified.size).or_insert_with(|| root.clone());
        assert_eq!(*known, root, "two trees of {} leaves", verified.size);
        verified
    }

    /// Every receipt is one leaf, and the same one at each of these nodes.
    async fn is_one_log_at(&mut self, numbers: &[usize]) {
        let mut leaves = BTreeMap::new();
        for receipt in 0..self.receipts.len() {
            for number in numbers {
                let index = self.proved_at(*number, receipt).await.index;
                assert_eq!(*leaves.entry(receipt).or_insert(index), index);
            }
        }
        let mut leaves: Vec<u64> = leaves.into_values().collect();
        leaves.sort_unstable();
        leaves.dedup();
        assert_eq!(leaves.len(), self.receipts.len(), "two receipts are one leaf");
    }
}

#[tokio::test]
async fn is_one_for_all_nodes_whoever_comes_and_goes() {
    let mut group = Group::found(3, "");
    let echo = concat!(env!("CARGO_MANIFEST_DIR"), "/../../examples/echo/echo.wasm");
    group.types(1, &format!("task push {echo} --name echo")).ended(0);
    let mut book = Book { group: &group, receipts: Vec::new(), roots: BTreeMap::new() };
    for number in [1, 2, 3, 3, 2, 1] {
        book.run_at(number).await;
    }
    book.is_one_log_at(&[1, 2, 3]).await;
    let Book { receipts, roots, .. } = book;

    // What a node ran before it was killed is proved by the others, and the log goes on.
    group.kill(2);
    let mut book = Book { group: &group, receipts, roots };
    for number in [1, 3] {
        book.run_at(number).await;
    }
    book.is_one_log_at(&[1, 3]).await;
    let Book { receipts, roots, .. } = book;

    // A node that comes later has the whole log too, and proves what was run before it came.
    group.restart(2);
    group.joins(4);
    let mut book = Book { group: &group, receipts, roots };
    for number in [4, 2] {
        book.run_at(number).await;
    }
    book.is_one_log_at(&[1, 2, 3, 4]).await;
    let Book { receipts, roots, .. } = book;

    (1..=4).for_each(|number| group.kill(number));
    (1..=4).for_each(|number| group.restart(number));
    let mut book = Book { group: &group, receipts, roots };
    book.run_at(2).await;
    book.is_one_log_at(&[4, 3, 2, 1]).await;
}

#[tokio::test]
async fn begins_with_what_its_founder_had_alone() {
    let mut group = Group::alone();
    let echo = concat!(env!("CARGO_MANIFEST_DIR"), "/../../examples/echo/echo.wasm");
    group.types(1, &format!("task push {echo} --name echo")).ended(0);
    let mut book = Book { group: &group, receipts: Vec::new(), roots: BTreeMap::new() };
    for _ in 0..3 {
        book.run_at(1).await;
    }
    book.is_one_log_at(&[1]).await;
    let Book { receipts, roots, .. } = book;
    group.kill(1);
    group.restart(1);
    group.joins(2);
    group.joins(3);
    let mut book = Book { group: &group, receipts, roots };
    for number in [3, 2, 1] {
        book.run_at(number).await;
    }
    book.is_one_log_at(&[3, 2, 1]).await;
}
