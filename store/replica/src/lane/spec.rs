use notrace_store_log::LogConfig;
use notrace_store_log::disk::FaultyDisk;
use notrace_store_protocol::ids::{SeqNum, ViewId};
use notrace_store_protocol::time::Hlc;

use super::*;

fn place(seq: u64) -> Place {
    let version = Version::new(ViewId::FIRST, SeqNum::new(seq).unwrap());
    Place { version, time: Hlc::from_wire(seq) }
}

fn append(seq: u64) -> Job {
    Job::Append(place(seq), Bytes::from_static(b"something"))
}

fn open(disk: &FaultyDisk) -> (Past, Log<FaultyDisk>) {
    let mut past = Past::default();
    let log = Log::open(disk.clone(), LogConfig::default(), |found| past.take(found)).unwrap();
    (past, log)
}

/// What a log holds once its thread has done these jobs.
fn after(disk: &FaultyDisk, log: Log<FaultyDisk>, jobs: Vec<Job>) -> Past {
    let reports = Arc::new(Reports::new(std::task::Waker::noop().clone()));
    let (lane, thread) = Lane::start(ShardId(0), disk.clone(), log, reports).unwrap();
    jobs.into_iter().chain([Job::Close]).for_each(|job| lane.push(job));
    thread.join().unwrap();
    open(disk).0
}

fn versions(past: &Past) -> Vec<Version> {
    past.updates.iter().map(|(place, _)| place.version).collect()
}

mod an_abandoned_lane {
    use super::*;

    #[test]
    fn takes_nothing_more() {
        let (queue, filled) = (Mutex::default(), Condvar::new());
        let lane = Lane { queue, filled, measure: Box::new(|| 0) };
        lane.push(append(1));
        lane.abandon();
        // The second could not be delivered; the third would stand where it should.
        lane.push(append(3));
        assert!(lane.take().iter().all(|job| matches!(job, Job::Close)));
        assert_eq!(lane.waiting(), 0);
    }

    #[test]
    fn that_waited_for_room_leaves_no_gap_when_there_is_some_again() {
        let disk = FaultyDisk::default();
        let (_, log) = open(&disk);
        disk.hold_at_most(Some(disk.used()));
        let reports = Arc::new(Reports::new(std::task::Waker::noop().clone()));
        let (queue, filled) = (Mutex::default(), Condvar::new());
        let lane = Arc::new(Lane { queue, filled, measure: Box::new(|| 0) });
        let start = Start { since: ViewId::FIRST, through: Version::ZERO };
        lane.push(Job::Begin(start));
        lane.push(append(1));
        let mut jobs = lane.take();
        lane.abandon();
        let (shard, writing) = (ShardId(0), None);
        let mut worker = Worker { shard, disk: disk.clone(), log, lane, reports, writing };
        let full = worker.act(jobs.pop_front().unwrap());
        assert!(matches!(full, Err(Halt::Abandoned)), "what comes next must not be done");
    }
}

#[test]
fn a_lane_does_what_it_is_asked_in_order() {
    let disk = FaultyDisk::default();
    let (_, log) = open(&disk);
    let past = after(&disk, log, vec![append(1), append(2)]);
    assert_eq!(versions(&past), [place(1).version, place(2).version]);
}
