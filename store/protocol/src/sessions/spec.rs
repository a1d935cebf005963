//! What a client may rely on, and a comparison with a table that never forgets.

use super::*;
use crate::ids::{SeqNum, ViewId};
use crate::machine::Malformed;

const LEASE: u64 = 1_000;

/// The place of the `seq`th command, which is ordered at this microsecond.
fn at(seq: u64, micros: u64) -> Place {
    let version = Version::new(ViewId::FIRST, SeqNum::new(seq).unwrap());
    Place { version, time: Hlc::from_unix_micros(micros) }
}

fn table(sessions_max: u32) -> Sessions {
    Sessions::new(Terms { sessions_max, lease_micros: LEASE })
}

fn opened() -> (Sessions, SessionId) {
    let mut sessions = table(4);
    let id = sessions.open(9, at(1, 0)).unwrap();
    (sessions, id)
}

mod a_request {
    use super::*;

    #[test]
    fn is_applied_once_however_often_it_comes() {
        let (mut sessions, id) = opened();
        assert_eq!(sessions.place_of(id, 1), Asked::NotYet);
        assert_eq!(sessions.admit(id, 1, at(2, 0)), Admit::Fresh);
        for seq in 3..9 {
            assert_eq!(sessions.admit(id, 1, at(seq, 0)), Admit::Repeat(at(2, 0)));
        }
        assert_eq!(sessions.place_of(id, 1), Asked::Applied(at(2, 0)));
    }

    #[test]
    fn may_overtake_others_within_the_window() {
        let (mut sessions, id) = opened();
        let order: Vec<u64> = (1..=WINDOW).map(|step| step * 37 % (WINDOW + 1)).collect();
        let mut seq = 1;
        for number in &order[..40] {
            seq += 1;
            assert_eq!(sessions.admit(id, *number, at(seq, 0)), Admit::Fresh);
        }
        for number in &order[40..] {
            assert_eq!(sessions.place_of(id, *number), Asked::NotYet);
        }
        for (number, seq) in order[..40].iter().zip(2..) {
            assert_eq!(sessions.admit(id, *number, at(99, 0)), Admit::Repeat(at(seq, 0)));
        }
    }

    #[test]
    fn behind_the_window_is_refused_whether_it_was_applied_or_not() {
        let (mut sessions, id) = opened();
        assert_eq!(sessions.admit(id, 1, at(2, 0)), Admit::Fresh);
        assert_eq!(sessions.admit(id, 3 + WINDOW - 1, at(3, 0)), Admit::Fresh);
        for number in [1, 2] {
            assert_eq!(sessions.admit(id, number, at(4, 0)), Admit::Stale);
            assert_eq!(sessions.place_of(id, number), Asked::Forgotten);
        }
        assert_eq!(sessions.admit(id, 3, at(5, 0)), Admit::Fresh);
        assert_eq!(sessions.place_of(id, 3), Asked::Applied(at(5, 0)));
    }

    #[test]
    fn has_a_number_from_1_to_the_largest_there_is() {
        let (mut sessions, id) = opened();
        assert_eq!(sessions.admit(id, 0, at(2, 0)), Admit::Stale);
        assert_eq!(sessions.admit(id, u64::MAX, at(3, 0)), Admit::Fresh);
        assert_eq!(sessions.admit(id, u64::MAX - 63, at(4, 0)), Admit::Fresh);
        assert_eq!(sessions.admit(id, u64::MAX - 64, at(5, 0)), Admit::Stale);
        assert_eq!(sessions.admit(id, 0, at(6, 0)), Admit::Stale);
        assert_eq!(sessions.admit(id, u64::MAX, at(7, 0)), Admit::Repeat(at(3, 0)));
    }
}

mod a_session {
    use super::*;

    #[test]
    fn does_not_come_into_being_by_being_used() {
        let mut sessions = table(4);
        let guessed = SessionId::from_wire(7);
        assert_eq!(sessions.admit(guessed, 1, at(1, 0)), Admit::NoSession);
        assert_eq!(sessions.place_of(guessed, 1), Asked::Forgotten);
        assert!(sessions.is_empty());
    }

    #[test]
    fn lives_as_long_as_it_is_used() {
        let (mut sessions, id) = opened();
        assert_eq!(sessions.admit(id, 1, at(2, LEASE)), Admit::Fresh);
        let again = sessions.admit(id, 1, at(3, 2 * LEASE));
        assert_eq!(again, Admit::Repeat(at(2, LEASE)));
        assert_eq!(sessions.admit(id, 0, at(4, 3 * LEASE)), Admit::Stale);
        assert_eq!(sessions.admit(id, 2, at(5, 4 * LEASE)), Admit::Fresh);
        assert_eq!(sessions.admit(id, 3, at(6, 5 * LEASE + 1)), Admit::NoSession);
        assert!(sessions.is_empty());
    }

    /// The copy was under way while the session ended and its client came back.
    #[test]
    fn that_ended_and_comes_back_applies_no_old_request_twice() {
        let (mut sessions, old) = opened();
        assert_eq!(sessions.admit(old, 1, at(2, 0)), Admit::Fresh);
        let new = sessions.open(9, at(3, LEASE + 1)).unwrap();
        assert_ne!(old, new);
        assert_eq!(sessions.admit(old, 1, at(4, LEASE + 1)), Admit::NoSession);
        assert_eq!(sessions.place_of(old, 1), Asked::Forgotten);
        assert_eq!(sessions.admit(new, 1, at(5, LEASE + 1)), Admit::Fresh);
    }

    #[test]
    fn that_was_closed_is_not_there_any_more() {
        let (mut sessions, id) = opened();
        assert_eq!(sessions.admit(id, 1, at(2, 0)), Admit::Fresh);
        sessions.close(id, at(3, 0));
        sessions.close(id, at(4, 0));
        assert_eq!(sessions.admit(id, 1, at(5, 0)), Admit::NoSession);
        assert_eq!(sessions, table(4));
    }

    #[test]
    fn says_where_it_was_opened() {
        let (_, id) = opened();
        assert_eq!(id.opened(), at(1, 0).version);
        assert_eq!(SessionId::from_wire(id.to_wire()), id);
    }
}

mod a_full_table {
    use super::*;

    #[test]
    fn refuses_new_sessions_until_an_old_one_ends() {
        let mut sessions = table(2);
        let first = sessions.open(0, at(1, 0)).unwrap();
        let second = sessions.open(0, at(2, 1)).unwrap();
        assert_eq!(sessions.open(0, at(3, LEASE)), Err(SessionsFull));
        assert_eq!(sessions.admit(first, 1, at(4, LEASE)), Admit::Fresh);
        assert_eq!(sessions.open(0, at(5, LEASE + 1)), Err(SessionsFull));
        sessions.open(0, at(6, LEASE + 2)).unwrap();
        assert_eq!(sessions.admit(second, 1, at(7, LEASE + 2)), Admit::NoSession);
        assert_eq!(sessions.admit(first, 1, at(8, LEASE + 2)), Admit::Repeat(at(4, LEASE)));
    }

    #[test]
    fn ends_where_the_terms_or_the_bound_say() {
        let mut sessions = table(u32::MAX);
        for seq in 1..=u64::from(SESSIONS_MAX) {
            sessions.open(seq, at(seq, 0)).unwrap();
        }
        assert_eq!(sessions.open(0, at(99_999, 0)), Err(SessionsFull));
        assert_eq!(table(0).open(0, at(1, 0)), Err(SessionsFull));
    }

    #[test]
    fn is_swept_a_little_by_each_command_and_judged_as_if_swept_at_once() {
        let mut sessions = table(100);
        let ids: Vec<_> = (1..=100).map(|seq| sessions.open(seq, at(seq, 0)).unwrap()).collect();
        let late = LEASE + 1;
        assert_eq!(sessions.admit(ids[99], 1, at(101, late)), Admit::NoSession);
        assert_eq!(sessions.len(), 100 - SWEPT_MAX);
        for seq in 102..202 {
            sessions.open(seq, at(seq, late)).unwrap();
        }
        assert_eq!(sessions.len(), 100);
    }
}

/// Numbers without end. Source: Steele et al., "Fast Splittable Pseudorandom Number Generators"
/// (2014).
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ mixed >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ mixed >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        (mixed ^ mixed >> 31) % sides
    }
}

/// Everything that ever happened in one session.
struct Chronicle {
    used: u64,
    closed: bool,
    applied: BTreeMap<u64, Place>,
}

impl Chronicle {
    fn is_live(&self, now: u64) -> bool {
        !self.closed && now - self.used <= LEASE
    }

    fn admit(&mut self, number: u64, place: Place) -> Admit {
        let now = place.time.unix_micros();
        if !self.is_live(now) {
            return Admit::NoSession;
        }
        self.used = now;
        let top = self.applied.last_key_value().map_or(0, |(number, _)| *number);
        if number == 0 || number + WINDOW <= top {
            return Admit::Stale;
        }
        match self.applied.get(&number) {
            Some(place) => Admit::Repeat(*place),
            None => {
                self.applied.insert(number, place);
                Admit::Fresh
            }
        }
    }
}

/// A table after some hundred random commands, which were judged as by one that never forgets; and
/// how often each verdict fell.
fn table_of(seed: u64, verdicts: &mut [u32; 5]) -> Sessions {
    let mut dice = Dice(seed);
    let (mut sessions, mut twin) = (table(6), table(6));
    let mut told: BTreeMap<SessionId, Chronicle> = BTreeMap::new();
    let (mut seq, mut now) = (0, 0);
    for _ in 0..600 {
        seq += 1;
        now += if dice.roll(40) == 0 { dice.roll(2 * LEASE) } else { dice.roll(20) };
        let place = at(seq, now);
        let which = dice.roll(told.len().max(1) as u64) as usize;
        // Mostly of those opened last, so that most of them live.
        let which = which.max(told.len().saturating_sub(1 + dice.roll(6) as usize));
        let id = told.keys().nth(which).copied();
        match (dice.roll(30), id) {
            (0, _) | (_, None) => {
                let live = told.values().filter(|it| it.is_live(now)).count();
                let nonce = dice.roll(2);
                let open = sessions.open(nonce, place);
                assert_eq!(open, twin.open(nonce, place));
                assert_eq!(open.is_ok(), live < 6, "refused, or opened, against the rule");
                let new = Chronicle { used: now, closed: false, applied: BTreeMap::new() };
                let old = open.ok().and_then(|id| told.insert(id, new));
                assert!(old.is_none(), "an identity was given out twice");
                verdicts[4] += u32::from(open.is_err());
            }
            (1, Some(id)) if dice.roll(4) == 0 => {
                sessions.close(id, place);
                twin.close(id, place);
                told.get_mut(&id).unwrap().closed = true;
            }
            (_, Some(id)) => {
                let chronicle = told.get_mut(&id).unwrap();
                let top = chronicle.applied.last_key_value().map_or(0, |(number, _)| *number);
                let number = (top + 4).saturating_sub(dice.roll(12)) + 60 * (dice.roll(40) / 39);
                let number = number.saturating_sub(60 * (dice.roll(10) / 9));
                let admit = sessions.admit(id, number, place);
                assert_eq!(admit, chronicle.admit(number, place));
                assert_eq!(admit, twin.admit(id, number, place));
                verdicts[match admit {
                    Admit::Fresh => 0,
                    Admit::Repeat(_) => 1,
                    Admit::Stale => 2,
                    Admit::NoSession => 3,
                }] += 1;
                if let Asked::Applied(place) = sessions.place_of(id, number) {
                    assert_eq!(chronicle.applied.get(&number), Some(&place));
                } else {
                    assert!(!matches!(admit, Admit::Fresh | Admit::Repeat(_)));
                }
            }
        }
        if dice.roll(50) == 0 {
            // The twin is a replica that takes over from a snapshot now and then.
            twin = Sessions::decode(&twin.encode()).unwrap();
        }
        assert_eq!(sessions, twin);
    }
    sessions
}

#[test]
fn every_request_is_judged_as_by_a_table_that_never_forgets() {
    let mut verdicts = [0; 5];
    for seed in 0..200 {
        table_of(seed, &mut verdicts);
    }
    assert!(verdicts.iter().all(|count| *count > 100), "a verdict was hardly ever asked for");
}

mod the_bytes_of_a_table {
    use super::*;

    #[test]
    fn are_refused_when_they_are_short_or_long() {
        let mut bytes = table_of(1, &mut [0; 5]).encode();
        for end in 0..bytes.len() {
            assert_eq!(Sessions::decode(&bytes[..end]), Err(Malformed));
        }
        bytes.push(0);
        assert_eq!(Sessions::decode(&bytes), Err(Malformed));
    }

    #[test]
    fn that_are_accepted_are_those_it_would_write() {
        let mut dice = Dice(5);
        let (mut accepted, mut refused) = (0, 0);
        for seed in 0..20 {
            let good = table_of(seed, &mut [0; 5]).encode();
            for _ in 0..500 {
                let mut bytes = good.clone();
                for _ in 0..=dice.roll(3) {
                    let at = dice.roll(bytes.len() as u64) as usize;
                    bytes[at] = dice.roll(256) as u8;
                }
                match Sessions::decode(&bytes) {
                    Ok(mut sessions) => {
                        assert_eq!(sessions.encode(), bytes);
                        let ids: Vec<SessionId> = sessions.records.keys().copied().collect();
                        for id in ids {
                            let top = sessions.records[&id].top();
                            let number = top.saturating_sub(dice.roll(66));
                            let expected = match sessions.place_of(id, number) {
                                Asked::Applied(place) => Admit::Repeat(place),
                                Asked::NotYet => Admit::Fresh,
                                Asked::Forgotten => Admit::Stale,
                            };
                            let admit = sessions.admit(id, number, at(1 << 30, 0));
                            assert!(admit == expected || admit == Admit::NoSession);
                            sessions.admit(id, top.saturating_add(70), at(1 << 31, 0));
                        }
                        accepted += 1;
                    }
                    Err(Malformed) => refused += 1,
                }
            }
        }
        assert!(accepted > 100 && refused > 100);
    }

    #[test]
    fn are_refused_when_no_table_could_have_them() {
        let mut sessions = table(2);
        let id = sessions.open(9, at(5, 10)).unwrap();
        assert_eq!(sessions.admit(id, 1, at(6, 20)), Admit::Fresh);
        assert_eq!(sessions.admit(id, 3, at(7, 20)), Admit::Fresh);
        let good = sessions.encode();
        assert_eq!(Sessions::decode(&good), Ok(sessions));
        let (count, id, top, applied) = (13, 17, 17 + 24, 17 + 32);
        let (version, time) = (17 + 40, 17 + 48);
        let set = |at: usize, to: &[u8]| {
            let mut bytes = good.clone();
            bytes[at..at + to.len()].copy_from_slice(to);
            Sessions::decode(&bytes)
        };
        for (at, to) in [
            (0, &[2][..]),          // another form
            (1, &[0, 0, 0, 0]),     // fewer sessions allowed than there are
            (count, &[2, 0, 0, 0]), // more than there are
            (top, &[2]),            // a number 0 was applied
            (applied, &[6]),        // the highest was not
            (applied, &[1]),        // a place of no number
            (version, &[4, 0]),     // applied before the session was opened
            (time, &[0xff; 8]),     // applied after it was last used
        ] {
            assert_eq!(set(at, to), Err(Malformed), "at {at}");
        }
        assert!(set(id, &[8]).is_ok(), "the offsets above are not what they say");
    }
}
