use super::*;

const KEY: Key = Key { pool: 0, number: 0 };

fn value(number: u64) -> Value {
    Value { number, size_bytes: 8 }
}

/// A call of a client, from one moment to another, with its answer; without one if it never came.
fn call(client: usize, (begun, at): (u64, u64), op: Op, ret: Ret) -> Call {
    let answered = (at != u64::MAX).then_some(Answered { at, ret, version: None });
    Call { client, key: KEY, op, begun, answered }
}

fn judged(calls: &[Call]) -> usize {
    check(calls, &Contents::default()).len()
}

fn read(number: u64) -> Ret {
    Ret::Value(Some(value(number)))
}

mod a_history {
    use super::*;

    #[test]
    fn of_one_call_after_another_is_held_to_its_order() {
        let good = [
            call(0, (0, 10), Op::Put(value(1)), Ret::Done),
            call(1, (20, 30), Op::Get, read(1)),
            call(0, (40, 50), Op::PutIf(value(1), value(2)), Ret::Done),
            call(1, (60, 70), Op::Delete, Ret::Done),
            call(1, (80, 90), Op::Get, Ret::Value(None)),
        ];
        assert_eq!(judged(&good), 0);
        for planted in [
            call(2, (55, 58), Op::Get, read(1)),
            call(2, (55, 58), Op::Get, Ret::Value(None)),
            call(2, (75, 78), Op::Delete, Ret::Done),
            call(2, (92, 95), Op::PutIf(value(2), value(3)), Ret::Done),
        ] {
            let mut bad = good.to_vec();
            bad.push(planted);
            assert_eq!(judged(&bad), 1, "{planted}");
        }
    }

    #[test]
    fn in_which_a_read_goes_back_in_time_is_refused() {
        let puts = [
            call(0, (0, 10), Op::Put(value(1)), Ret::Done),
            call(0, (20, 100), Op::Put(value(2)), Ret::Done),
            call(1, (30, 40), Op::Get, read(2)),
        ];
        let stale = call(2, (50, 60), Op::Get, read(1));
        let overlapping = call(2, (35, 60), Op::Get, read(1));
        assert_eq!(judged(&[&puts[..], &[stale]].concat()), 1);
        assert_eq!(judged(&[&puts[..], &[overlapping]].concat()), 0);
    }

    #[test]
    fn with_two_puts_that_both_met_the_same_condition_is_refused() {
        let twice = [
            call(0, (0, 10), Op::Put(value(1)), Ret::Done),
            call(1, (20, 40), Op::PutIf(value(1), value(2)), Ret::Done),
            call(2, (20, 40), Op::PutIf(value(1), value(3)), Ret::Done),
        ];
        assert_eq!(judged(&twice), 1);
        let mut once = twice;
        once[2].answered = Some(Answered { at: 40, ret: Ret::Mismatch, version: None });
        assert_eq!(judged(&once), 0);
    }

    #[test]
    fn is_the_same_object_before_and_after_a_cut() {
        // Two puts at once: either may be last, but all who read later see the same one.
        let puts = [
            call(0, (0, 10), Op::Put(value(1)), Ret::Done),
            call(1, (0, 10), Op::Put(value(2)), Ret::Done),
        ];
        let reads = |first, second| {
            let first = call(0, (20, 30), Op::Get, read(first));
            [&puts[..], &[first, call(1, (40, 50), Op::Get, read(second))]].concat()
        };
        assert_eq!(cut(&reads(1, 1)).len(), 3);
        assert_eq!(judged(&reads(1, 1)) + judged(&reads(2, 2)), 0);
        assert_eq!(judged(&reads(1, 2)), 1);
    }

    #[test]
    fn of_many_overlapping_calls_is_decided() {
        let mut calls = Vec::new();
        for number in 1..400 {
            let begun = number * 10;
            let client = number as usize % 4;
            calls.push(call(client, (begun, begun + 35), Op::Put(value(number)), Ret::Done));
        }
        calls.push(call(9, (5000, 5010), Op::Get, read(399)));
        assert_eq!(judged(&calls), 0);
        calls.push(call(9, (5020, 5030), Op::Get, read(5)));
        assert_eq!(judged(&calls), 1);
    }
}

mod a_call_without_an_answer {
    use super::*;

    const NEVER: u64 = u64::MAX;

    #[test]
    fn may_have_happened_late_or_never() {
        let lost = call(0, (0, NEVER), Op::Put(value(1)), Ret::Done);
        let reads = |rets: &[Ret]| {
            let reads = rets.iter().enumerate().map(|(at, ret)| {
                let begun = 10 + at as u64 * 10;
                call(1, (begun, begun + 5), Op::Get, *ret)
            });
            [lost].into_iter().chain(reads).collect::<Vec<_>>()
        };
        let none = Ret::Value(None);
        assert_eq!(judged(&reads(&[none, none])), 0);
        assert_eq!(judged(&reads(&[none, read(1)])), 0);
        assert_eq!(judged(&reads(&[read(1), none])), 1);
    }

    #[test]
    fn happens_once() {
        let calls = [
            call(0, (0, NEVER), Op::Put(value(1)), Ret::Done),
            call(1, (10, 15), Op::Get, read(1)),
            call(2, (20, 25), Op::Put(value(2)), Ret::Done),
            call(1, (30, 35), Op::Get, read(1)),
        ];
        assert_eq!(judged(&calls), 1);
    }

    #[test]
    fn that_would_need_more_possibilities_than_are_tried_is_a_violation() {
        let mut calls: Vec<Call> = (0..10)
            .map(|client| call(client, (0, NEVER), Op::Put(value(client as u64)), Ret::Done))
            .collect();
        calls.push(call(20, (10, 15), Op::Get, read(77)));
        let found = check(&calls, &Contents::default());
        assert!(found[0].text.contains("not decided"), "{found:?}");
    }

    #[test]
    fn is_believed_to_have_happened_before_the_first_answer_that_shows_it() {
        let version = |seq| notrace_sdk_wire::Version { view: 1, seq };
        let mut later = call(1, (10, 15), Op::Put(value(2)), Ret::Done);
        later.answered = Some(Answered { at: 15, ret: Ret::Done, version: Some(version(5)) });
        let lost = call(0, (0, NEVER), Op::Put(value(1)), Ret::Done);
        let put = BTreeMap::from([(value(1), version(4))]);
        let believed = believe(&[lost, later], &put);
        assert_eq!(believed[0].answered.unwrap().at, 15);
        assert_eq!(believe(&[lost], &put)[0].answered.unwrap().at, u64::MAX);
        assert!(believe(&[lost], &BTreeMap::new()).is_empty());
    }
}
