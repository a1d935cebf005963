//! Pools: what is asked of one, and what one says of itself.

use core::fmt;
use core::str::FromStr;
use core::time::Duration;

use notrace_policy_promise::label::Label;
use notrace_policy_promise::name::PoolName;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::text::{self, as_text, words};
use crate::time::Time;
use crate::version::Version;

/// What a client asks of a new pool: the body of `PUT /v1/pools/{pool}`. How long its objects are
/// kept has to be said; the rest may be left to the node, which answers with what it chose.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize, Debug, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct PoolSpec {
    /// How long a version is kept, counted from when it was written, current or not.
    pub retain: Retain,
    /// When a put is acknowledged; `all_durable` if not said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub durability: Option<Durability>,
    /// What a read may see; `linearizable` if not said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub consistency: Option<Consistency>,
    /// How requests that touch the pool must come; `tls` if not said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub transport: Option<Transport>,
    /// The confidentiality label of its objects; none if not said.
    #[serde(default, skip_serializing_if = "Option::is_none", with = "text::maybe")]
    #[schema(value_type = Option<String>)]
    pub label: Option<Label>,
    /// What shows outside of runs that read its objects; what is usual on the node if not said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub release: Option<ReleaseSpec>,
}

/// What is asked of a new pool's release. What is not said is what is usual on the node.
#[derive(Clone, Copy, PartialEq, Eq, Serialize, Deserialize, Default, Debug, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ReleaseSpec {
    /// To which lengths what comes of a sealed run is filled up.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sizes: Option<Sizes>,
    /// When it leaves, counted from the request's arrival.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub times: Option<Times>,
    /// Whether outsiders can tell a failure from an answer; `alike` takes sealed runs only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub failures: Option<Failures>,
}

/// What shows outside of runs that read a pool's objects.
#[derive(Clone, Copy, PartialEq, Eq, Serialize, Deserialize, Debug, ToSchema)]
pub struct Release {
    /// To which lengths what comes of a sealed run is filled up.
    pub sizes: Sizes,
    /// When it leaves, counted from the request's arrival.
    pub times: Times,
    /// Whether outsiders can tell a failure from an answer.
    pub failures: Failures,
}

/// A pool as it is: the answer to creating and to showing one.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize, Debug, ToSchema)]
pub struct Pool {
    /// Its name.
    #[serde(with = "text")]
    #[schema(value_type = String)]
    pub name: PoolName,
    /// How long a version is kept, counted from when it was written, current or not.
    pub retain: Retain,
    /// When a put is acknowledged.
    pub durability: Durability,
    /// What a read may see.
    pub consistency: Consistency,
    /// How requests that touch the pool must come.
    pub transport: Transport,
    /// The confidentiality label of its objects.
    #[serde(default, with = "text::maybe")]
    #[schema(value_type = Option<String>)]
    pub label: Option<Label>,
    /// What shows outside of runs that read its objects.
    pub release: Release,
    /// The version that created it.
    pub created: Version,
    /// When that was.
    pub time: Time,
    /// How many objects it holds now.
    pub objects: u64,
    /// Their current versions' sizes together, in bytes.
    pub size_bytes: u64,
}

/// The answer to `GET /v1/pools`.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize, Debug, ToSchema)]
pub struct PoolList {
    /// The pools, by name.
    pub pools: Vec<Pool>,
}

words! {
    /// When a put is acknowledged.
    Durability, NotADurability,
    "durability is one of volatile, delivered, majority_durable, all_durable":
    /// When it stands in the order. Kept in memory alone, never in a file.
    Volatile = "volatile",
    /// When it stands in the order, in memory.
    Delivered = "delivered",
    /// When a majority of disks has it.
    MajorityDurable = "majority_durable",
    /// When every disk has it.
    AllDurable = "all_durable",
}

words! {
    /// What a read may see.
    Consistency, NotAConsistency, "consistency is one of linearizable, causal, scratch":
    /// Everything acknowledged before the read began.
    Linearizable = "linearizable",
    /// Everything the reader has seen or caused.
    Causal = "causal",
    /// Whatever is at hand.
    Scratch = "scratch",
}

words! {
    /// How requests that touch a pool must come.
    Transport, NotATransport, "transport is one of tls, sealed":
    /// TLS is enough; the node sees the bytes in passing.
    Tls = "tls",
    /// Sealed to the worker; the node never sees the bytes.
    Sealed = "sealed",
}

words! {
    /// To which lengths what travels sealed is filled up.
    Sizes, NotSizes, "sizes is one of exact, padme, powers, 4k, 64k, 1m, 16m":
    /// To none.
    Exact = "exact",
    /// At most 12 % longer, from 1 KiB.
    Padme = "padme",
    /// To a power of two, from 4 KiB.
    Powers = "powers",
    /// Always 4 KiB; what does not fit is too much output.
    Fixed4K = "4k",
    /// Always 64 KiB.
    Fixed64K = "64k",
    /// Always 1 MiB.
    Fixed1M = "1m",
    /// Always 16 MiB.
    Fixed16M = "16m",
}

words! {
    /// When what comes of a run leaves, counted from the request's arrival.
    Times, NotTimes, "times is one of at_once, 10ms, 100ms, 1s, 10s, deadline":
    /// As soon as it can.
    AtOnce = "at_once",
    /// At the next multiple of 10 ms.
    TenMillis = "10ms",
    /// At the next multiple of 100 ms.
    HundredMillis = "100ms",
    /// At the next full second.
    Second = "1s",
    /// At the next multiple of 10 s.
    TenSeconds = "10s",
    /// When all the time that the request was given is over.
    Deadline = "deadline",
}

words! {
    /// Whether outsiders can tell a failure of a sealed run from an answer.
    Failures, NotFailures, "failures is one of told, alike":
    /// They can.
    Told = "told",
    /// They cannot.
    Alike = "alike",
}

/// How long something is kept: `forever`, or a whole number with `s`, `m`, `h` or `d`, as in `30d`.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Retain {
    /// Until it is shredded.
    Forever,
    /// This long, in whole seconds; from one second to a hundred years.
    For(Duration),
}

const UNITS: [(&str, u64); 4] = [("d", 86_400), ("h", 3_600), ("m", 60), ("s", 1)];
const RETAIN_SECONDS_MAX: u64 = 100 * 366 * 86_400;

impl fmt::Display for Retain {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Retain::For(duration) = self else { return f.write_str("forever") };
        let seconds = duration.as_secs();
        let whole = UNITS.into_iter().find(|(_, size)| seconds.is_multiple_of(*size));
        let (unit, size) = whole.unwrap_or(("s", 1));
        write!(f, "{}{unit}", seconds / size)
    }
}

/// A text that says no retention.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct NotARetention;

impl fmt::Display for NotARetention {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("retain is `forever`, or a whole number with s, m, h or d, as in 30d")
    }
}

impl core::error::Error for NotARetention {}

impl FromStr for Retain {
    type Err = NotARetention;

    fn from_str(text: &str) -> Result<Self, NotARetention> {
        if text == "forever" {
            return Ok(Retain::Forever);
        }
        let split = |(unit, size)| text.strip_suffix(unit).map(|number: &str| (number, size));
        let (number, size): (&str, u64) = UNITS.into_iter().find_map(split).ok_or(NotARetention)?;
        if number.is_empty() || !number.bytes().all(|byte| byte.is_ascii_digit()) {
            return Err(NotARetention);
        }
        let seconds = number.parse().ok().and_then(|number: u64| number.checked_mul(size));
        match seconds {
            Some(seconds @ 1..=RETAIN_SECONDS_MAX) => Ok(Retain::For(Duration::from_secs(seconds))),
            _ => Err(NotARetention),
        }
    }
}

as_text!(Retain);

#[cfg(test)]
mod a_retention {
    use super::*;

    #[test]
    fn prints_in_the_largest_unit_that_fits() {
        for (text, printed) in
            [("30d", "30d"), ("48h", "2d"), ("90s", "90s"), ("60m", "1h"), ("forever", "forever")]
        {
            let retain: Retain = text.parse().unwrap();
            assert_eq!(retain.to_string(), printed);
            assert_eq!(printed.parse(), Ok(retain));
        }
    }

    #[test]
    fn is_never_guessed() {
        for bad in ["", "30", "d", "0d", "-1d", "1.5d", "30 d", "30D", "99999999999999d", "ever"] {
            assert_eq!(bad.parse::<Retain>(), Err(NotARetention), "{bad}");
        }
    }
}
