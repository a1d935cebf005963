//! What a journal says of histories.

use super::*;
use crate::ids::{SeqNum, ViewId};
use crate::time::Hlc;

fn version(view: u32, seq: u64) -> Version {
    Version::new(ViewId::new(view).unwrap(), SeqNum::new(seq).unwrap())
}

fn place(view: u32, seq: u64) -> Place {
    Place { version: version(view, seq), time: Hlc::ZERO }
}

fn start(since: u32, through: Version) -> Start {
    Start { since: ViewId::new(since).unwrap(), through }
}

/// Epochs 1, 3, 4 and 7; nothing was delivered in 4.
fn line() -> Vec<Start> {
    let after = version(3, 9);
    vec![start(1, Version::ZERO), start(3, version(1, 6)), start(4, after), start(7, after)]
}

mod a_history {
    use super::*;

    #[test]
    fn holds_what_the_next_epoch_took_over() {
        for (view, seq) in [(1, 1), (1, 6), (3, 1), (3, 9), (7, 1), (7, 1_000)] {
            assert_eq!(agreed_on(&line(), version(view, seq)), Agreed::Same, "{view}:{seq}");
        }
        assert_eq!(agreed_on(&line(), Version::ZERO), Agreed::Same);
    }

    #[test]
    fn does_not_hold_what_the_next_epoch_left_out() {
        let cases = [
            (version(1, 7), version(1, 6)),
            (version(3, 10), version(3, 9)),
            (version(4, 1), version(3, 9)),
            (version(2, 5), version(1, 6)),
            (version(6, 1), version(3, 9)),
        ];
        // Where an update of an epoch off the line is meant, the line's next start decides.
        for (have, to) in cases {
            assert_eq!(agreed_on(&line(), have), Agreed::Back(to), "{have}");
        }
    }

    #[test]
    fn cannot_tell_what_it_has_not_reached() {
        assert_eq!(agreed_on(&line(), version(8, 1)), Agreed::Ahead);
        assert_eq!(agreed_on(&[], Version::ZERO), Agreed::Ahead);
    }

    #[test]
    fn cannot_tell_what_is_before_its_beginning() {
        let late = [start(5, version(4, 3)), start(6, version(5, 2))];
        assert_eq!(agreed_on(&late, version(2, 9)), Agreed::TooOld);
        assert_eq!(agreed_on(&late, Version::ZERO), Agreed::TooOld);
        assert_eq!(agreed_on(&late, version(4, 3)), Agreed::Same);
        assert_eq!(agreed_on(&late, version(4, 2)), Agreed::Same);
        assert_eq!(agreed_on(&late, version(4, 4)), Agreed::Back(version(4, 3)));
    }

    #[test]
    fn that_began_anew_holds_nothing_from_before() {
        let anew = [start(1, Version::ZERO), start(7, Version::ZERO)];
        assert_eq!(agreed_on(&anew, version(1, 1)), Agreed::Back(Version::ZERO));
        assert_eq!(agreed_on(&anew, Version::ZERO), Agreed::Same);
        assert_eq!(agreed_on(&anew, version(7, 1)), Agreed::Same);
    }

    #[test]
    fn goes_back_only_to_what_it_holds() {
        let line = line();
        for view in 0..9 {
            for seq in 0..12 {
                if let Agreed::Back(to) = agreed_on(&line, version(view, seq)) {
                    assert!(to < version(view, seq));
                    assert_eq!(agreed_on(&line, to), Agreed::Same);
                }
            }
        }
    }

    #[test]
    fn rises() {
        assert!(is_line(&line()) && is_line(&[]));
        assert!(!is_line(&[start(3, Version::ZERO), start(3, version(1, 1))]));
        assert!(!is_line(&[start(3, version(1, 2)), start(4, version(1, 1))]));
        assert!(!is_line(&[start(3, version(3, 1))]), "an epoch does not begin after itself");
        let long = |count: u32| (1..=count).map(|since| start(since, Version::ZERO)).collect();
        let (most, more): (Vec<Start>, Vec<Start>) = (long(1024), long(1025));
        assert!(is_line(&most) && !is_line(&more));
    }
}

mod a_log {
    use super::*;

    fn log() -> Journal {
        Journal::restored(place(7, 4), version(1, 2), line())
    }

    #[test]
    fn that_was_cut_forgets_the_epochs_after_the_cut() {
        let mut log = log();
        log.truncated(place(3, 9));
        assert_eq!(log.line(), line(), "they all begin at its end");
        log.truncated(place(3, 8));
        assert_eq!(log.line(), &line()[..2]);
        assert_eq!((log.last(), log.synced()), (place(3, 8), version(3, 8)));
        log.truncated(Place::ZERO);
        assert_eq!((log.trimmed(), log.line()), (Version::ZERO, &line()[..1]));
    }

    #[test]
    fn cannot_be_cut_within_a_checkpoint() {
        let log = log();
        assert_eq!(log.cut_for(version(1, 2)), version(1, 2));
        assert_eq!(log.cut_for(version(1, 1)), Version::ZERO);
    }

    #[test]
    fn is_not_safe_beyond_its_end() {
        let mut log = Journal::empty();
        log.began(start(1, Version::ZERO));
        log.appended(place(1, 5));
        log.synced_to(version(1, 9));
        assert_eq!(log.synced(), version(1, 5));
        log.truncated(place(1, 3));
        log.appended(place(1, 4));
        assert_eq!(log.synced(), version(1, 3), "what was cut off and appended anew is not safe");
    }

    #[test]
    fn replaced_by_a_snapshot_is_trimmed_there_and_not_safe_yet() {
        let mut log = log();
        log.replaced(place(9, 1));
        assert_eq!((log.last(), log.trimmed()), (place(9, 1), version(9, 1)));
        assert_eq!((log.synced(), log.line().len()), (Version::ZERO, 0));
    }

    #[test]
    fn adopts_what_it_covers_of_a_history() {
        let mut log = Journal::empty();
        log.appended(place(3, 8));
        log.adopt(&line());
        assert_eq!(log.line(), &line()[..2]);
        log.appended(place(3, 9));
        log.adopt(&line());
        assert_eq!(log.line(), line());
        log.adopt(&line()[..3]);
        assert_eq!(log.line(), line(), "somebody who lags teaches nothing");
        log.adopt(&line()[2..]);
        assert_eq!(log.line(), line(), "what it noted before the donor's first start stays");
    }

    #[test]
    fn that_lost_its_end_lost_the_epochs_after_it() {
        let log = Journal::restored(place(3, 4), Version::ZERO, line());
        assert_eq!(log.line(), &line()[..2]);
    }

    #[test]
    fn notes_a_bounded_number_of_epochs() {
        let mut log = Journal::empty();
        for since in 1..=2 * LINE_MAX as u32 {
            log.began(start(since, log.last().version));
            log.appended(place(since, 1));
        }
        assert_eq!(log.line().len(), LINE_MAX);
        assert_eq!(log.agreed(version(1, 1)), Agreed::TooOld);
        assert_eq!(log.agreed(version(LINE_MAX as u32 + 1, 1)), Agreed::Same);
    }
}
