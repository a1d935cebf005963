//! Power is lost at every step of a scripted run, and whatever was synced is there afterwards.
#![cfg(test)]

mod common;

use common::{Entry, Kept, open};
use notrace_store_log::AppendError;
use notrace_store_log::disk::{FaultyDisk, Survives};

/// What a run attempted, and how much of it the log had said to be safe.
#[derive(Default)]
struct Told {
    attempted: Vec<Entry>,
    safe: usize,
}

enum Step {
    Append(u64),
    /// Appends to a disk that has room for half of it, then makes room again.
    AppendToFull(u64),
    Sync,
    Checkpoint,
    Seal,
    Reopen,
}

use Step::{Append, AppendToFull, Checkpoint, Reopen, Seal, Sync};

const SCRIPT: [Step; 27] = [
    Append(3),
    Sync,
    Append(1),
    Append(2),
    Sync,
    AppendToFull(3),
    Append(5),
    Sync,
    Checkpoint,
    Append(4),
    Append(1),
    Sync,
    Reopen,
    Append(2),
    AppendToFull(4),
    Sync,
    Append(6),
    Checkpoint,
    Append(1),
    Checkpoint,
    Append(3),
    Seal,
    Reopen,
    Append(7),
    Sync,
    Append(2),
    Append(1),
];

/// Runs the script until it is done or the disk crashes.
fn run(disk: &FaultyDisk, told: &mut Told) -> Option<()> {
    let mut kept = open(disk.clone()).ok()?;
    for step in SCRIPT {
        match step {
            Append(count) => append(&mut kept, count, told)?,
            AppendToFull(count) => {
                disk.hold_at_most(Some(disk.used() + 150));
                let next = kept.next(count);
                told.attempted.extend(next.clone());
                let full = kept.append(count).err()?;
                if full != AppendError::OutOfSpace {
                    return None;
                }
                // It was told to have no room, so it must not come back.
                told.attempted.truncate(told.attempted.len() - next.len());
                disk.hold_at_most(None);
            }
            Sync => kept.sync().ok()?,
            Checkpoint => {
                if !kept.checkpoint().ok()? {
                    return None;
                }
            }
            Seal => kept.log.seal().ok()?,
            Reopen => {
                kept = open(disk.clone()).ok()?;
                assert_eq!(kept.entries, told.attempted);
            }
        }
        if kept.log.is_synced() {
            told.safe = told.attempted.len();
        }
    }
    Some(())
}

fn append(kept: &mut Kept<FaultyDisk>, count: u64, told: &mut Told) -> Option<()> {
    told.attempted.extend(kept.next(count));
    kept.append(count).ok()
}

fn survivals() -> impl Iterator<Item = Survives> {
    [Survives::Nothing, Survives::Everything].into_iter().chain((1..=6).map(Survives::Some))
}

/// What is found must be a beginning of what was attempted, and hold all that was safe.
fn judge(found: &[Entry], told: &Told, which: &str) {
    assert!(found.len() >= told.safe, "{which}: {} of {} safe", found.len(), told.safe);
    assert!(told.attempted.starts_with(found), "{which}: something else was found");
}

#[test]
fn the_script_runs_to_its_end_and_has_many_steps() {
    let disk = FaultyDisk::default();
    let mut told = Told::default();
    run(&disk, &mut told).unwrap();
    assert_eq!(open(disk.after_crash(Survives::Everything)).unwrap().entries, told.attempted);
    assert!(disk.steps() > 80, "{}", disk.steps());
    assert!(told.attempted.len() > told.safe);
}

#[test]
fn a_crash_at_any_step_loses_nothing_that_was_synced() {
    let whole = FaultyDisk::default();
    run(&whole, &mut Told::default()).unwrap();
    for step in 1..=whole.steps() {
        let disk = FaultyDisk::default();
        disk.crash_at(step);
        let mut told = Told::default();
        assert!(run(&disk, &mut told).is_none());
        for survives in survivals() {
            let which = format!("step {step}, {survives:?}");
            let after = disk.after_crash(survives);
            let mut kept = open(after.clone()).unwrap_or_else(|error| panic!("{which}: {error}"));
            judge(&kept.entries, &told, &which);
            // And it goes on: what is found once is safe, and so is what comes after.
            kept.append(3).unwrap();
            kept.sync().unwrap();
            let again = open(after.after_crash(Survives::Nothing)).unwrap();
            assert_eq!(again.entries, kept.entries, "{which}");
        }
    }
}

#[test]
fn a_crash_while_recovering_from_a_crash_changes_nothing() {
    let whole = FaultyDisk::default();
    run(&whole, &mut Told::default()).unwrap();
    for step in 1..=whole.steps() {
        let disk = FaultyDisk::default();
        disk.crash_at(step);
        let mut told = Told::default();
        assert!(run(&disk, &mut told).is_none());
        for survives in [Survives::Nothing, Survives::Some(step), Survives::Some(1000 + step)] {
            let start = disk.after_crash(survives);
            let begun = start.steps();
            let expected = open(start.after_crash(Survives::Everything)).unwrap().entries;
            for again in begun + 1.. {
                let disk = start.after_crash(Survives::Everything);
                disk.crash_at(again);
                let crashed = open(disk.clone()).is_err();
                let after = disk.after_crash(Survives::Some(again));
                let found = open(after).unwrap().entries;
                assert_eq!(found, expected, "step {step}, then {again}, {survives:?}");
                judge(&found, &told, "twice");
                if !crashed {
                    break;
                }
            }
        }
    }
}
