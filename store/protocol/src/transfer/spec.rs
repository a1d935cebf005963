//! The story of a learner, told by a pair of logs.

use super::rig::*;
use super::*;

pub(super) const EPOCH_1: &[u64] = &[1, 2, 3, 4, 5, 6];
pub(super) const EPOCH_3: &[u64] = &[1, 2, 4, 5, 7, 8, 9];
const EPOCH_7: &[u64] = &[2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12];

/// The agreed history: nothing was delivered in epoch 4.
pub(super) fn truth() -> Log {
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

pub(super) fn pair(log: &Log, trim: Option<Version>, donors: usize) -> Pair {
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

#[test]
fn however_much_goes_wrong_the_logs_end_up_the_same() {
    let mut marks = Marks::default();
    for seed in 0..4_000 {
        let mut draw = Draw(seed);
        let (truth, log) = draw.histories();
        let donors = 1 + draw.below(3);
        let mut pair = Pair::new(log, vec![truth.clone(); donors]);
        if draw.below(2) == 0 {
            let at = truth.updates[draw.below(truth.updates.len())].version;
            pair.donors.iter_mut().for_each(|donor| donor.trim(at));
        }
        for message in 1..60 {
            let fault = if draw.below(4) == 0 { FAULTS[draw.below(7)] } else { Fault::None };
            pair.plan.insert(message, fault);
        }
        pair.run_as_planned();
        pair.assert_same(0);
        marks.join(pair.marks);
    }
    assert!(marks.has(Mark::Resumed) && marks.has(Mark::Snapshot) && marks.has(Mark::CutBack));
}

/// Draws numbers. Source: SplitMix64 (Steele et al., 2014).
struct Draw(u64);

impl Draw {
    fn below(&mut self, end: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let one = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let two = (one ^ (one >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (two ^ (two >> 31)) as usize % end
    }

    /// An agreed history, and a log that followed it up to somewhere and then perhaps left it.
    fn histories(&mut self) -> (Log, Log) {
        let (mut since, mut epochs) = (0, Vec::new());
        for _ in 0..=self.below(5) {
            since += 1 + self.below(3) as u32;
            let numbers: Vec<u64> = (1..=9).filter(|_| self.below(3) > 0).collect();
            epochs.push((since, numbers));
        }
        // The last epoch is not empty, so that there is something.
        epochs.push((since + 1, vec![1, 2, 3]));
        let last = self.below(epochs.len());
        let mut followed = epochs[..=last].to_vec();
        let numbers = &mut followed[last].1;
        numbers.truncate(self.below(numbers.len() + 1));
        if self.below(2) == 0 && last + 1 < epochs.len() {
            // All that was delivered of that epoch, and more, which its successor left out.
            *numbers = epochs[last].1.clone();
            numbers.extend((10..14).take(1 + self.below(4)));
        }
        (log_of(&epochs), log_of(&followed))
    }
}

fn log_of(epochs: &[(u32, Vec<u64>)]) -> Log {
    let epochs: Vec<(u32, &[u64])> =
        epochs.iter().map(|(since, numbers)| (*since, numbers.as_slice())).collect();
    Log::of(&epochs)
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
            // It is asked once, and needs no repetition to be understood.
            assert_eq!(pair.messages, 2 + 2 * 4, "one question to it, four to the other");
        }
    }

    #[test]
    fn that_missed_the_end_of_an_epoch_is_not_followed_beyond_it() {
        // It has not heard yet that the first epoch ended at its sixth update.
        let behind = Log::of(&[(1, &[1, 2, 3, 4, 5, 6, 7, 8])]);
        let mut pair = Pair::new(Log::of(&[(1, EPOCH_1), (3, &[])]), vec![behind, truth()]);
        pair.run(Fault::None, 0);
        pair.assert_same(1);
        assert!(!pair.marks.has(Mark::CutBack));
    }

    #[test]
    fn without_the_shard_is_left_at_once() {
        let mut pair = Pair::new(Log::empty(), vec![Log::empty(), truth()]);
        pair.run(Fault::None, 0);
        assert_eq!(pair.messages, 2 + 2 * 6);
    }

    #[test]
    fn that_lags_alone_is_not_taken_for_the_truth() {
        let ahead = Log::of(&[(1, EPOCH_1), (3, &[1, 2])]);
        let mut pair = Pair::new(ahead.clone(), vec![Log::of(&[(1, EPOCH_1)])]);
        for _ in 0..10 {
            pair.ask();
        }
        assert!(!pair.learner.caught_up());
        assert_eq!(pair.log.updates, ahead.updates);
    }

    #[test]
    fn that_never_answers_is_asked_ever_more_seldom_and_then_another() {
        let mut learner = Learner::new(SHARD);
        let donors: Vec<NodeId> = [1, 2].map(|it| NodeId::new(it).unwrap()).to_vec();
        let limits = Limits::USUAL;
        let mut asked = Vec::new();
        for micros in (0..40 * limits.ask_again).step_by(1_000) {
            let mut out = Vec::new();
            let now = Now { micros, wall: crate::time::Hlc::ZERO };
            learner.advance(now, &donors, &Journal::empty(), &limits, &mut out);
            asked.extend(out.into_iter().map(|effect| match effect {
                Effect::Write { to, .. } => (micros / limits.ask_again, to.number()),
                _ => panic!("not a question"),
            }));
        }
        let waits = [0, 1, 3, 7, 15, 23, 31, 39];
        let donors = (0..).map(|at| at / SILENCES_MAX % 2 + 1);
        assert_eq!(asked, waits.into_iter().zip(donors).collect::<Vec<(u64, u32)>>());
    }

    #[test]
    fn that_has_only_begun_the_shard_has_it_caught_up_with_nothing() {
        let mut pair = Pair::new(Log::empty(), vec![Log::of(&[(1, &[])])]);
        pair.run(Fault::None, 0);
        assert!(pair.log.updates.is_empty() && pair.tails_sent == 1);
    }
}
