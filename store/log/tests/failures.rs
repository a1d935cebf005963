//! Disks that are full or broken while the log is in use.
#![cfg(test)]

mod common;

use common::{Kept, open};
use notrace_store_log::disk::{Disk, FaultyDisk, FileDisk, Survives};
use notrace_store_log::limits::RECORD_BYTES_MAX;
use notrace_store_log::{AppendError, Log, LogConfig, Record};

fn begun() -> Kept<FaultyDisk> {
    let mut kept = open(FaultyDisk::default()).unwrap();
    kept.append(2).unwrap();
    kept.sync().unwrap();
    kept
}

fn again(kept: &Kept<FaultyDisk>) -> Vec<common::Entry> {
    open(kept.disk.after_crash(Survives::Nothing)).unwrap().entries
}

mod a_full_disk {
    use super::*;

    #[test]
    fn refuses_the_group_whole_and_takes_the_next_one_that_fits() {
        let mut kept = begun();
        kept.disk.hold_at_most(Some(kept.disk.used() + 120));
        assert_eq!(kept.append(6), Err(AppendError::OutOfSpace));
        let entries = kept.entries.len();
        kept.append(1).unwrap();
        kept.sync().unwrap();
        assert_eq!(kept.entries.len(), entries + 1);
        assert_eq!(again(&kept), kept.entries);
    }

    #[test]
    fn refuses_a_new_segment_and_goes_on_in_it_later() {
        let mut kept = begun();
        kept.append(1).unwrap();
        kept.disk.hold_at_most(Some(kept.disk.used()));
        for _ in 0..3 {
            assert_eq!(kept.append(3), Err(AppendError::OutOfSpace));
        }
        kept.disk.hold_at_most(None);
        kept.append(3).unwrap();
        kept.sync().unwrap();
        assert_eq!(again(&kept), kept.entries);
    }

    #[test]
    fn refuses_a_checkpoint_and_leaves_the_one_before() {
        let mut kept = begun();
        assert!(kept.checkpoint().unwrap());
        kept.append(3).unwrap();
        kept.sync().unwrap();
        kept.disk.hold_at_most(Some(kept.disk.used() + 50));
        assert!(!kept.checkpoint().unwrap());
        assert!(!kept.disk.list().unwrap().iter().any(|name| name.ends_with(".new")));
        assert_eq!(again(&kept), kept.entries);
        kept.disk.hold_at_most(None);
        assert!(kept.checkpoint().unwrap());
        assert_eq!(again(&kept), kept.entries);
    }
}

mod a_failed_sync {
    use super::*;

    #[test]
    fn poisons_the_log_until_it_is_opened_anew() {
        let mut kept = begun();
        kept.append(1).unwrap();
        kept.disk.fail_syncs(true);
        assert!(kept.sync().is_err());
        kept.disk.fail_syncs(false);
        // The disk says yes now, although it has forgotten the record.
        assert!(kept.sync().is_err());
        assert_eq!(kept.append(1), Err(AppendError::Poisoned));
        assert!(kept.log.mark(kept.log.last()).is_err() && kept.log.seal().is_err());
        assert_eq!(again(&kept), kept.entries[..2]);
    }

    #[test]
    fn while_taking_back_a_group_poisons_the_log_too() {
        let mut kept = begun();
        kept.disk.hold_at_most(Some(kept.disk.used() + 60));
        kept.disk.fail_syncs(true);
        assert_eq!(kept.append(2), Err(AppendError::Poisoned));
        kept.disk.hold_at_most(None);
        kept.disk.fail_syncs(false);
        assert_eq!(kept.append(1), Err(AppendError::Poisoned));
    }
}

#[test]
fn a_failed_write_is_taken_back() {
    let mut kept = begun();
    kept.disk.fail_writes(true);
    assert!(matches!(kept.append(1), Err(AppendError::Disk { .. })));
    kept.disk.fail_writes(false);
    kept.append(2).unwrap();
    kept.sync().unwrap();
    assert_eq!(again(&kept), kept.entries);
}

#[test]
fn short_writes_are_gone_on_with() {
    let disk = FaultyDisk::default();
    disk.write_at_most(Some(5));
    let mut kept = open(disk).unwrap();
    kept.append(7).unwrap();
    kept.checkpoint().unwrap();
    kept.append(2).unwrap();
    kept.sync().unwrap();
    assert_eq!(again(&kept), kept.entries);
}

mod checkpoints {
    use super::*;

    #[test]
    fn trim_the_segments_before_them_and_are_replaced_by_the_next() {
        let mut kept = begun();
        for _ in 0..5 {
            kept.append(5).unwrap();
        }
        assert!(kept.log.bytes_since_checkpoint() > 1000);
        kept.checkpoint().unwrap();
        assert_eq!(kept.log.bytes_since_checkpoint(), 0);
        kept.append(1).unwrap();
        assert_eq!(kept.log.bytes_since_checkpoint(), 36 + common::payload_len(28) as u64);
        kept.checkpoint().unwrap();
        let names = kept.disk.after_crash(Survives::Nothing).list().unwrap();
        assert_eq!(names.len(), 2, "{names:?}");
        assert_eq!(again(&kept), kept.entries);
    }
}

mod on_a_real_folder {
    use super::*;

    #[test]
    fn records_and_checkpoints_come_back() {
        let dir = tempfile::tempdir().unwrap();
        let mut kept = open(FileDisk::open(dir.path()).unwrap()).unwrap();
        for round in 0..6 {
            kept.append(1 + round).unwrap();
            kept.sync().unwrap();
            if round == 3 {
                kept.checkpoint().unwrap();
            }
        }
        let entries = kept.entries.clone();
        drop(kept);
        let again = open(FileDisk::open(dir.path()).unwrap()).unwrap();
        assert_eq!(again.entries, entries);
    }

    #[test]
    fn a_record_may_be_as_long_as_the_bound_and_no_longer() {
        let dir = tempfile::tempdir().unwrap();
        let disk = FileDisk::open(dir.path()).unwrap();
        let mut log = Log::open(disk, LogConfig::default(), |_| Ok(())).unwrap();
        let mut payload = vec![7; RECORD_BYTES_MAX as usize + 1];
        let long = Record { place: common::place(1), payload: &payload };
        assert_eq!(log.append(&[long]), Err(AppendError::TooLarge));
        payload.pop();
        log.append(&[Record { place: common::place(1), payload: &payload }]).unwrap();
        log.append(&[Record { place: common::place(2), payload: b"x" }]).unwrap();
        log.sync().unwrap();
        drop(log);
        let mut lengths = Vec::new();
        let disk = FileDisk::open(dir.path()).unwrap();
        Log::open(disk, LogConfig::default(), |recovered| {
            if let notrace_store_log::Recovered::Record { payload, .. } = recovered {
                lengths.push(payload.len());
            }
            Ok(())
        })
        .unwrap();
        assert_eq!(lengths, [RECORD_BYTES_MAX as usize, 1]);
    }
}
