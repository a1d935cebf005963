//! What clients remember: every call, when it began, when it was answered and how.

use std::fmt;

use bytes::Bytes;
use notrace_sdk_wire::Version;

/// A pool and a key in it.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Key {
    /// Which pool, by its place in [`POOLS`].
    pub pool: u8,
    /// Which key.
    pub number: u8,
}

/// The pools of a run: their names, and when a put to them is acknowledged.
pub const POOLS: [(&str, &str); 2] = [("all", "all_durable"), ("most", "majority_durable")];

impl Key {
    /// The pool's name.
    #[must_use]
    pub fn pool_name(&self) -> &'static str {
        POOLS.get(usize::from(self.pool)).map_or("", |(name, _)| name)
    }

    /// The key's name.
    #[must_use]
    pub fn name(&self) -> String {
        format!("k{:02}", self.number)
    }

    /// The key of this name.
    #[must_use]
    pub fn named(pool: u8, name: &str) -> Option<Self> {
        let number = name.strip_prefix('k')?.parse().ok()?;
        Some(Self { pool, number })
    }

    /// Where it is.
    #[must_use]
    pub fn path(&self) -> String {
        format!("/v1/objects/{}/{}", self.pool_name(), self.name())
    }
}

impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.pool_name(), self.name())
    }
}

/// A value that is written once: whoever reads it knows which call wrote it.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Value {
    /// Which one.
    pub number: u64,
    /// How long it is.
    pub size_bytes: u64,
}

impl Value {
    /// Its bytes: the number, then bytes that follow from it, so that a torn value shows.
    #[must_use]
    pub fn bytes(&self) -> Bytes {
        let mut bytes = self.number.to_be_bytes().to_vec();
        let mut chance = crate::chance::Chance::of(self.number);
        while (bytes.len() as u64) < self.size_bytes {
            bytes.extend_from_slice(&chance.number().to_be_bytes());
        }
        bytes.truncate(self.size_bytes.max(8) as usize);
        bytes.into()
    }

    /// The value that `bytes` are, if they are one, whole.
    #[must_use]
    pub fn of(bytes: &[u8]) -> Option<Self> {
        let number = u64::from_be_bytes(*bytes.first_chunk::<8>()?);
        let value = Self { number, size_bytes: bytes.len() as u64 };
        (value.bytes() == bytes).then_some(value)
    }
}

/// What a client asks.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Op {
    /// The current value.
    Get,
    /// To store a value.
    Put(Value),
    /// To store a value if this one is current.
    PutIf(Value, Value),
    /// To store a value if there is none.
    PutIfAbsent(Value),
    /// To put a tombstone in the value's place.
    Delete,
}

impl Op {
    /// The value that it stores.
    #[must_use]
    pub fn stores(&self) -> Option<Value> {
        match self {
            Self::Put(value) | Self::PutIf(_, value) | Self::PutIfAbsent(value) => Some(*value),
            Self::Get | Self::Delete => None,
        }
    }
}

/// What a client is told.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Ret {
    /// This is the value; none if there is no object.
    Value(Option<Value>),
    /// It is done.
    Done,
    /// The condition does not hold.
    Mismatch,
    /// There is no object to delete.
    Absent,
}

/// An answer, and the version that it carried.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Answered {
    /// When, in nanoseconds of the run's clock.
    pub at: u64,
    /// What.
    pub ret: Ret,
    /// The version that was read or made.
    pub version: Option<Version>,
}

/// One call. A call without an answer may have happened at any time from its begin on, or never.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Call {
    /// Who called.
    pub client: usize,
    /// On which object.
    pub key: Key,
    /// What.
    pub op: Op,
    /// When its first attempt began, in nanoseconds of the run's clock.
    pub begun: u64,
    /// The answer.
    pub answered: Option<Answered>,
}

impl fmt::Display for Call {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let millis = |nanos: u64| nanos as f64 / 1e6;
        write!(f, "{:10.3} ms  client {}  {:?}", millis(self.begun), self.client, self.op)?;
        let Some(answered) = self.answered else { return f.write_str("  never answered") };
        write!(f, "  {:10.3} ms  {:?}", millis(answered.at), answered.ret)?;
        answered.version.map_or(Ok(()), |version| write!(f, " at {version}"))
    }
}

#[cfg(test)]
mod a_value {
    use super::*;

    #[test]
    fn is_known_from_its_bytes_and_from_no_others() {
        for size_bytes in [8, 9, 100, 4096] {
            let value = Value { number: 77 + size_bytes, size_bytes };
            let bytes = value.bytes();
            assert_eq!(Value::of(&bytes), Some(value));
            let mut torn = bytes.to_vec();
            *torn.last_mut().unwrap() ^= 1;
            assert!(Value::of(&torn) != Some(value));
            assert!(size_bytes == 8 || Value::of(&torn).is_none());
        }
        assert_eq!(Value::of(b"short"), None);
    }
}
