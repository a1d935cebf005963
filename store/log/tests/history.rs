//! Going back in a log: every cut, with power lost at every step of it.
#![cfg(test)]

mod common;

use common::{Entry, Kept, open, place};
use notrace_store_log::disk::{FaultyDisk, Survives};
use notrace_store_protocol::ids::Version;

/// A log of several segments, with a checkpoint if asked for. All of it is safe.
fn filled(checkpointed: bool) -> (FaultyDisk, Kept<FaultyDisk>) {
    let disk = FaultyDisk::default();
    let mut kept = open(disk.clone()).unwrap();
    for round in 0..8 {
        kept.append(3).unwrap();
        if checkpointed && round == 2 {
            assert!(kept.checkpoint().unwrap());
        }
    }
    kept.sync().unwrap();
    (disk, kept)
}

fn up_to(entries: &[Entry], to: u64) -> Vec<Entry> {
    entries.iter().filter(|(number, _)| *number <= to).cloned().collect()
}

fn version(number: u64) -> Version {
    Version::from_wire(number)
}

/// Does something to a filled log with power lost at each of its steps in turn, and hands out what
/// is found afterwards, with all that was there before.
fn crashing(
    checkpointed: bool,
    act: impl Fn(&mut Kept<FaultyDisk>) -> bool,
    judge: impl Fn(&[Entry], &[Entry], bool),
) {
    for step in 1.. {
        let (disk, mut kept) = filled(checkpointed);
        let before = kept.entries.clone();
        disk.crash_at(disk.steps() + step);
        let done = act(&mut kept);
        for survives in [Survives::Nothing, Survives::Everything, Survives::Some(step)] {
            let after = disk.after_crash(survives);
            let mut found = open(after.clone()).unwrap();
            judge(&before, &found.entries, done);
            found.append(2).unwrap();
            found.sync().unwrap();
            let again = open(after.after_crash(Survives::Nothing)).unwrap();
            assert_eq!(again.entries, found.entries);
        }
        if done {
            return;
        }
    }
}

#[test]
fn a_cut_leaves_everything_up_to_it_and_nothing_after() {
    for checkpointed in [false, true] {
        for to in if checkpointed { 9 } else { 0 }..=24 {
            let (disk, mut kept) = filled(checkpointed);
            kept.log.cut(version(to)).unwrap();
            assert_eq!(kept.log.last(), version(to));
            kept.entries = up_to(&kept.entries, to);
            kept.append(2).unwrap();
            kept.sync().unwrap();
            let again = open(disk.after_crash(Survives::Nothing)).unwrap();
            assert_eq!(again.entries, kept.entries, "{checkpointed} {to}");
        }
    }
}

#[test]
fn a_crash_during_a_cut_leaves_a_beginning_that_holds_all_up_to_it() {
    for to in [0, 5, 11, 20] {
        let act = |kept: &mut Kept<FaultyDisk>| kept.log.cut(version(to)).is_ok();
        crashing(false, act, |before, found, done| {
            assert!(before.starts_with(found));
            assert!(found.starts_with(&up_to(before, to)));
            assert!(!done || found.len() == to as usize);
        });
    }
}

#[test]
fn a_crash_while_forgetting_leaves_everything_or_the_checkpoint_or_nothing() {
    let act = |kept: &mut Kept<FaultyDisk>| kept.log.clear().is_ok();
    crashing(true, act, |before, found, done| {
        let possible = [before, &before[..9], &[]];
        assert!(possible.contains(&found), "{}", found.len());
        assert!(!done || found.is_empty());
    });
}

#[test]
fn a_crash_while_a_state_is_put_in_place_leaves_the_one_or_the_other() {
    let other: Vec<Entry> = vec![(40, b"another history".to_vec())];
    let state = common::to_bytes(&other);
    let act = |kept: &mut Kept<FaultyDisk>| kept.log.install(place(40), &[&state]).is_ok();
    for checkpointed in [false, true] {
        crashing(checkpointed, act, |before, found, done| {
            assert!(found == other || found == before && !done);
        });
    }
}

#[test]
fn a_tail_is_what_was_appended_after_a_version() {
    let (_, kept) = filled(true);
    let all = |after, through, bytes| {
        let tail = kept.log.tail(version(after), version(through), bytes).unwrap();
        tail.into_iter().map(|(place, payload)| (place.version.to_wire(), payload)).collect()
    };
    for after in 9..=24 {
        let found: Vec<Entry> = all(after, 100, usize::MAX);
        assert_eq!(found, kept.entries[after as usize..]);
    }
    let found: Vec<Entry> = all(12, 15, usize::MAX);
    assert_eq!(found, kept.entries[12..15]);
    let found: Vec<Entry> = all(12, 100, 1);
    assert_eq!(found.len(), 1, "one at least, and no more than asked for");
    let found: Vec<Entry> = all(8, 100, usize::MAX);
    assert!(found.is_empty(), "the checkpoint covers some of it");
}
