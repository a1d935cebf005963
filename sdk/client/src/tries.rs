//! How often a call is tried, and how long is waited in between: pure, with time and chance given.

use std::time::Duration;

use tokio::time::Instant;

use crate::deed::Repeat;
use crate::limits::{BACKOFF_FIRST, BACKOFF_MAX, ROUNDS_MAX, STRANGER_PATIENCE};

/// How an attempt ended that did not bring what was asked for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Ended {
    /// Nobody was reached; nothing was sent.
    NotSent,
    /// It was sent, and the reply did not come, or not whole.
    Lost,
    /// The member did nothing, and another or a later time may do it; it said how long to wait, or
    /// did not.
    TurnedAway(Option<Duration>),
    /// The member cannot tell whether it was done.
    Unclear(Option<Duration>),
    /// The member failed at something that another may not fail at.
    Faulty,
    /// Whoever is asked will say the same.
    Final,
}

/// Whether to go on.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Verdict {
    /// The next member is asked.
    Again,
    /// Nobody is.
    Over,
}

/// The attempts of one call, in rounds: in each, every member is asked once.
#[derive(Debug)]
pub(crate) struct Tries {
    repeat: Repeat,
    began: Instant,
    until: Instant,
    rounds: u32,
    backoff: Duration,
    /// The shortest wait that a member asked for in this round; none if one did not ask.
    asked: Duration,
    round: Round,
    may_be_done: bool,
    /// An attempt reached somebody.
    met: bool,
}

/// What a round had so far.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Round {
    Empty,
    OnlyFaulty,
    Other,
}

impl Tries {
    /// The attempts of a call that begins now and may take as long as `patience`.
    pub(crate) fn new(repeat: Repeat, patience: Duration, now: Instant) -> Self {
        Self {
            repeat,
            began: now,
            until: now + patience,
            rounds: 1,
            backoff: BACKOFF_FIRST,
            asked: Duration::MAX,
            round: Round::Empty,
            may_be_done: false,
            met: false,
        }
    }

    /// Judges an attempt that ended so.
    pub(crate) fn judge(&mut self, ended: Ended) -> Verdict {
        let harmless = self.repeat != Repeat::Harm;
        self.met |= ended != Ended::NotSent;
        self.may_be_done |= matches!(ended, Ended::Lost | Ended::Unclear(_))
            || (ended == Ended::Faulty && harmless);
        let wait = match ended {
            Ended::TurnedAway(wait) | Ended::Unclear(wait) => wait,
            _ => None,
        };
        self.asked = self.asked.min(wait.unwrap_or_default());
        self.round = match (self.round, ended) {
            (Round::Empty | Round::OnlyFaulty, Ended::Faulty) => Round::OnlyFaulty,
            _ => Round::Other,
        };
        match ended {
            Ended::NotSent | Ended::TurnedAway(_) => Verdict::Again,
            Ended::Lost | Ended::Unclear(_) | Ended::Faulty if harmless => Verdict::Again,
            Ended::Lost | Ended::Unclear(_) | Ended::Faulty | Ended::Final => Verdict::Over,
        }
    }

    /// Whether it changes something and an attempt may have made the change.
    pub(crate) fn may_be_done(&self) -> bool {
        self.may_be_done && self.repeat != Repeat::Nothing
    }

    /// How much time is left for attempts.
    pub(crate) fn left(&self, now: Instant) -> Duration {
        self.until.saturating_duration_since(now)
    }

    /// How long to wait before all members are asked once more; nothing if that is too late or
    /// makes no sense. `known` says whether any of them ever answered this client; who never did is
    /// not waited for as long. The wait doubles from round to round, and `chance` takes up to half
    /// of it away, so that clients that failed together do not come back together.
    ///
    /// Source: M. Brooker, "Exponential Backoff And Jitter", 2015 ("equal jitter").
    pub(crate) fn pause(&mut self, now: Instant, chance: u32, known: bool) -> Option<Duration> {
        let until = match known || self.met {
            true => self.until,
            false => self.until.min(self.began + STRANGER_PATIENCE),
        };
        let half = self.backoff / 2;
        let wait = half + half.mul_f64(f64::from(chance) / f64::from(u32::MAX));
        let wait = wait.max(self.asked);
        let futile = self.round == Round::OnlyFaulty || self.rounds >= ROUNDS_MAX;
        if futile || wait > until.saturating_duration_since(now) {
            return None;
        }
        self.rounds += 1;
        self.backoff = (self.backoff * 2).min(BACKOFF_MAX);
        self.asked = Duration::MAX;
        self.round = Round::Empty;
        Some(wait)
    }
}

#[cfg(test)]
mod a_call_tried_again {
    use super::*;

    const PATIENCE: Duration = Duration::from_secs(30);

    fn tries(repeat: Repeat) -> (Tries, Instant) {
        let now = Instant::now();
        (Tries::new(repeat, PATIENCE, now), now)
    }

    #[test]
    fn goes_on_only_where_that_does_no_harm() {
        use Ended::{Faulty, Final, Lost, NotSent, TurnedAway, Unclear};
        use Verdict::{Again, Over};
        let ends = [NotSent, TurnedAway(None), Lost, Unclear(None), Faulty, Final];
        let table = [
            (Repeat::Nothing, [Again, Again, Again, Again, Again, Over], [false; 6]),
            (
                Repeat::Keyed,
                [Again, Again, Again, Again, Again, Over],
                [false, false, true, true, true, false],
            ),
            (
                Repeat::Same,
                [Again, Again, Again, Again, Again, Over],
                [false, false, true, true, true, false],
            ),
            (
                Repeat::Harm,
                [Again, Again, Over, Over, Over, Over],
                [false, false, true, true, false, false],
            ),
        ];
        for (repeat, verdicts, doubts) in table {
            for ((ended, verdict), doubt) in ends.into_iter().zip(verdicts).zip(doubts) {
                let (mut tries, _) = tries(repeat);
                assert_eq!(tries.judge(ended), verdict, "{repeat:?} {ended:?}");
                assert_eq!(tries.may_be_done(), doubt, "{repeat:?} {ended:?}");
            }
        }
    }

    #[test]
    fn waits_longer_each_time_and_not_as_long_as_others() {
        for (chance, first) in [(0, 25), (u32::MAX, 50)] {
            let (mut tries, now) = tries(Repeat::Keyed);
            let mut waits = Vec::new();
            for _ in 0..8 {
                tries.judge(Ended::Lost);
                waits.push(tries.pause(now, chance, true).unwrap());
            }
            assert_eq!(waits[0], Duration::from_millis(first));
            let most = BACKOFF_MAX / if chance == 0 { 2 } else { 1 };
            assert!(waits.windows(2).all(|pair| pair[1] == (pair[0] * 2).min(most)), "{waits:?}");
        }
    }

    #[test]
    fn ends_with_patience() {
        let (mut tries, now) = tries(Repeat::Nothing);
        tries.judge(Ended::Lost);
        assert!(tries.pause(now + PATIENCE, 0, true).is_none());
        let later = now + PATIENCE - Duration::from_millis(25);
        assert!(tries.pause(later, 0, true).is_some());
        assert_eq!(tries.left(later), Duration::from_millis(25));
        assert_eq!(tries.left(later + PATIENCE), Duration::ZERO);
    }

    #[test]
    fn ends_soon_where_nobody_ever_answered() {
        let late = STRANGER_PATIENCE + Duration::from_secs(1);
        let (mut unmet, now) = tries(Repeat::Nothing);
        unmet.judge(Ended::NotSent);
        assert!(unmet.pause(now + late, 0, false).is_none());
        assert!(unmet.pause(now + late, 0, true).is_some());
        let (mut met, now) = tries(Repeat::Nothing);
        met.judge(Ended::TurnedAway(None));
        assert!(met.pause(now + late, 0, false).is_some());
    }

    #[test]
    fn waits_as_long_as_the_least_patient_member_asks() {
        let second = Duration::from_secs(1);
        let asks = |waits: &[Option<Duration>]| {
            let (mut tries, now) = tries(Repeat::Keyed);
            for wait in waits {
                tries.judge(Ended::TurnedAway(*wait));
            }
            tries.pause(now, 0, true)
        };
        assert_eq!(asks(&[Some(second * 5), Some(second)]), Some(second));
        assert_eq!(asks(&[Some(second), None]), Some(Duration::from_millis(25)));
        // Who asks for more than there is gets no second call.
        assert_eq!(asks(&[Some(second * 3600)]), None);
    }

    #[test]
    fn is_tried_a_bounded_number_of_times() {
        let (mut tries, now) = tries(Repeat::Nothing);
        let mut rounds = 0;
        loop {
            rounds += 1;
            tries.judge(Ended::Lost);
            if tries.pause(now, 0, true).is_none() {
                break;
            }
        }
        assert_eq!(rounds, ROUNDS_MAX);
    }

    #[test]
    fn does_not_go_on_where_every_member_fails() {
        let (mut tries, now) = tries(Repeat::Nothing);
        tries.judge(Ended::Faulty);
        tries.judge(Ended::Faulty);
        assert!(tries.pause(now, 0, true).is_none());
        tries.judge(Ended::NotSent);
        assert!(tries.pause(now, 0, true).is_some());
    }
}
