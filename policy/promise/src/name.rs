//! What can be addressed: pools, objects in them, and tasks by name.

use core::fmt;
use core::str::FromStr;

use crate::limits::{OBJECT_KEY_BYTES_MAX, POOL_NAME_BYTES_MAX, TASK_NAME_BYTES_MAX};

/// The name of a pool: lower-case letters, digits, `-`, `_` and `.`, starting with a letter or
/// digit.
/// Names that start with `.` are the platform's own and no client text parses to one.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct PoolName(Box<str>);

/// The key of an object within its pool: UTF-8 without control characters, and without empty, `.`
/// or `..` segments between slashes, so that a key is also a path that cannot climb.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct ObjectKey(Box<str>);

/// A pool and a key in it. Prints as `POOL/KEY`.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct ObjectName {
    /// The pool.
    pub pool: PoolName,
    /// The key within the pool.
    pub key: ObjectKey,
}

/// The name a task can be run by instead of its digest: like a pool's name.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct TaskName(Box<str>);

/// Why a text names nothing.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum BadName {
    /// Not a pool's name.
    #[error(
        "a pool's name is 1 to {POOL_NAME_BYTES_MAX} of a-z, 0-9, -, _ and ., \
         and starts with a letter or digit"
    )]
    Pool,
    /// Not an object's key.
    #[error(
        "a key is 1 to {OBJECT_KEY_BYTES_MAX} bytes of UTF-8 without control characters \
         and without empty, `.` or `..` segments"
    )]
    Key,
    /// Not `POOL/KEY`.
    #[error("an object is named POOL/KEY")]
    Object,
    /// Not a task's name.
    #[error(
        "a task's name is 1 to {TASK_NAME_BYTES_MAX} of a-z, 0-9, -, _ and ., \
         and starts with a letter or digit"
    )]
    Task,
}

impl PoolName {
    /// A pool of the platform's own. `word` is a literal of ours, without the dot.
    pub fn reserved(word: &'static str) -> Self {
        Self(format!(".{word}").into())
    }

    /// Whether the pool is the platform's own.
    pub fn is_reserved(&self) -> bool {
        self.0.starts_with('.')
    }

    /// The part of this pool that one shard keeps. `since` is the version that made the pool, so
    /// that a later pool of the same name has other parts.
    #[must_use]
    pub fn part(&self, shard: u16, since: u64) -> Self {
        Self(format!(".{}.{since}.{shard}", self.0).into())
    }

    /// Which pool this is a part of, and the version that made that pool.
    pub fn whole(&self) -> Option<(Self, u64)> {
        let (rest, shard) = self.0.strip_prefix('.')?.rsplit_once('.')?;
        let (pool, since) = rest.rsplit_once('.')?;
        shard.parse::<u16>().ok()?;
        Some((Self::from_stored(pool).ok()?, since.parse().ok()?))
    }

    /// A name that was a [`PoolName`] when it was stored, reserved ones and parts included.
    pub fn from_stored(text: &str) -> Result<Self, BadName> {
        match text.strip_prefix('.') {
            Some(word) if is_plain_name(word, STORED_BYTES_MAX) => Ok(Self(text.into())),
            _ => text.parse(),
        }
    }

    /// The name's text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl ObjectKey {
    /// The key's text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl TaskName {
    /// The name's text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// The longest name of a part without its first dot: the pool, a version, a shard.
const STORED_BYTES_MAX: usize = POOL_NAME_BYTES_MAX + ".18446744073709551615.65535".len();

fn is_plain_name(text: &str, bytes_max: usize) -> bool {
    let known = |byte: u8| {
        byte.is_ascii_lowercase() || byte.is_ascii_digit() || matches!(byte, b'-' | b'_' | b'.')
    };
    let first = text.bytes().next();
    first.is_some_and(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit())
        && text.len() <= bytes_max
        && text.bytes().all(known)
}

impl FromStr for PoolName {
    type Err = BadName;

    fn from_str(text: &str) -> Result<Self, BadName> {
        let plain = is_plain_name(text, POOL_NAME_BYTES_MAX);
        plain.then(|| Self(text.into())).ok_or(BadName::Pool)
    }
}

impl FromStr for TaskName {
    type Err = BadName;

    fn from_str(text: &str) -> Result<Self, BadName> {
        let plain = is_plain_name(text, TASK_NAME_BYTES_MAX);
        plain.then(|| Self(text.into())).ok_or(BadName::Task)
    }
}

impl FromStr for ObjectKey {
    type Err = BadName;

    fn from_str(text: &str) -> Result<Self, BadName> {
        let fits = (1..=OBJECT_KEY_BYTES_MAX).contains(&text.len());
        let clean = !text.chars().any(char::is_control);
        let flat = text.split('/').all(|segment| !matches!(segment, "" | "." | ".."));
        (fits && clean && flat).then(|| Self(text.into())).ok_or(BadName::Key)
    }
}

impl FromStr for ObjectName {
    type Err = BadName;

    fn from_str(text: &str) -> Result<Self, BadName> {
        let (pool, key) = text.split_once('/').ok_or(BadName::Object)?;
        Ok(Self { pool: pool.parse()?, key: key.parse()? })
    }
}

macro_rules! display_as_text {
    ($($name:ident),*) => {$(
        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }
    )*};
}
display_as_text!(PoolName, ObjectKey, TaskName);

impl fmt::Display for ObjectName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.pool, self.key)
    }
}

#[cfg(test)]
mod names {
    use super::*;

    #[test]
    fn of_objects_split_at_the_first_slash() {
        let name: ObjectName = "photos/2026/rash.png".parse().unwrap();
        assert_eq!(name.pool.as_str(), "photos");
        assert_eq!(name.key.as_str(), "2026/rash.png");
        assert_eq!(name.to_string(), "photos/2026/rash.png");
    }

    #[test]
    fn cannot_climb_or_hide() {
        for bad in ["", "/", "a//b", "../a", "a/..", "a/./b", "a\n", "a\0b", "/a", "a/"] {
            assert_eq!(bad.parse::<ObjectKey>(), Err(BadName::Key), "{bad:?}");
        }
        for bad in ["", ".tasks", "Photos", "a/b", "-a", "ä"] {
            assert_eq!(bad.parse::<PoolName>(), Err(BadName::Pool), "{bad:?}");
        }
    }

    #[test]
    fn reserved_for_the_platform_come_back_from_storage_only() {
        let tasks = PoolName::reserved("tasks");
        assert!(tasks.is_reserved());
        assert_eq!(PoolName::from_stored(".tasks"), Ok(tasks));
        assert_eq!(".tasks".parse::<PoolName>(), Err(BadName::Pool));
    }

    #[test]
    fn of_parts_tell_whose_they_are_and_no_client_can_say_them() {
        let longest = "a".repeat(POOL_NAME_BYTES_MAX);
        for pool in ["photos", "v1.2", longest.as_str()] {
            let pool: PoolName = pool.parse().unwrap();
            let part = pool.part(u16::MAX, u64::MAX);
            assert_eq!(part.whole(), Some((pool.clone(), u64::MAX)));
            assert_eq!(PoolName::from_stored(part.as_str()), Ok(part.clone()));
            assert!(part.is_reserved() && part.as_str().parse::<PoolName>().is_err());
            assert_ne!(part, pool.part(u16::MAX, 1));
            assert_eq!(pool.whole(), None);
        }
        assert_eq!(PoolName::reserved("tasks").whole(), None);
    }
}
