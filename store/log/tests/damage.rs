//! What decays is told; what was cut short is cut off.
#![cfg(test)]

mod common;

use common::{CONFIG, Kept, open};
use notrace_store_log::disk::{Disk, DiskFile, FaultyDisk, Survives};
use notrace_store_log::{Log, OpenError, Recovered};
use notrace_store_protocol::machine::Malformed;

const HEAD: usize = 28;
const HEADER: usize = 36;

fn segment(number: u64) -> String {
    format!("segment-{number:016x}")
}

/// A log of groups, each synced. Payloads of 37, 74, 21, 58, 5, 42 bytes and so on.
fn written(groups: &[u64]) -> Kept<FaultyDisk> {
    let mut kept = open(FaultyDisk::default()).unwrap();
    for count in groups {
        kept.append(*count).unwrap();
        kept.sync().unwrap();
    }
    kept
}

fn length(disk: &FaultyDisk, name: &str) -> usize {
    disk.open(name).unwrap().length().unwrap() as usize
}

mod a_torn_tail {
    use super::*;

    #[test]
    fn is_cut_off_wherever_it_was_torn() {
        let kept = written(&[1, 1]);
        let second = HEAD + HEADER + 37;
        for length in second..second + HEADER + 74 {
            let disk = kept.disk.after_crash(Survives::Everything);
            disk.open(&segment(0)).unwrap().truncate(length as u64).unwrap();
            let again = open(disk).unwrap();
            assert_eq!(again.entries, kept.entries[..1], "cut at {length}");
        }
    }

    #[test]
    fn of_zeros_is_cut_off() {
        let kept = written(&[2]);
        let end = length(&kept.disk, &segment(0)) as u64;
        kept.disk.open(&segment(0)).unwrap().truncate(end + 4096).unwrap();
        let again = open(kept.disk.clone()).unwrap();
        assert_eq!(again.entries, kept.entries);
        assert_eq!(length(&kept.disk, &segment(0)) as u64, end);
    }

    #[test]
    fn may_hold_whole_records_of_a_group_that_was_never_synced() {
        let mut kept = written(&[1]);
        kept.append(2).unwrap();
        let disk = kept.disk.after_crash(Survives::Everything);
        disk.flip(&segment(0), HEAD + HEADER + 37 + HEADER + 3);
        let again = open(disk).unwrap();
        assert_eq!(again.entries, kept.entries[..1]);
    }
}

mod decay {
    use super::*;

    #[test]
    fn before_a_later_record_is_an_error_at_every_byte() {
        let kept = written(&[1, 1, 1]);
        for offset in 0..HEAD + 2 * HEADER + 37 + 74 {
            let disk = kept.disk.after_crash(Survives::Everything);
            disk.flip(&segment(0), offset);
            let damaged = [0, HEAD, HEAD + HEADER + 37].into_iter().rfind(|at| *at <= offset);
            let expected = OpenError::Corrupt { segment: 0, offset: damaged.unwrap() as u64 };
            assert_eq!(open(disk).err(), Some(expected), "byte {offset}");
        }
    }

    #[test]
    fn of_the_last_record_is_an_error_once_the_log_was_sealed() {
        let mut kept = written(&[1, 1]);
        let last = HEAD + HEADER + 37;
        let disk = kept.disk.after_crash(Survives::Everything);
        disk.flip(&segment(0), last + 40);
        assert_eq!(open(disk).unwrap().entries, kept.entries[..1]);
        kept.log.seal().unwrap();
        kept.disk.flip(&segment(0), last + 40);
        let expected = OpenError::Corrupt { segment: 0, offset: last as u64 };
        assert_eq!(open(kept.disk.clone()).err(), Some(expected));
    }

    #[test]
    fn in_a_closed_segment_is_an_error_also_at_its_end() {
        let kept = written(&[4, 4, 1]);
        let end = length(&kept.disk, &segment(0));
        kept.disk.flip(&segment(0), end - 1);
        assert!(matches!(
            open(kept.disk.clone()).err(),
            Some(OpenError::Corrupt { segment: 0, .. })
        ));
    }

    #[test]
    fn of_the_only_checkpoint_is_an_error_at_every_byte() {
        let mut kept = written(&[2]);
        kept.checkpoint().unwrap();
        let name = "checkpoint-0000000000000002";
        for offset in 0..length(&kept.disk, name) {
            let disk = kept.disk.after_crash(Survives::Everything);
            disk.flip(name, offset);
            assert_eq!(open(disk).err(), Some(OpenError::CorruptCheckpoint), "byte {offset}");
        }
    }

    #[test]
    fn of_a_checkpoint_is_made_good_by_the_one_before_while_its_records_are_there() {
        let mut kept = written(&[2]);
        kept.checkpoint().unwrap();
        kept.append(1).unwrap();
        let before = kept.disk.after_crash(Survives::Everything);
        // The newer checkpoint is written, and power is lost before anything is trimmed.
        let (place, state) = (common::place(3), b"not reached".as_slice());
        notrace_store_log::write_checkpoint(&before, place, &[state]).unwrap();
        before.flip("checkpoint-0000000000000003", 40);
        assert_eq!(open(before).unwrap().entries, kept.entries);
    }
}

mod missing_files {
    use super::*;

    #[test]
    fn between_checkpoint_and_log_are_an_error_and_nothing_is_removed() {
        let kept = written(&[4, 4, 4, 1]);
        kept.disk.remove(&segment(1)).unwrap();
        assert_eq!(open(kept.disk.clone()).err(), Some(OpenError::Missing));
        assert!(kept.disk.open(&segment(0)).is_ok());
    }

    #[test]
    fn at_the_front_are_an_error_without_a_checkpoint() {
        let kept = written(&[4, 4, 1]);
        kept.disk.remove(&segment(0)).unwrap();
        assert_eq!(open(kept.disk.clone()).err(), Some(OpenError::Missing));
    }

    #[test]
    fn of_the_whole_log_are_an_error_with_a_checkpoint() {
        let mut kept = written(&[1]);
        kept.checkpoint().unwrap();
        kept.disk.remove(&segment(0)).unwrap();
        assert_eq!(open(kept.disk.clone()).err(), Some(OpenError::Missing));
    }

    #[test]
    fn of_the_trimmed_part_are_no_error_in_whatever_order_they_went() {
        let mut kept = written(&[4, 4, 4, 1]);
        let full = kept.disk.after_crash(Survives::Everything);
        kept.checkpoint().unwrap();
        assert!(kept.disk.open(&segment(0)).is_err());
        let written = notrace_store_log::write_checkpoint;
        // A trim that was cut short left the oldest and the newest.
        let place = common::place(13);
        let state: Vec<u8> = checkpoint_state(&kept.disk);
        written(&full, place, &[state]).unwrap();
        full.remove(&segment(1)).unwrap();
        assert_eq!(open(full.clone()).unwrap().entries, kept.entries);
        assert!(full.open(&segment(0)).is_err());
    }

    fn checkpoint_state(disk: &FaultyDisk) -> Vec<u8> {
        let mut found = Vec::new();
        Log::open(disk.clone(), CONFIG, |recovered| {
            if let Recovered::Checkpoint { state, .. } = recovered {
                found = state;
            }
            Ok(())
        })
        .unwrap();
        found
    }
}

#[test]
fn a_record_that_its_reader_does_not_know_stops_the_opening() {
    let kept = written(&[2]);
    let refused = Log::open(kept.disk.clone(), CONFIG, |_| Err(Malformed)).err();
    let version = common::place(1).version;
    assert_eq!(refused, Some(OpenError::Refused { version }));
}
