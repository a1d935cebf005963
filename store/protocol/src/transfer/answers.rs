//! Questions and answers made by hand, one at a time.

use super::rig::*;
use super::spec::*;
use super::*;
use crate::ids::Life;
use crate::time::Hlc;

fn at(micros: u64) -> Now {
    Now { micros, wall: Hlc::ZERO }
}

fn donors() -> Vec<NodeId> {
    [1, 2, 3].map(|number| NodeId::new(number).unwrap()).to_vec()
}

fn first_donor() -> Peer {
    Peer { node: donors()[0], life: Life(1) }
}

/// What the learner asks now, if anything, and whom.
fn question(learner: &mut Learner, journal: &Journal, micros: u64) -> Option<(u32, Fetch)> {
    let mut out = Vec::new();
    learner.advance(at(micros), &donors(), journal, &Limits::USUAL, &mut out);
    assert!(out.len() <= 1);
    out.pop().map(|effect| match effect {
        Effect::Write { to, write: Write::Message(Message::Fetch(fetch)) } => (to.number(), fetch),
        other => panic!("not a question: {other:?}"),
    })
}

/// Whether a piece from the first donor is to be stored.
fn takes(learner: &mut Learner, journal: &Journal, part: Part) -> bool {
    takes_from(learner, journal, first_donor(), SHARD, line_of(&truth()), part)
}

fn takes_from(
    learner: &mut Learner,
    journal: &Journal,
    from: Peer,
    shard: ShardId,
    line: Arc<Vec<Start>>,
    part: Part,
) -> bool {
    let mut out = Vec::new();
    learner.arrived(from, &Piece { shard, line, part }, journal, &mut out);
    assert!(out.len() <= 1);
    out.pop().is_some()
}

fn tail(after: Version, through: Version, delivered: Version) -> Part {
    Part::Tail { after, through: place(through), delivered }
}

fn chunk(at: Version, chunk: u32) -> Part {
    Part::Chunk { at: place(at), chunk, last: false }
}

fn resume(at: Version, chunk: u32) -> Option<Resume> {
    Some(Resume { at, chunk })
}

/// The last update of the agreed history.
fn end() -> Version {
    version(7, 12)
}

mod a_learner {
    use super::*;

    #[test]
    fn stores_nothing_that_it_did_not_ask_for_or_that_cannot_be() {
        let log = Log::of(&[(1, EPOCH_1), (3, &[1, 2])]);
        let have = version(3, 2);
        let beyond = version(8, 1);
        let bad = [
            tail(version(3, 1), version(3, 4), end()),
            tail(have, version(3, 1), end()),
            tail(have, version(3, 10), end()),
            tail(have, version(4, 1), end()),
            tail(have, beyond, beyond),
            tail(have, version(3, 5), version(3, 4)),
            Part::Back { to: version(3, 1) },
            Part::Back { to: have },
            Part::Back { to: Version::ZERO },
            chunk(version(3, 1), 0),
            chunk(version(3, 5), 1),
            chunk(version(3, 10), 0),
        ];
        let mut learner = Learner::new(SHARD);
        assert!(question(&mut learner, &log.journal, 0).is_some());
        for part in bad {
            assert!(!takes(&mut learner, &log.journal, part), "{part:?}");
        }
        let good = tail(have, version(3, 4), end());
        let stranger = Peer { node: donors()[1], life: Life(1) };
        let line = line_of(&truth());
        let torn: Arc<Vec<Start>> = Arc::new(line.iter().rev().copied().collect());
        let mut try_with =
            |from, shard, line| takes_from(&mut learner, &log.journal, from, shard, line, good);
        assert!(!try_with(stranger, SHARD, line.clone()));
        assert!(!try_with(first_donor(), ShardId(1), line.clone()));
        assert!(!try_with(first_donor(), SHARD, torn));
        assert!(try_with(first_donor(), SHARD, line.clone()));
        assert!(!try_with(first_donor(), SHARD, line), "it is being stored");
    }

    #[test]
    fn gives_up_nothing_that_is_agreed_for_a_snapshot() {
        let log = Log::of(&[(1, EPOCH_1), (3, &[1, 2, 4, 5, 7, 8, 9, 10, 12])]);
        let mut learner = Learner::new(SHARD);
        assert!(question(&mut learner, &log.journal, 0).is_some());
        assert!(!takes(&mut learner, &log.journal, chunk(version(3, 8), 0)));
        assert!(takes(&mut learner, &log.journal, chunk(version(3, 9), 0)));
    }

    #[test]
    fn is_not_caught_up_by_a_piece_that_the_donor_has_gone_beyond() {
        let (mut learner, mut log) = (Learner::new(SHARD), Log::empty());
        assert!(question(&mut learner, &log.journal, 0).is_some());
        assert!(takes(&mut learner, &log.journal, tail(Version::ZERO, version(1, 1), end())));
        learner.stored(place(version(1, 1)), None, &mut log.journal);
        assert!(!learner.caught_up());
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
        let first = |shard| {
            let mut learner = Learner::new(ShardId(shard));
            question(&mut learner, &Journal::empty(), 0).unwrap().0
        };
        assert_eq!([0, 1, 2, 3].map(first), [1, 2, 3, 1]);
    }

    #[test]
    fn asks_nothing_while_it_stores() {
        let (mut learner, mut log) = (Learner::new(SHARD), Log::empty());
        let first = question(&mut learner, &log.journal, 0).unwrap();
        assert!(takes(&mut learner, &log.journal, tail(Version::ZERO, version(1, 2), end())));
        assert!(learner.is_storing());
        let later = 10 * Limits::USUAL.ask_again;
        assert_eq!(question(&mut learner, &log.journal, later), None);
        learner.stored(place(version(1, 2)), None, &mut log.journal);
        let next = question(&mut learner, &log.journal, later).unwrap();
        assert_eq!((next.0, next.1.have), (first.0, version(1, 2)));
    }

    #[test]
    fn rests_only_when_there_was_nothing_or_the_disk_refused() {
        let (mut learner, mut log) = (Learner::new(SHARD), Log::empty());
        assert!(question(&mut learner, &log.journal, 0).is_some());
        assert!(takes(&mut learner, &log.journal, tail(Version::ZERO, version(1, 2), end())));
        learner.stored(place(version(1, 2)), None, &mut log.journal);
        assert!(question(&mut learner, &log.journal, 0).is_some(), "it goes on at once");
        assert!(takes(&mut learner, &log.journal, tail(version(1, 2), version(1, 3), end())));
        learner.stored(place(version(1, 2)), None, &mut log.journal);
        assert_eq!(question(&mut learner, &log.journal, 0), None, "the disk refused");
        let later = Limits::USUAL.ask_again;
        assert!(question(&mut learner, &log.journal, later).is_some());
        assert!(!takes(&mut learner, &log.journal, tail(version(1, 2), version(1, 2), end())));
        assert_eq!(question(&mut learner, &log.journal, later), None, "there was nothing");
        assert!(!learner.caught_up(), "the donor has more, and did not send it");
    }

    #[test]
    fn turns_to_another_donor_when_nothing_came_of_what_one_gave() {
        let (at, later) = (version(3, 5), Limits::USUAL.ask_again);
        let last = Part::Chunk { at: place(at), chunk: 1, last: true };
        let pieces = [
            vec![tail(Version::ZERO, version(1, 2), end())],
            vec![chunk(at, 0)],
            vec![chunk(at, 0), last],
        ];
        for given in pieces {
            let (mut learner, mut log) = (Learner::new(SHARD), Log::empty());
            let (first, _) = question(&mut learner, &log.journal, 0).unwrap();
            let (wrong, right) = given.split_last().unwrap();
            for piece in right {
                assert!(takes(&mut learner, &log.journal, *piece));
                learner.stored(Place::ZERO, resume(at, 1), &mut log.journal);
                assert_eq!(question(&mut learner, &log.journal, 0).unwrap().0, first);
            }
            assert!(takes(&mut learner, &log.journal, *wrong));
            learner.stored(Place::ZERO, None, &mut log.journal);
            assert_eq!(question(&mut learner, &log.journal, 0), None, "not at once");
            let (next, fetch) = question(&mut learner, &log.journal, later).unwrap();
            assert_ne!(next, first);
            assert_eq!(fetch.resume, None, "it begins anew");
        }
    }

    #[test]
    fn keeps_its_place_in_a_snapshot_and_nowhere_else() {
        let (mut learner, mut log) = (Learner::new(SHARD), Log::empty());
        let (one, other) = (version(3, 5), version(7, 9));
        assert!(question(&mut learner, &log.journal, 0).is_some());
        assert!(takes(&mut learner, &log.journal, chunk(one, 0)));
        learner.stored(Place::ZERO, resume(one, 1), &mut log.journal);
        let (_, fetch) = question(&mut learner, &log.journal, 0).unwrap();
        assert_eq!(fetch.resume, resume(one, 1));
        assert!(!takes(&mut learner, &log.journal, chunk(one, 0)), "it is there already");
        assert!(!takes(&mut learner, &log.journal, chunk(one, 2)));
        assert!(!takes(&mut learner, &log.journal, chunk(other, 1)));
        // The question is repeated, but the donor begins anew.
        assert!(question(&mut learner, &log.journal, Limits::USUAL.ask_again).is_some());
        assert!(takes(&mut learner, &log.journal, chunk(other, 0)));
        learner.stored(Place::ZERO, resume(other, 1), &mut log.journal);
        assert!(question(&mut learner, &log.journal, Limits::USUAL.ask_again).is_some());
        assert!(takes(&mut learner, &log.journal, chunk(other, 1)));
        assert!(!learner.marks().has(Mark::Resumed));
        learner.stored(Place::ZERO, resume(other, 2), &mut log.journal);
        assert!(question(&mut learner, &log.journal, Limits::USUAL.ask_again).is_some());
        assert!(takes(&mut learner, &log.journal, tail(Version::ZERO, version(1, 2), end())));
        learner.stored(place(version(1, 2)), resume(other, 2), &mut log.journal);
        let (_, fetch) = question(&mut learner, &log.journal, Limits::USUAL.ask_again).unwrap();
        assert_eq!(fetch.resume, None, "a tail ends a snapshot under way");
    }

    #[test]
    fn whose_log_was_cut_meanwhile_takes_no_answer_to_the_question_before() {
        let mut log = Log::of(&[(1, EPOCH_1), (3, &[1, 2])]);
        let mut learner = Learner::new(SHARD);
        assert!(question(&mut learner, &log.journal, 0).is_some());
        log.journal.truncated(place(version(1, 6)));
        let answer = tail(version(3, 2), version(3, 4), end());
        assert!(!takes(&mut learner, &log.journal, answer));
    }
}
