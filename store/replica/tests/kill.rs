//! `kill -9` at random moments of a put load: every acknowledged put is there afterwards.
//!
//! The load runs in a process of its own, which is this test program asked for one test alone.
#![cfg(test)]

mod common;
#[path = "common/solo.rs"]
mod solo;

use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use common::{Lines, Told, node, wait};
use notrace_store_protocol::machine::Durability::{AllDurable, MajorityDurable};
use notrace_store_replica::{FileStorage, Member, ReplicaConfig, Replicated, SystemClock};
use solo::open_with;

const SENDERS: u64 = 4;
/// The folder that a load is to use; and how many kills a run of the test makes.
const DIR: &str = "NOTRACE_LOAD_DIR";
const ROUNDS: &str = "NOTRACE_KILL_ROUNDS";
const ROUNDS_DEFAULT: u64 = 20;

#[expect(clippy::disallowed_methods, reason = "how a test program is told its part")]
fn told_by_environment(name: &str) -> Option<String> {
    std::env::var(name).ok()
}

fn open(dir: &Path) -> (Replicated<Lines>, Member) {
    let config = ReplicaConfig::new(node(1));
    let config = ReplicaConfig { segment_bytes: 100_000, checkpoint_bytes_min: 300_000, ..config };
    open_with(FileStorage::below(dir.to_owned()), config, SystemClock).unwrap()
}

/// Sends until `enough`, telling each acknowledgement on standard output.
fn load(group: &Replicated<Lines>, enough: u64) {
    let counts = (0..SENDERS).map(|sender| {
        group.read(|lines| lines.0.iter().filter(|line| line.sender == sender).count() as u64)
    });
    let counts: Vec<u64> = counts.collect();
    std::thread::scope(|scope| {
        for (sender, begin) in (0..).zip(counts) {
            scope.spawn(move || {
                let durability = if sender == 0 { MajorityDurable } else { AllDurable };
                for count in begin..begin.saturating_add(enough) {
                    let length = if count % 50 == 49 { 150_000 } else { count * 37 % 3000 };
                    let told = Told { sender, count, length };
                    let sent = wait(group.ordered_send(told, durability)).unwrap();
                    let (version, time) = (sent.place.version, sent.place.time.to_wire());
                    let line = format!("ack {sender} {count} {version} {time}\n");
                    std::io::stdout().lock().write_all(line.as_bytes()).unwrap();
                }
            });
        }
    });
}

#[test]
fn a_load_is_acknowledged_in_the_order_it_is_applied() {
    if let Some(dir) = told_by_environment(DIR) {
        let (group, _member) = open(Path::new(&dir));
        load(&group, u64::MAX);
    }
    let dir = tempfile::tempdir().unwrap();
    let (group, member) = open(dir.path());
    load(&group, 60);
    wait(member.close());
    judge(&open(dir.path()).0, &[]);
}

/// Each acknowledged line as the load printed it must be there, and each sender's puts in order.
fn judge(group: &Replicated<Lines>, acknowledged: &[String]) {
    let found = group.read(Clone::clone).0;
    let mut there: Vec<String> = found
        .iter()
        .map(|line| {
            let (version, time) = (line.place.version, line.place.time.to_wire());
            format!("ack {} {} {version} {time}", line.sender, line.count)
        })
        .collect();
    there.sort();
    for line in acknowledged {
        assert!(there.binary_search(line).is_ok(), "lost: {line}");
    }
    for sender in 0..SENDERS {
        let own = found.iter().filter(|line| line.sender == sender);
        assert!(own.enumerate().all(|(at, line)| line.count == at as u64), "a gap or a repeat");
    }
    assert!(found.is_sorted_by(|one, next| one.place.version < next.place.version));
}

/// Runs a load, kills it after `enough` acknowledgements, and returns all that it managed to tell.
fn killed_load(program: &Path, dir: &Path, enough: usize) -> Vec<String> {
    let mut child = Command::new(program)
        .args(["--exact", "a_load_is_acknowledged_in_the_order_it_is_applied", "--nocapture"])
        .env(DIR, dir)
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let mut output = BufReader::new(child.stdout.take().unwrap());
    let mut lines = Vec::new();
    let mut line = String::new();
    while output.read_line(&mut line).unwrap() > 0 {
        if let Some(whole) = line.strip_suffix('\n')
            && let Some(at) = whole.find("ack ")
        {
            lines.push(whole[at..].to_owned());
        }
        line.clear();
        if lines.len() == enough {
            child.kill().unwrap();
        }
    }
    child.wait().unwrap();
    assert!(lines.len() >= enough, "the load ended by itself after {}", lines.len());
    lines
}

#[test]
fn a_killed_load_has_lost_nothing_that_was_acknowledged() {
    let rounds = told_by_environment(ROUNDS).map_or(ROUNDS_DEFAULT, |text| text.parse().unwrap());
    let program: PathBuf = std::env::current_exe().unwrap();
    let dir = tempfile::tempdir().unwrap();
    let mut acknowledged = Vec::new();
    for round in 1..=rounds {
        // Any number will do that differs from round to round: the kill hits wherever the load is.
        let enough = 1 + (round * 2_654_435_761 % 4_294_967_296 % 400) as usize;
        acknowledged.extend(killed_load(&program, dir.path(), enough));
        let (group, member) = open(dir.path());
        judge(&group, &acknowledged);
        wait(member.close());
    }
}
