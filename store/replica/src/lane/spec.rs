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

/// What a machine is before its first update.
fn first() -> Vec<Chunk> {
    vec![Chunk::Owned(b"first".to_vec())]
}

fn open(disk: &FaultyDisk) -> (Past, Log<FaultyDisk>) {
    let mut past = Past::default();
    let log = Log::open(disk.clone(), LogConfig::default(), |found| past.take(found)).unwrap();
    (past, log)
}

/// A log with one update, which only its checkpoint holds.
fn trimmed(disk: &FaultyDisk, state: &[u8]) -> Log<FaultyDisk> {
    let mut log = open(disk).1;
    log.append(&[Record { place: place(1), payload: b"one" }]).unwrap();
    let mark = log.mark(place(1).version).unwrap();
    let line = vec![Start { since: ViewId::FIRST, through: Version::ZERO }];
    let bytes = write_checkpoint(disk, place(1), &[&line::encode(&line)[..], state]).unwrap();
    log.checkpointed(mark, bytes).unwrap().remove(disk).unwrap();
    log
}

/// What a log holds once its thread has done these jobs.
fn after(disk: &FaultyDisk, log: Log<FaultyDisk>, jobs: Vec<Job>) -> Past {
    let reports = Arc::new(Reports::new(std::task::Waker::noop().clone()));
    let (lane, thread) = Lane::start(ShardId(0), disk.clone(), log, first(), reports).unwrap();
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
        let (shard, work, lends) = (ShardId(0), None, Lends::new());
        let (disk, first) = (disk.clone(), first());
        let mut worker = Worker { shard, disk, log, first, lends, lane, reports, work };
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

#[test]
fn a_log_that_was_rewound_to_nothing_and_went_on_opens_again() {
    let disk = FaultyDisk::default();
    let log = trimmed(&disk, b"state");
    let life = Life(1);
    let sync = Job::Sync { life, through: place(2).version };
    let past = after(&disk, log, vec![Job::Rewind(Version::ZERO), append(2), sync]);
    assert_eq!(versions(&past), [place(2).version]);
    assert_eq!(past.state, Some((Place::ZERO, b"first".to_vec())));
}

mod a_lent_checkpoint {
    use notrace_store_protocol::message::Fetch;

    use super::*;
    use crate::lends::Lent;
    use crate::limits::CHUNK_BYTES;

    fn state() -> Vec<u8> {
        (0..2 * CHUNK_BYTES + 5).map(|byte| (byte * 31 % 251) as u8).collect()
    }

    fn next(lends: &mut Lends<FaultyDisk>, log: &Log<FaultyDisk>, from: Option<Resume>) -> Lent {
        lends.chunk(log, from).unwrap().ok().unwrap()
    }

    #[test]
    fn is_the_state_in_chunks_also_after_the_log_has_gone_on() {
        let disk = FaultyDisk::default();
        let mut log = trimmed(&disk, &state());
        let (mut lends, mut resume, mut sent) = (Lends::new(), None, Vec::new());
        loop {
            let Lent { place: at, chunk, cut } = next(&mut lends, &log, resume);
            assert_eq!((at, chunk as usize), (place(1), sent.len()));
            sent.push(cut.body.concat());
            if cut.is_last {
                break;
            }
            resume = Some(Resume { at: at.version, chunk: chunk + 1 });
            if chunk == 0 {
                log.append(&[Record { place: place(2), payload: b"two" }]).unwrap();
                let mark = log.mark(place(2).version).unwrap();
                let later = [line::encode(&[]), b"later".to_vec()];
                let bytes = write_checkpoint(&disk, place(2), &later).unwrap();
                log.checkpointed(mark, bytes).unwrap().remove(&disk).unwrap();
            }
        }
        assert_eq!(sent.concat(), state());
        let newest = next(&mut lends, &log, None);
        assert_eq!((newest.place, newest.cut.is_last), (place(2), true));
        assert_eq!(newest.cut.body.concat(), b"later");
    }

    #[test]
    fn that_has_decayed_is_never_given_whole() {
        let disk = FaultyDisk::default();
        let log = trimmed(&disk, &state());
        let name = disk.list().unwrap().into_iter().find(|name| name.starts_with("checkpoint"));
        disk.flip(&name.unwrap(), 100);
        let mut lends = Lends::new();
        let at = place(1).version;
        assert!(!next(&mut lends, &log, Some(Resume { at, chunk: 1 })).cut.is_last);
        let last = lends.chunk(&log, Some(Resume { at, chunk: 2 })).unwrap();
        assert!(last.is_err(), "the damage was passed on");
    }

    #[test]
    fn beyond_its_end_is_its_end() {
        let disk = FaultyDisk::default();
        let log = trimmed(&disk, &state());
        let at = place(1).version;
        let end = next(&mut Lends::new(), &log, Some(Resume { at, chunk: u32::MAX }));
        assert!(end.cut.is_last && end.cut.body.concat().is_empty());
    }

    fn asked(resume: Option<Resume>) -> Job {
        let fetch = Fetch { shard: ShardId(0), have: Version::ZERO, resume };
        let (to, line) = (NodeId::new(2).unwrap(), Arc::default());
        Job::Chunk(Loan { to, fetch, line })
    }

    /// What a lane lends when it is asked to do all this.
    fn lent(disk: &FaultyDisk, log: Log<FaultyDisk>, jobs: Vec<Job>) -> Vec<(Place, Vec<u8>)> {
        let reports = Arc::new(Reports::new(std::task::Waker::noop().clone()));
        let started = Lane::start(ShardId(0), disk.clone(), log, first(), reports.clone());
        let (lane, thread) = started.unwrap();
        jobs.into_iter().chain([Job::Close]).for_each(|job| lane.push(job));
        thread.join().unwrap();
        let lent = reports.take().into_iter().filter_map(|report| match report {
            Report::Lent { lent, .. } => Some((lent.place, lent.cut.body.concat())),
            _ => None,
        });
        lent.collect()
    }

    #[test]
    fn is_reported_by_the_lane() {
        let disk = FaultyDisk::default();
        let log = trimmed(&disk, b"small");
        assert_eq!(lent(&disk, log, vec![asked(None)]), [(place(1), b"small".to_vec())]);
    }

    #[test]
    fn that_left_the_history_is_lent_to_nobody_who_began_with_it() {
        let disk = FaultyDisk::default();
        let log = trimmed(&disk, &state());
        let resume = Some(Resume { at: place(1).version, chunk: 1 });
        let jobs = vec![asked(None), Job::Rewind(Version::ZERO), asked(resume)];
        let lent = lent(&disk, log, jobs);
        assert_eq!(lent.last(), Some(&(Place::ZERO, b"first".to_vec())));
    }
}
