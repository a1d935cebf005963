//! A group of one: order, views, durabilities, bounds.
#![cfg(test)]

mod common;
#[path = "common/folders.rs"]
mod folders;
#[path = "common/solo.rs"]
mod solo;

use std::future::Future;
use std::pin::pin;
use std::sync::mpsc;
use std::task::{Context, Poll, Waker};

use common::{Lines, Told, node, wait};
use folders::Folders;
use notrace_store_log::disk::{Disk, FaultyDisk, Survives};
use notrace_store_protocol::ids::Version;
use notrace_store_protocol::machine::Durability::{self, AllDurable, Delivered, MajorityDurable};
use notrace_store_protocol::time::Hlc;
use notrace_store_replica::{
    Failure, FileStorage, ManualClock, Member, OpenError, ReplicaConfig, Replicated, SendError,
    Storage, SystemClock,
};
use solo::open_with;

fn config() -> ReplicaConfig {
    ReplicaConfig { segment_bytes: 400, ..ReplicaConfig::new(node(1)) }
}

/// The shard and its member, which ends with its last handle.
struct Group {
    lines: Replicated<Lines>,
    member: Member,
}

impl std::ops::Deref for Group {
    type Target = Replicated<Lines>;

    fn deref(&self) -> &Replicated<Lines> {
        &self.lines
    }
}

impl Group {
    async fn close(&self) {
        self.member.close().await;
    }
}

fn try_open<S: Storage>(storage: S, config: ReplicaConfig) -> Result<Group, OpenError> {
    let (lines, member) = open_with(storage, config, SystemClock)?;
    Ok(Group { lines, member })
}

/// The disk of the objects' log.
fn log(folders: &Folders) -> FaultyDisk {
    folders.folder("shard-0").unwrap()
}

fn open(folders: &Folders) -> Group {
    try_open(folders.clone(), config()).unwrap()
}

fn told(count: u64) -> Told {
    Told { sender: 0, count, length: 10 }
}

fn send(group: &Group, count: u64, durability: Durability) -> Result<String, SendError> {
    let sent = wait(group.ordered_send(told(count), durability));
    sent.map(|delivered| delivered.place.version.to_string())
}

fn counts(group: &Group) -> Vec<u64> {
    group.read(|lines| lines.0.iter().map(|line| line.count).collect())
}

mod the_order {
    use super::*;

    #[test]
    fn gives_versions_and_rising_times_even_when_the_clock_stands_or_falls_back() {
        let clock = ManualClock::default();
        clock.set_micros(500);
        let (group, _member) = open_with(Folders::default(), config(), clock.clone()).unwrap();
        let sent = wait(group.ordered_send(told(1), AllDurable)).unwrap();
        assert_eq!((sent.place.version.to_string(), sent.reply), ("1:1".into(), 1));
        assert_eq!(sent.place.time.unix_micros(), 500);
        clock.set_micros(100);
        let next = wait(group.ordered_send(told(2), Delivered)).unwrap();
        assert!(next.place.time > sent.place.time);
        clock.set_micros(900);
        let last = wait(group.ordered_send(told(3), MajorityDurable)).unwrap();
        assert_eq!(last.place.time, Hlc::from_unix_micros(900));
        assert_eq!(group.frontier(), last.place.version);
    }

    #[test]
    fn is_one_for_senders_of_every_durability() {
        let group = open(&Folders::default());
        std::thread::scope(|scope| {
            for (sender, durability) in (0..).zip([Delivered, MajorityDurable, AllDurable]) {
                let group = group.clone();
                scope.spawn(move || {
                    for count in 0..100 {
                        let told = Told { sender, count, length: count };
                        let sent = wait(group.ordered_send(told, durability)).unwrap();
                        // What was answered can be read, and stands where it was said to.
                        let line = group.read(|lines| lines.0[sent.reply - 1]);
                        assert_eq!((line.place, line.sender), (sent.place, sender));
                    }
                });
            }
        });
        let lines = group.read(Clone::clone);
        assert_eq!(lines.0.len(), 300);
        for sender in 0..3 {
            let own = lines.0.iter().filter(|line| line.sender == sender);
            assert!(own.map(|line| line.count).eq(0..100));
        }
    }
}

mod opening_again {
    use super::*;

    #[test]
    fn installs_the_next_view_and_keeps_the_versions_of_the_last() {
        let disk = Folders::default();
        let group = open(&disk);
        assert_eq!(send(&group, 1, AllDurable).unwrap(), "1:1");
        wait(group.close());
        let group = open(&disk);
        assert_eq!(send(&group, 2, AllDurable).unwrap(), "2:1");
        wait(group.checkpoint()).unwrap();
        wait(group.close());
        // Nothing is ordered in the third view; the fourth must not be the third again.
        for _ in 0..2 {
            wait(open(&disk).close());
        }
        let disk = disk.after_crash(Survives::Nothing);
        let group = open(&disk);
        let last: Version = send(&group, 3, AllDurable).unwrap().parse().unwrap();
        assert!(last.view().number() > 2 && last.seq().number() == 1, "{last}");
        let versions: Vec<String> =
            group.read(|lines| lines.0.iter().map(|line| line.place.version.to_string()).collect());
        assert_eq!(versions, ["1:1".into(), "2:1".into(), last.to_string()]);
    }

    #[test]
    fn goes_on_from_what_was_written_down_first() {
        let disk = Folders::default();
        wait(open(&disk).close());
        let names = log(&disk).list().unwrap();
        assert!(names.contains(&"checkpoint-0000000000000000".to_owned()), "{names:?}");
        assert_eq!(counts(&open(&disk)), []);
    }

    #[test]
    fn in_the_same_folder_waits_for_the_end_of_the_first() {
        let dir = tempfile::tempdir().unwrap();
        let open = || try_open(FileStorage::below(dir.path().join("store")), config());
        let group = open().unwrap();
        send(&group, 1, AllDurable).unwrap();
        let in_use = OpenError::Log(notrace_store_log::OpenError::InUse);
        assert_eq!(open().err(), Some(in_use));
        wait(group.close());
        assert_eq!(counts(&open().unwrap()), [1]);
    }

    #[test]
    fn without_the_state_that_the_records_come_after_is_refused() {
        let disk = Folders::default();
        wait(open(&disk).close());
        let group = open(&disk);
        send(&group, 1, AllDurable).unwrap();
        wait(group.close());
        log(&disk).remove("checkpoint-0000000000000000").unwrap();
        let opened = try_open(disk, config());
        assert_eq!(opened.err(), Some(OpenError::NoCheckpoint));
    }
}

mod a_checkpoint {
    use super::*;

    #[test]
    fn trims_the_log_and_loses_nothing() {
        let disk = Folders::default();
        let group = open(&disk);
        for count in 0..50 {
            send(&group, count, AllDurable).unwrap();
        }
        let segments =
            || log(&disk).list().unwrap().iter().filter(|n| n.starts_with("seg")).count();
        assert!(segments() > 5);
        wait(group.checkpoint()).unwrap();
        assert_eq!(segments(), 1);
        send(&group, 50, AllDurable).unwrap();
        wait(group.close());
        assert!(counts(&open(&disk)).into_iter().eq(0..51));
    }

    #[test]
    fn comes_by_itself_when_the_log_has_grown() {
        let disk = Folders::default();
        let config = ReplicaConfig { checkpoint_bytes_min: 2000, ..config() };
        let group = try_open(disk.clone(), config).unwrap();
        for count in 0..300 {
            send(&group, count, Delivered).unwrap();
        }
        wait(group.close());
        let names = log(&disk).list().unwrap();
        assert!(!names.contains(&"checkpoint-0000000000000000".to_owned()), "{names:?}");
        assert!(counts(&open(&disk)).into_iter().eq(0..300));
    }
}

mod a_full_disk {
    use super::*;

    #[test]
    fn turns_away_what_does_not_fit_and_nothing_else() {
        let disk = Folders::default();
        // A disk with ample room is not asked at each update.
        log(&disk).hold_at_most(Some(1 << 20));
        let group = open(&disk);
        send(&group, 1, AllDurable).unwrap();
        log(&disk).hold_at_most(Some(log(&disk).used() + 100));
        let large = Told { sender: 0, count: 2, length: 200 };
        for durability in [Delivered, AllDurable] {
            let sent = wait(group.ordered_send(large, durability));
            assert_eq!(sent, Err(SendError::OutOfSpace));
            assert_eq!(counts(&group), [1]);
        }
        send(&group, 3, AllDurable).unwrap();
        log(&disk).hold_at_most(None);
        wait(group.ordered_send(large, AllDurable)).unwrap();
        assert_eq!(counts(&group), [1, 3, 2]);
        let again = open(&disk.after_crash(Survives::Nothing));
        assert_eq!(counts(&again), [1, 3, 2]);
    }

    #[test]
    fn turns_a_checkpoint_away_and_the_log_goes_on() {
        let disk = Folders::default();
        // A disk with ample room is not asked at each update.
        log(&disk).hold_at_most(Some(1 << 20));
        let group = open(&disk);
        (0..9).for_each(|count| drop(send(&group, count, AllDurable).unwrap()));
        log(&disk).hold_at_most(Some(log(&disk).used() + 150));
        assert!(wait(group.checkpoint()).is_err());
        send(&group, 9, AllDurable).unwrap();
        log(&disk).hold_at_most(None);
        wait(group.checkpoint()).unwrap();
        assert!(counts(&open(&disk.after_crash(Survives::Nothing))).into_iter().eq(0..10));
    }
}

mod a_disk_that_fails {
    use super::*;

    #[test]
    fn to_sync_stops_the_group_and_no_reader_saw_what_is_lost() {
        let disk = Folders::default();
        let group = open(&disk);
        send(&group, 1, AllDurable).unwrap();
        log(&disk).fail_syncs(true);
        assert_eq!(send(&group, 2, AllDurable), Err(SendError::Stopped));
        log(&disk).fail_syncs(false);
        // It can be seen, but nobody is told that what he saw is safe.
        assert_eq!(counts(&group), [1, 2]);
        assert!(!wait(group.is_safe(group.frontier(), group.generation(), MajorityDurable)));
        assert_eq!(send(&group, 3, Delivered), Err(SendError::Stopped));
        assert!(!wait(group.advanced_past(group.frontier())));
        assert!(wait(group.checkpoint()).is_err());
        wait(group.close());
        let failure = group.member.status().failure;
        assert!(matches!(failure, Some(Failure::Disk { .. })), "it says why");
        assert_eq!(counts(&open(&disk.after_crash(Survives::Nothing))), [1]);
    }

    #[test]
    fn to_write_stops_the_group() {
        let disk = Folders::default();
        let group = open(&disk);
        log(&disk).fail_writes(true);
        assert_eq!(send(&group, 1, AllDurable), Err(SendError::Stopped));
    }
}

mod bounds {
    use super::*;

    fn poll<T>(future: impl Future<Output = T>) -> Poll<T> {
        pin!(future).poll(&mut Context::from_waker(Waker::noop()))
    }

    /// Runs `act` while a reader looks at the machine, so that nothing can be applied.
    fn while_held(group: &Group, act: impl FnOnce()) {
        let (entered, wait_entered) = mpsc::channel();
        let (leave, wait_leave) = mpsc::channel::<()>();
        std::thread::scope(|scope| {
            scope.spawn(move || {
                group.read(|_| {
                    entered.send(()).unwrap();
                    assert!(wait_leave.recv().is_err(), "it only ends");
                });
            });
            wait_entered.recv().unwrap();
            // Sent when dropped, also by a panic, so that a failure ends the test.
            let _leave = leave;
            act();
        });
    }

    #[test]
    fn of_the_queue_turn_senders_away_in_number_and_in_bytes() {
        for (length, queue_bytes_max) in [(1, 1 << 20), (100_000, 1 << 20)] {
            let config = ReplicaConfig { queue_max: 50, queue_bytes_max, ..config() };
            let disk = Folders::default();
            let group = try_open(disk, config).unwrap();
            // Until it serves, the thread only collects.
            send(&group, 0, Delivered).unwrap();
            let mut taken = 1;
            while_held(&group, || {
                let mut refused = 0;
                // The thread takes a batch at most, while it still comes in; then the queue fills
                // for good.
                for count in 0..900 {
                    let told = Told { sender: 0, count, length };
                    match poll(group.ordered_send(told, Delivered)) {
                        Poll::Pending => taken += 1,
                        Poll::Ready(sent) => {
                            assert_eq!(sent, Err(SendError::Busy));
                            refused += 1;
                        }
                    }
                }
                assert!(refused >= 300, "{refused}");
            });
            // What was taken is done, though nobody waits for its answer.
            wait(group.close());
            assert_eq!(group.read(|lines| lines.0.len()), taken);
        }
    }

    #[test]
    fn of_a_record_turn_a_command_away_before_it_is_ordered() {
        let group = open(&Folders::default());
        let told = Told { sender: 0, count: 1, length: 81 << 20 };
        assert_eq!(wait(group.ordered_send(told, Delivered)), Err(SendError::TooLarge));
        assert_eq!(send(&group, 2, Delivered).unwrap(), "1:1");
    }
}

mod watching {
    use super::*;

    #[test]
    fn wakes_when_the_order_advances_and_ends_with_the_group() {
        let group = open(&Folders::default());
        let start = group.frontier();
        std::thread::scope(|scope| {
            let watcher = scope.spawn(|| wait(group.advanced_past(start)));
            send(&group, 1, AllDurable).unwrap();
            assert!(watcher.join().unwrap());
            assert!(wait(group.advanced_past(start)));
            let watcher = scope.spawn(|| wait(group.advanced_past(group.frontier())));
            wait(group.close());
            assert!(!watcher.join().unwrap());
        });
    }
}

mod the_end {
    use super::*;

    #[test]
    fn does_what_waits_and_then_refuses() {
        let group = open(&Folders::default());
        let pending: Vec<_> =
            (0..20).map(|count| group.ordered_send(told(count), Delivered)).collect();
        for (count, future) in (0..).zip(pending) {
            assert_eq!(wait(future).unwrap().reply, count + 1);
        }
        wait(group.close());
        wait(group.close());
        assert_eq!(send(&group, 21, Delivered), Err(SendError::Stopped));
        assert_eq!(counts(&group).len(), 20);
    }

    #[test]
    fn comes_with_the_last_handle_to_the_member() {
        let Group { lines, member } = open(&Folders::default());
        let start = wait(lines.ordered_send(told(1), Delivered)).unwrap().place.version;
        let other = member.clone();
        drop(member);
        wait(lines.ordered_send(told(2), Delivered)).unwrap();
        let start = start.max(lines.frontier());
        drop(other);
        assert!(!wait(lines.advanced_past(start)));
        assert_eq!(lines.read(|lines| lines.0.len()), 2);
    }
}
