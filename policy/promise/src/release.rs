//! What of a run shows outside: how long its answer is, when it leaves, and whether a failure looks
//! like one.
//!
//! Each is a short list of values, in the order of how little they show; whoever can see one value
//! could compute the next from it, so the strictest of several is their maximum. That a run read
//! two pools then never shows more than either of them allows.

use core::fmt;
use core::str::FromStr;
use core::time::Duration;

use crate::limits::{PADDED_BYTES_MAX, PADME_BYTES_MIN, POWERS_BYTES_MIN};

macro_rules! choices {
    (
        $(#[$doc:meta])* $name:ident, $refusal:ident, $sentence:literal:
        $($(#[$word_doc:meta])* $variant:ident = $code:literal $text:literal,)+
    ) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
        pub enum $name {
            $($(#[$word_doc])* $variant,)+
        }

        impl $name {
            /// Every value, from the one that shows most to the one that shows least.
            pub const ALL: &'static [Self] = &[$(Self::$variant,)+];

            /// The word for it.
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $text,)+ }
            }

            /// The value as one byte.
            pub const fn code(self) -> u8 {
                match self { $(Self::$variant => $code,)+ }
            }

            /// The value of a byte, if there is one.
            pub const fn from_code(code: u8) -> Option<Self> {
                match code { $($code => Some(Self::$variant),)+ _ => None }
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(self.as_str())
            }
        }

        /// A text that is none of the words.
        #[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
        #[error($sentence)]
        pub struct $refusal;

        impl FromStr for $name {
            type Err = $refusal;

            fn from_str(text: &str) -> Result<Self, $refusal> {
                match text { $($text => Ok(Self::$variant),)+ _ => Err($refusal) }
            }
        }
    };
}
pub(crate) use choices;

choices! {
    /// To which lengths what travels sealed is filled up. What comes in the clear is never filled
    /// up: it has no place for that.
    Sizes, NotSizes, "sizes is one of exact, padme, powers, 4k, 64k, 1m, 16m":
    /// To none: it is as long as it is.
    Exact = 0 "exact",
    /// To a length of which only the first few bits are not zero: at most 12 % longer, from 1 KiB.
    /// Source: Nikitin et al., "Reducing Metadata Leakage from Encrypted Files and Communication
    /// with PURBs" (PETS 2019), section 4.
    Padme = 1 "padme",
    /// To a power of two, from 4 KiB: there are 15 of them.
    Powers = 2 "powers",
    /// Always 4 KiB. What does not fit is refused as too much output.
    Fixed4K = 3 "4k",
    /// Always 64 KiB.
    Fixed64K = 4 "64k",
    /// Always 1 MiB.
    Fixed1M = 5 "1m",
    /// Always 16 MiB.
    Fixed16M = 6 "16m",
}

choices! {
    /// When an answer leaves, counted from the moment when its request was there.
    Times, NotTimes, "times is one of at_once, 10ms, 100ms, 1s, 10s, deadline":
    /// As soon as it can.
    AtOnce = 0 "at_once",
    /// At the next multiple of 10 ms.
    TenMillis = 1 "10ms",
    /// At the next multiple of 100 ms.
    HundredMillis = 2 "100ms",
    /// At the next full second.
    Second = 3 "1s",
    /// At the next multiple of 10 s.
    TenSeconds = 4 "10s",
    /// When the time that the request was given is over, however soon it was done.
    Deadline = 5 "deadline",
}

choices! {
    /// Whether outsiders can tell a failure of a sealed run from an answer.
    Failures, NotFailures, "failures is one of told, alike":
    /// They can: status and reason code say it.
    Told = 0 "told",
    /// They cannot: both have one shape, and which it is stands under the seal alone.
    Alike = 1 "alike",
}

/// What of a run shows outside.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Release {
    /// How long its answer is.
    pub sizes: Sizes,
    /// When it leaves.
    pub times: Times,
    /// Whether a failure looks like one.
    pub failures: Failures,
}

impl Release {
    /// Everything shows.
    pub const OPEN: Self =
        Self { sizes: Sizes::Exact, times: Times::AtOnce, failures: Failures::Told };

    /// What shows no more than either.
    #[must_use]
    pub fn join(self, other: Self) -> Self {
        Self {
            sizes: self.sizes.max(other.sizes),
            times: self.times.max(other.times),
            failures: self.failures.max(other.failures),
        }
    }
}

impl fmt::Display for Release {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { sizes, times, failures } = self;
        write!(f, "sizes {sizes}, times {times}, failures {failures}")
    }
}

impl Sizes {
    /// The length to which a message of `bytes` is filled up; `None` if it is too long for it.
    pub const fn bucket(self, bytes: usize) -> Option<usize> {
        let padded = match self {
            Self::Exact => return Some(bytes),
            Self::Padme => padme(if bytes < PADME_BYTES_MIN { PADME_BYTES_MIN } else { bytes }),
            Self::Powers if bytes < POWERS_BYTES_MIN => POWERS_BYTES_MIN,
            Self::Powers => bytes.next_power_of_two(),
            Self::Fixed4K | Self::Fixed64K | Self::Fixed1M | Self::Fixed16M => self.room(),
        };
        let room = self.room();
        if bytes > room {
            return None;
        }
        // The last bucket ends where all must: 64 MiB and a little, not twice that.
        Some(if padded > room { room } else { padded })
    }

    /// The longest message that has a bucket.
    pub const fn room(self) -> usize {
        match self {
            Self::Exact | Self::Padme | Self::Powers => PADDED_BYTES_MAX,
            Self::Fixed4K => 4 << 10,
            Self::Fixed64K => 64 << 10,
            Self::Fixed1M => 1 << 20,
            Self::Fixed16M => 16 << 20,
        }
    }
}

/// The least length that is not below `bytes` and has zeros behind its first few bits: as many bits
/// as it takes to write down how long the length is.
const fn padme(bytes: usize) -> usize {
    let exponent = bytes.ilog2();
    let kept = exponent.ilog2() + 1;
    let mask = (1usize << (exponent - kept)) - 1;
    (bytes + mask) & !mask
}

impl Times {
    /// How long after a request's arrival what came of it leaves, if it was ready `ready` after
    /// it. `deadline` is the whole time that the request was given.
    pub fn leaves(self, ready: Duration, deadline: Duration) -> Duration {
        let quantum = match self {
            Self::AtOnce => return ready,
            Self::TenMillis => Duration::from_millis(10),
            Self::HundredMillis => Duration::from_millis(100),
            Self::Second => Duration::from_secs(1),
            Self::TenSeconds => Duration::from_secs(10),
            Self::Deadline => deadline.max(Duration::from_millis(1)),
        };
        let quanta = ready.as_nanos().div_ceil(quantum.as_nanos()).max(1);
        quantum.saturating_mul(u32::try_from(quanta).unwrap_or(u32::MAX))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::limits::ANSWER_BYTES_MAX;
    use proptest::prelude::*;
    use std::collections::BTreeSet;

    mod sizes {
        use super::*;

        #[test]
        fn of_powers_are_no_more_than_sixteen() {
            let mut seen = BTreeSet::new();
            for exponent in 0..=26 {
                for bytes in [1usize << exponent, (1 << exponent) + 1, (1 << exponent) * 3 / 2] {
                    seen.extend(Sizes::Powers.bucket(bytes.min(ANSWER_BYTES_MAX)));
                }
            }
            seen.extend(Sizes::Powers.bucket(ANSWER_BYTES_MAX + 5));
            assert!(seen.len() <= 16, "{seen:?}");
        }

        #[test]
        fn that_are_fixed_refuse_what_does_not_fit() {
            assert_eq!(Sizes::Fixed4K.bucket(4096), Some(4096));
            assert_eq!(Sizes::Fixed4K.bucket(4097), None);
            assert_eq!(Sizes::Fixed1M.bucket(0), Some(1 << 20));
        }

        #[test]
        fn of_padme_are_those_of_its_paper() {
            for (bytes, padded) in [(1024, 1024), (1025, 1088), (9_000, 9_216), (65_537, 67_584)] {
                assert_eq!(Sizes::Padme.bucket(bytes), Some(padded), "{bytes}");
            }
        }
    }

    proptest! {
        #[test]
        fn a_bucket_holds_the_message_and_costs_what_is_said(bytes in 0..=ANSWER_BYTES_MAX + 5) {
            for sizes in [Sizes::Exact, Sizes::Padme, Sizes::Powers] {
                let bucket = sizes.bucket(bytes).unwrap();
                prop_assert!(bucket >= bytes);
                prop_assert_eq!(sizes.bucket(bucket), Some(bucket), "a bucket is its own");
            }
            let padme = Sizes::Padme.bucket(bytes).unwrap();
            prop_assert!(bytes < PADME_BYTES_MIN || padme as f64 <= bytes as f64 * 1.12);
        }

        /// Whoever sees a value of the list can compute the next: so a maximum is a join.
        #[test]
        fn a_stricter_value_shows_nothing_more(
            a in 0..=ANSWER_BYTES_MAX,
            b in 0..=ANSWER_BYTES_MAX,
        ) {
            let bucket = |sizes: Sizes, bytes| sizes.bucket(bytes);
            let pairs = Sizes::ALL.iter().zip(Sizes::ALL.iter().skip(1));
            for (looser, stricter) in pairs {
                let fits = bucket(*looser, a).is_some() && bucket(*looser, b).is_some();
                if fits && bucket(*looser, a) == bucket(*looser, b) {
                    // A fixed size is one for all that fit; that something does not is a failure.
                    let (a, b) = (bucket(*stricter, a), bucket(*stricter, b));
                    prop_assert!(a == b || a.is_none() || b.is_none());
                }
            }
        }

        #[test]
        fn a_later_release_is_known_from_an_earlier_one(ready in 0u64..30_000, at in 0usize..5) {
            let (ready, wall) = (Duration::from_millis(ready), Duration::from_secs(60));
            let (looser, stricter) = (Times::ALL[at], Times::ALL[at + 1]);
            let seen = looser.leaves(ready, wall);
            prop_assert!(seen >= ready);
            prop_assert_eq!(stricter.leaves(seen, wall), stricter.leaves(ready, wall));
        }
    }

    #[test]
    fn an_answer_that_is_ready_at_once_waits_for_the_first_quantum() {
        let second = Duration::from_secs(1);
        assert_eq!(Times::Second.leaves(Duration::ZERO, second), second);
        assert_eq!(Times::Second.leaves(second, second), second);
        assert_eq!(Times::Deadline.leaves(second, second * 7), second * 7);
        assert_eq!(Times::Deadline.leaves(second * 8, second * 7), second * 14);
    }

    #[test]
    fn what_was_joined_is_as_strict_as_both() {
        let a = Release { sizes: Sizes::Fixed4K, ..Release::OPEN };
        let b = Release { times: Times::Deadline, failures: Failures::Alike, ..Release::OPEN };
        let both = a.join(b);
        assert_eq!(both, b.join(a));
        assert_eq!((both.sizes, both.times, both.failures), (a.sizes, b.times, b.failures));
        assert_eq!(both.join(Release::OPEN), both);
    }

    #[test]
    fn every_word_and_code_comes_back() {
        for sizes in Sizes::ALL {
            assert_eq!(sizes.as_str().parse(), Ok(*sizes));
            assert_eq!(Sizes::from_code(sizes.code()), Some(*sizes));
        }
        for times in Times::ALL {
            assert_eq!(
                (times.as_str().parse(), Times::from_code(times.code())),
                (Ok(*times), Some(*times))
            );
        }
        assert_eq!("alike".parse(), Ok(Failures::Alike));
        assert_eq!("5ms".parse::<Times>(), Err(NotTimes));
    }
}
