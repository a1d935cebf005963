//! The story of a learner, told by a pair of logs.

use super::rig::*;
use super::*;
use crate::ids::Life;

const EPOCH_1: &[u64] = &[1, 2, 3, 4, 5, 6];
const EPOCH_3: &[u64] = &[1, 2, 4, 5, 7, 8, 9];
const EPOCH_7: &[u64] = &[2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12];

/// The agreed history: nothing was delivered in epoch 4.
fn truth() -> Log {
    Log::of(&[(1, EPOCH_1), (3, EPOCH_3), (4, &[]), (7, EPOCH_7)])
}

/// Logs to begin with, and how often each is cut back.
fn beginnings() -> Vec<(&'static str, Log)> {
    vec![
        ("empty", Log::empty()),
        ("began and empty", Log::of(&[(1, &[])])),
        ("a prefix", Log::of(&[(1, &[1, 2, 3])])),
        ("up to an epoch's end", Log::of(&[(1, EPOCH_1)])),
        ("up to a later epoch", Log::of(&[(1, EPOCH_1), (3, &[1, 2, 4, 5])])),
        ("in the last epoch", Log::of(&[(1, EPOCH_1), (3, EPOCH_3), (4, &[]), (7, &[2, 3])])),
        ("diverged in the first", Log::of(&[(1, &[1, 2, 3, 4, 5, 6, 7, 8])])),
        ("diverged, and short", Log::of(&[(1, EPOCH_1), (3, &[1, 2, 4, 5, 7, 8, 9, 10, 12])])),
        ("in an epoch left out", Log::of(&[(1, EPOCH_1), (3, EPOCH_3), (4, &[1, 2])])),
        ("all", truth()),
    ]
}

fn trims() -> [Option<Version>; 4] {
    [None, Some(version(1, 4)), Some(version(3, 5)), Some(version(7, 9))]
}

fn pair(log: &Log, trim: Option<Version>, donors: usize) -> Pair {
    let mut pair = Pair::new(log.clone(), vec![truth(); donors]);
    if let Some(through) = trim {
        pair.donors.iter_mut().for_each(|donor| donor.trim(through));
    }
    pair
}

#[test]
fn a_learner_gets_the_donors_log_from_wherever_it_begins() {
    for (name, log) in beginnings() {
        for trim in trims() {
            let mut pair = pair(&log, trim, 1);
            pair.run(Fault::None, 0);
            pair.assert_same(0);
            assert_eq!(pair.chunks_sent > 0, pair.marks.has(Mark::Snapshot), "{name} {trim:?}");
            assert!(!pair.marks.has(Mark::Resumed), "nothing was interrupted: {name} {trim:?}");
        }
    }
}

#[test]
fn whatever_befalls_a_message_the_logs_end_up_the_same() {
    let mut marks = Marks::default();
    for (name, log) in beginnings() {
        for trim in trims() {
            for donors in [1, 3] {
                let mut whole = pair(&log, trim, donors);
                whole.run(Fault::None, 0);
                for fault in FAULTS {
                    for at in 1..=whole.messages {
                        let mut pair = pair(&log, trim, donors);
                        pair.run(fault, at);
                        pair.assert_same(donors - 1);
                        let extra = pair.messages - whole.messages.min(pair.messages);
                        assert!(extra <= 24, "{name} {trim:?} {fault:?} {at}: {extra} more");
                        marks.join(pair.marks);
                    }
                }
            }
        }
    }
    assert!(marks.has(Mark::Resumed) && marks.has(Mark::Snapshot) && marks.has(Mark::CutBack));
}

mod a_snapshot {
    use super::*;

    fn from_empty(donors: usize) -> Pair {
        pair(&Log::empty(), Some(version(7, 9)), donors)
    }

    #[test]
    fn is_sent_only_where_the_log_does_not_reach_back() {
        let short = Log::of(&[(1, &[1, 2, 3])]);
        for (trim, chunks) in [(None, 0), (Some(version(1, 3)), 0), (Some(version(1, 4)), 1)] {
            let mut pair = pair(&short, trim, 1);
            pair.run(Fault::None, 0);
            assert_eq!(pair.chunks_sent, chunks, "{trim:?}");
        }
    }

    #[test]
    fn is_resumed_at_the_next_chunk_by_the_same_donor_or_another() {
        let mut whole = from_empty(3);
        whole.run(Fault::None, 0);
        assert_eq!(whole.chunks_sent, 6);
        for fault in [Fault::Gone, Fault::Lose, Fault::Silence] {
            for at in 1..=12 {
                let mut pair = from_empty(3);
                pair.run(fault, at);
                assert_eq!(pair.chunks_sent, 6, "{fault:?} {at}: a chunk was sent again");
                // The first chunk cannot be a resumption.
                assert_eq!(pair.marks.has(Mark::Resumed), at > 2, "{fault:?} {at}");
            }
        }
    }

    #[test]
    fn that_the_donor_dropped_begins_anew_with_the_latest() {
        let mut pair = from_empty(1);
        // The fourth question: three chunks are there.
        pair.run(Fault::Trim, 7);
        assert_eq!(pair.chunks_sent, 3 + 7, "25 updates are 7 chunks");
        pair.assert_same(0);
    }
}

mod a_donor {
    use super::*;

    #[test]
    fn that_lags_teaches_nothing_and_is_left() {
        for behind in [Log::of(&[(1, EPOCH_1)]), Log::empty()] {
            let log = Log::of(&[(1, EPOCH_1), (3, &[1, 2])]);
            let mut pair = Pair::new(log, vec![behind.clone(), truth()]);
            pair.run(Fault::None, 0);
            pair.assert_same(1);
            assert_eq!(pair.messages % 2, 0, "it did answer");
        }
    }

    #[test]
    fn that_lags_alone_is_not_taken_for_the_truth() {
        let ahead = Log::of(&[(1, EPOCH_1), (3, &[1, 2])]);
        let mut pair = Pair::new(ahead.clone(), vec![Log::of(&[(1, EPOCH_1)])]);
        for _ in 0..10 {
            pair.ask(Fault::None, 0);
        }
        assert!(!pair.learner.caught_up());
        assert_eq!(pair.log.updates, ahead.updates);
    }

    #[test]
    fn that_never_answers_is_asked_a_bounded_number_of_times() {
        let mut learner = Learner::new(SHARD);
        let donors: Vec<NodeId> = [1, 2].map(|it| NodeId::new(it).unwrap()).to_vec();
        let limits = Limits::USUAL;
        let mut asked = Vec::new();
        for micros in (0..20 * limits.ask_again).step_by(1_000) {
            let mut out = Vec::new();
            let now = Now { micros, wall: crate::time::Hlc::ZERO };
            learner.advance(now, &donors, &Journal::empty(), &limits, &mut out);
            asked.extend(out.into_iter().map(|effect| match effect {
                Effect::Write { to, .. } => to.number(),
                _ => panic!("not a question"),
            }));
        }
        let expected: Vec<u32> = (0..20).map(|at| at / SILENCES_MAX % 2 + 1).collect();
        assert_eq!(asked, expected);
    }

    #[test]
    fn that_has_only_begun_the_shard_has_it_caught_up_with_nothing() {
        let mut pair = Pair::new(Log::empty(), vec![Log::of(&[(1, &[])])]);
        pair.run(Fault::None, 0);
        assert!(pair.log.updates.is_empty() && pair.tails_sent == 1);
    }
}

mod a_learner {
    use super::*;

    fn asked(pair: &mut Pair) -> Peer {
        // The message is lost, so the question stays open.
        pair.ask(Fault::Lose, 1);
        Peer { node: pair.donors[0].node, life: Life(1) }
    }

    fn try_piece(pair: &mut Pair, from: Peer, line: Arc<Vec<Start>>, part: Part) -> usize {
        let mut out = Vec::new();
        let piece = Piece { shard: SHARD, line, part };
        pair.learner.arrived(from, &piece, &pair.log.journal, &mut out);
        out.len()
    }

    #[test]
    fn stores_nothing_that_it_did_not_ask_for_or_that_cannot_be() {
        let log = Log::of(&[(1, EPOCH_1), (3, &[1, 2])]);
        let have = version(3, 2);
        let line = line_of(&truth());
        let tail = |after, through, delivered| Part::Tail { after, through, delivered };
        let far = version(7, 12);
        let chunk = |at, chunk| Part::Chunk { at: place(at), chunk, last: false };
        let bad = [
            tail(version(3, 1), place(version(3, 4)), far),
            tail(have, place(version(3, 1)), far),
            tail(have, place(version(3, 10)), far),
            tail(have, place(version(4, 1)), far),
            tail(have, place(version(8, 1)), version(8, 1)),
            tail(have, place(version(3, 5)), version(3, 4)),
            Part::Back { to: version(3, 1) },
            Part::Back { to: have },
            Part::Back { to: Version::ZERO },
            chunk(version(3, 1), 0),
            chunk(version(3, 5), 1),
            chunk(version(3, 10), 0),
        ];
        let mut pair = pair(&log, None, 1);
        let from = asked(&mut pair);
        for part in bad {
            assert_eq!(try_piece(&mut pair, from, line.clone(), part), 0, "{part:?}");
        }
        let good = tail(have, place(version(3, 4)), far);
        let stranger = Peer { node: NodeId::new(9).unwrap(), life: Life(1) };
        assert_eq!(try_piece(&mut pair, stranger, line.clone(), good), 0);
        let torn = Arc::new(line.iter().rev().copied().collect());
        assert_eq!(try_piece(&mut pair, from, torn, good), 0);
        assert_eq!(try_piece(&mut pair, from, line.clone(), good), 1);
        assert_eq!(try_piece(&mut pair, from, line, good), 0, "it is being stored");
        assert!(pair.learner.is_storing());
    }

    #[test]
    fn is_not_caught_up_by_a_piece_that_the_donor_has_gone_beyond() {
        let mut pair = pair(&Log::empty(), None, 1);
        let from = asked(&mut pair);
        let through = place(version(1, 1));
        let part = Part::Tail { after: Version::ZERO, through, delivered: version(7, 12) };
        assert_eq!(try_piece(&mut pair, from, line_of(&truth()), part), 1);
        pair.learner.stored(through, None, &mut pair.log.journal);
        assert!(!pair.learner.caught_up());
    }

    #[test]
    fn whose_checkpoint_covers_what_has_to_go_begins_from_nothing() {
        let mut log = Log::of(&[(1, &[1, 2, 3, 4, 5, 6, 7, 8])]);
        log.journal.trimmed_to(version(1, 7));
        let mut pair = pair(&log, None, 1);
        pair.run(Fault::None, 0);
        pair.assert_same(0);
        assert!(pair.marks.has(Mark::CutBack));
    }

    #[test]
    fn goes_on_asking_a_donor_that_goes_on() {
        let mut pair = pair(&Log::empty(), None, 1);
        pair.run(Fault::None, 0);
        pair.donors[0].log.push(place(version(7, 20)));
        let before = pair.messages;
        for _ in 0..8 {
            pair.run_on();
        }
        pair.assert_same(0);
        assert!(pair.messages - before <= 10, "a question each while, no more");
    }

    #[test]
    fn turns_to_different_donors_for_different_shards() {
        let donors: Vec<NodeId> = [1, 2, 3].map(|it| NodeId::new(it).unwrap()).to_vec();
        let first = |shard: u16| {
            let mut out = Vec::new();
            let now = Now { micros: 0, wall: crate::time::Hlc::ZERO };
            let mut learner = Learner::new(ShardId(shard));
            learner.advance(now, &donors, &Journal::empty(), &Limits::USUAL, &mut out);
            match out.pop() {
                Some(Effect::Write { to, .. }) => to,
                _ => panic!("no question"),
            }
        };
        assert_eq!([0, 1, 2, 3].map(|shard| first(shard).number()), [1, 2, 3, 1]);
    }
}
