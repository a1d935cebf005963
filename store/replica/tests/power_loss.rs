//! Power is lost while many send. What was promised is there, and what was seen.
#![cfg(test)]

mod common;
#[path = "common/folders.rs"]
mod folders;
#[path = "common/solo.rs"]
mod solo;

use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use common::{Line, Told, node, wait};
use folders::Folders;
use notrace_store_log::disk::Survives;
use notrace_store_protocol::machine::Durability::{AllDurable, Delivered};
use notrace_store_replica::{ReplicaConfig, SystemClock};
use solo::open_with;

/// Of this sender nothing is promised; of the others everything.
const CARELESS: u64 = 3;

fn config() -> ReplicaConfig {
    let config = ReplicaConfig::new(node(1));
    ReplicaConfig { segment_bytes: 3000, checkpoint_bytes_min: 20_000, ..config }
}

/// Lets the senders end, also when the test fails.
struct Ends<'a>(&'a AtomicBool);

impl Drop for Ends<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

#[test]
fn at_any_moment_takes_nothing_that_was_acknowledged_or_seen() {
    let disk = Folders::default();
    let (group, member) = open_with(disk.clone(), config(), SystemClock).unwrap();
    let acknowledged = Mutex::new(Vec::<Line>::new());
    let done = AtomicBool::new(false);
    // How far senders go before the next loss, so that the log stays short enough to be looked at.
    let allowed = AtomicU64::new(0);
    std::thread::scope(|scope| {
        for sender in 0..=CARELESS {
            let (group, acknowledged, done) = (&group, &acknowledged, &done);
            let allowed = &allowed;
            scope.spawn(move || {
                let durability = if sender == CARELESS { Delivered } else { AllDurable };
                for count in 0.. {
                    while count >= allowed.load(Ordering::Relaxed) && !done.load(Ordering::Relaxed)
                    {
                        std::thread::yield_now();
                    }
                    if done.load(Ordering::Relaxed) {
                        break;
                    }
                    let told = Told { sender, count, length: count * 31 % 700 };
                    let sent = wait(group.ordered_send(told, durability)).unwrap();
                    let line = Line { place: sent.place, sender, count };
                    acknowledged.lock().unwrap().push(line);
                }
            });
        }
        let _ends = Ends(&done);
        for seed in 0..60 {
            allowed.fetch_add(15, Ordering::Relaxed);
            // Wait for the group to move, so that every loss hits another state.
            wait(group.advanced_past(group.frontier()));
            let mut promised = acknowledged.lock().unwrap().clone();
            // What was seen counts once whoever saw it was told that it is safe.
            let (safe, _) = group.safe();
            let seen = group.read(|lines| lines.0.clone()).into_iter();
            promised.extend(seen.filter(|line| line.place.version <= safe));
            promised.retain(|line| line.sender != CARELESS);
            let lost = disk.after_crash(Survives::Some(seed));
            let (again, _member) = open_with(lost, config(), SystemClock).unwrap();
            let found = again.read(Clone::clone).0;
            promised.sort_by_key(|line| line.place.version);
            promised.dedup();
            for line in promised {
                let at = found.binary_search_by_key(&line.place.version, |it| it.place.version);
                let there = at.map(|at| found[at]);
                assert_eq!(there, Ok(line), "seed {seed}");
            }
            for sender in 0..=CARELESS {
                let own = found.iter().filter(|line| line.sender == sender);
                assert!(own.enumerate().all(|(at, line)| line.count == at as u64), "a gap");
            }
        }
    });
    wait(member.close());
}
