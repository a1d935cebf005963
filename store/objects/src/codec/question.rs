//! Questions, answers and replies as bytes, for a node that does not hold the shard.

use notrace_policy_promise::name::PoolName;
use notrace_store_protocol::ids::Version;
use notrace_store_protocol::machine::{Malformed, Place};
use notrace_store_protocol::time::Hlc;
use serde::{Deserialize, Serialize};

use super::word::{Bytes, PlaceWord, SpecWord, kind, kind_word, object_key, pool_name};
use super::{FORMAT, read, write};
use crate::command::Reply;
use crate::found::{At, Change, HistoryEntry, ListEntry, Listed, Missing};
use crate::pool::PoolInfo;
use crate::question::{Answer, Question};
use crate::sealed::Sealed;

#[derive(Serialize, Deserialize)]
enum QuestionWord<'a> {
    Pools,
    Pool(&'a str),
    Values(#[serde(borrow)] Vec<(&'a str, &'a str)>, AtWord),
    Head(&'a str, &'a str, AtWord),
    History(&'a str, &'a str),
    List(&'a str, &'a str, Option<&'a str>, u32),
    Changes(&'a str, &'a str, u64, u32),
}

#[derive(Clone, Copy, Serialize, Deserialize)]
enum AtWord {
    Latest,
    Version(u64),
    Time(u64),
}

#[derive(Serialize, Deserialize)]
enum AnswerWord<'a> {
    Pools(#[serde(borrow)] Vec<PoolWord<'a>>),
    Values(u64, #[serde(borrow)] Vec<ValueWord<'a>>),
    Head(PlaceWord, u64),
    History(Vec<(PlaceWord, u8, u64)>),
    Listed(#[serde(borrow)] Vec<(&'a str, PlaceWord, u64)>, bool),
    Changes(#[serde(borrow)] Vec<(&'a str, PlaceWord, u8, u64)>),
    PoolUnknown,
    ObjectUnknown,
    Shredded,
    Trimmed,
}

#[derive(Serialize, Deserialize)]
struct PoolWord<'a> {
    name: &'a str,
    #[serde(borrow)]
    spec: SpecWord<'a>,
    key_epoch: u32,
    created: PlaceWord,
    objects: u64,
    bytes: u64,
}

#[derive(Serialize, Deserialize)]
struct ValueWord<'a> {
    at: PlaceWord,
    #[serde(borrow)]
    wrapped_key: Bytes<'a>,
    key_epoch: u32,
    plain_len: u64,
    id: [u8; 16],
    #[serde(borrow)]
    ciphertext: Bytes<'a>,
}

#[derive(Serialize, Deserialize)]
enum ReplyWord {
    PoolCreated(PlaceWord),
    Stored(PlaceWord, bool),
    Deleted(PlaceWord),
    Transacted(PlaceWord),
    Shredded(PlaceWord, u64),
    Configured,
    StaleKey(u32),
    Moved,
    PoolUnknown,
    PoolExists,
    PoolsFull,
    ObjectUnknown,
    Mismatch(Option<u64>, Option<u32>),
    WrittenTwice(u32),
    SessionMismatch,
    OutOfSpace,
    TooManyOps,
}

impl Question {
    /// The question's bytes.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let word = match self {
            Self::Pools => QuestionWord::Pools,
            Self::Pool(pool) => QuestionWord::Pool(pool.as_str()),
            Self::Values { objects, at } => {
                let names = objects.iter().map(|(pool, key)| (pool.as_str(), key.as_str()));
                QuestionWord::Values(names.collect(), at_word(*at))
            }
            Self::Head { pool, key, at } => {
                QuestionWord::Head(pool.as_str(), key.as_str(), at_word(*at))
            }
            Self::History { pool, key } => QuestionWord::History(pool.as_str(), key.as_str()),
            Self::List { pool, prefix, after, limit } => {
                let after = after.as_ref().map(|key| key.as_str());
                QuestionWord::List(pool.as_str(), prefix, after, *limit)
            }
            Self::Changes { pool, prefix, from, limit } => {
                QuestionWord::Changes(pool.as_str(), prefix, from.to_wire(), *limit)
            }
        };
        write(&word, vec![FORMAT])
    }

    /// The question that these bytes are.
    /// # Errors  [`Malformed`]
    pub fn decode(bytes: &[u8]) -> Result<Self, Malformed> {
        let word: QuestionWord<'_> = whole(bytes)?;
        Ok(match word {
            QuestionWord::Pools => Self::Pools,
            QuestionWord::Pool(pool) => Self::Pool(pool_name(pool)?),
            QuestionWord::Values(names, at) => {
                let name = |(pool, key)| Ok((pool_name(pool)?, object_key(key)?));
                let objects = names.into_iter().map(name).collect::<Result<_, _>>()?;
                Self::Values { objects, at: at.at() }
            }
            QuestionWord::Head(pool, key, at) => {
                Self::Head { pool: pool_name(pool)?, key: object_key(key)?, at: at.at() }
            }
            QuestionWord::History(pool, key) => {
                Self::History { pool: pool_name(pool)?, key: object_key(key)? }
            }
            QuestionWord::List(pool, prefix, after, limit) => Self::List {
                pool: pool_name(pool)?,
                prefix: prefix.to_owned(),
                after: after.map(object_key).transpose()?,
                limit,
            },
            QuestionWord::Changes(pool, prefix, from, limit) => Self::Changes {
                pool: pool_name(pool)?,
                prefix: prefix.to_owned(),
                from: Version::from_wire(from),
                limit,
            },
        })
    }
}

impl Answer {
    /// The bytes of an answer, or of why there is none. Costs one copy of the ciphertexts.
    #[must_use]
    pub fn encode(answer: &Result<Self, Missing>) -> Vec<u8> {
        let word = match answer {
            Ok(Self::Pools(pools)) => AnswerWord::Pools(pools.iter().map(pool_word).collect()),
            Ok(Self::Values(version, values)) => {
                AnswerWord::Values(version.to_wire(), values.iter().map(value_word).collect())
            }
            Ok(Self::Head(place, length)) => AnswerWord::Head(PlaceWord::of(*place), *length),
            Ok(Self::History(entries)) => {
                let words = entries.iter().map(|entry| {
                    (at(entry.version, entry.time), kind_word(entry.kind), entry.plain_len)
                });
                AnswerWord::History(words.collect())
            }
            Ok(Self::Listed(listed)) => {
                let words = listed.entries.iter().map(|entry| {
                    (entry.key.as_str(), at(entry.version, entry.time), entry.plain_len)
                });
                AnswerWord::Listed(words.collect(), listed.more)
            }
            Ok(Self::Changes(changes)) => {
                let words = changes.iter().map(|change| {
                    let place = at(change.version, change.time);
                    (change.key.as_str(), place, kind_word(change.kind), change.plain_len)
                });
                AnswerWord::Changes(words.collect())
            }
            Err(Missing::PoolUnknown) => AnswerWord::PoolUnknown,
            Err(Missing::ObjectUnknown) => AnswerWord::ObjectUnknown,
            Err(Missing::Shredded) => AnswerWord::Shredded,
            Err(Missing::Trimmed) => AnswerWord::Trimmed,
        };
        write(&word, vec![FORMAT])
    }

    /// The answer that these bytes are.
    /// # Errors  [`Malformed`]
    pub fn decode(bytes: &[u8]) -> Result<Result<Self, Missing>, Malformed> {
        let word: AnswerWord<'_> = whole(bytes)?;
        Ok(Ok(match word {
            AnswerWord::Pools(pools) => {
                Self::Pools(pools.into_iter().map(pool).collect::<Result<_, _>>()?)
            }
            AnswerWord::Values(version, values) => {
                let values = values.into_iter().map(value).collect::<Result<_, _>>()?;
                Self::Values(Version::from_wire(version), values)
            }
            AnswerWord::Head(place, length) => Self::Head(place.place(), length),
            AnswerWord::History(words) => {
                let entry = |(at, word, plain_len): (PlaceWord, u8, u64)| {
                    let Place { version, time } = at.place();
                    Ok(HistoryEntry { version, time, kind: kind(word)?, plain_len })
                };
                Self::History(words.into_iter().map(entry).collect::<Result<_, _>>()?)
            }
            AnswerWord::Listed(words, more) => {
                let entry = |(key, at, plain_len): (&str, PlaceWord, u64)| {
                    let Place { version, time } = at.place();
                    Ok(ListEntry { key: object_key(key)?, version, time, plain_len })
                };
                let entries = words.into_iter().map(entry).collect::<Result<_, _>>()?;
                Self::Listed(Listed { entries, more })
            }
            AnswerWord::Changes(words) => {
                let change = |(key, at, word, plain_len): (&str, PlaceWord, u8, u64)| {
                    let Place { version, time } = at.place();
                    Ok(Change {
                        key: object_key(key)?,
                        version,
                        time,
                        kind: kind(word)?,
                        plain_len,
                    })
                };
                Self::Changes(words.into_iter().map(change).collect::<Result<_, _>>()?)
            }
            AnswerWord::PoolUnknown => return Ok(Err(Missing::PoolUnknown)),
            AnswerWord::ObjectUnknown => return Ok(Err(Missing::ObjectUnknown)),
            AnswerWord::Shredded => return Ok(Err(Missing::Shredded)),
            AnswerWord::Trimmed => return Ok(Err(Missing::Trimmed)),
        }))
    }
}

impl Reply {
    /// The reply's bytes.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let word = match self {
            Self::PoolCreated { place } => ReplyWord::PoolCreated(PlaceWord::of(*place)),
            Self::Stored { place, created } => ReplyWord::Stored(PlaceWord::of(*place), *created),
            Self::Deleted { place } => ReplyWord::Deleted(PlaceWord::of(*place)),
            Self::Transacted { place } => ReplyWord::Transacted(PlaceWord::of(*place)),
            Self::Shredded { place, versions } => {
                ReplyWord::Shredded(PlaceWord::of(*place), *versions)
            }
            Self::Configured => ReplyWord::Configured,
            Self::StaleKey { current } => ReplyWord::StaleKey(*current),
            Self::Moved => ReplyWord::Moved,
            Self::PoolUnknown => ReplyWord::PoolUnknown,
            Self::PoolExists => ReplyWord::PoolExists,
            Self::PoolsFull => ReplyWord::PoolsFull,
            Self::ObjectUnknown => ReplyWord::ObjectUnknown,
            Self::Mismatch { current, index } => {
                ReplyWord::Mismatch(current.map(Version::to_wire), *index)
            }
            Self::WrittenTwice { index } => ReplyWord::WrittenTwice(*index),
            Self::SessionMismatch => ReplyWord::SessionMismatch,
            Self::OutOfSpace => ReplyWord::OutOfSpace,
            Self::TooManyOps => ReplyWord::TooManyOps,
        };
        write(&word, vec![FORMAT])
    }

    /// The reply that these bytes are.
    /// # Errors  [`Malformed`]
    pub fn decode(bytes: &[u8]) -> Result<Self, Malformed> {
        let word: ReplyWord = whole(bytes)?;
        Ok(match word {
            ReplyWord::PoolCreated(at) => Self::PoolCreated { place: at.place() },
            ReplyWord::Stored(at, created) => Self::Stored { place: at.place(), created },
            ReplyWord::Deleted(at) => Self::Deleted { place: at.place() },
            ReplyWord::Transacted(at) => Self::Transacted { place: at.place() },
            ReplyWord::Shredded(at, versions) => Self::Shredded { place: at.place(), versions },
            ReplyWord::Configured => Self::Configured,
            ReplyWord::StaleKey(current) => Self::StaleKey { current },
            ReplyWord::Moved => Self::Moved,
            ReplyWord::PoolUnknown => Self::PoolUnknown,
            ReplyWord::PoolExists => Self::PoolExists,
            ReplyWord::PoolsFull => Self::PoolsFull,
            ReplyWord::ObjectUnknown => Self::ObjectUnknown,
            ReplyWord::Mismatch(current, index) => {
                Self::Mismatch { current: current.map(Version::from_wire), index }
            }
            ReplyWord::WrittenTwice(index) => Self::WrittenTwice { index },
            ReplyWord::SessionMismatch => Self::SessionMismatch,
            ReplyWord::OutOfSpace => Self::OutOfSpace,
            ReplyWord::TooManyOps => Self::TooManyOps,
        })
    }
}

impl AtWord {
    fn at(self) -> At {
        match self {
            Self::Latest => At::Latest,
            Self::Version(version) => At::Version(Version::from_wire(version)),
            Self::Time(time) => At::Time(Hlc::from_wire(time)),
        }
    }
}

fn at_word(at: At) -> AtWord {
    match at {
        At::Latest => AtWord::Latest,
        At::Version(version) => AtWord::Version(version.to_wire()),
        At::Time(time) => AtWord::Time(time.to_wire()),
    }
}

fn at(version: Version, time: Hlc) -> PlaceWord {
    PlaceWord::of(Place { version, time })
}

fn pool_word(pool: &PoolInfo) -> PoolWord<'_> {
    PoolWord {
        name: pool.name.as_str(),
        spec: SpecWord::of(&pool.spec),
        key_epoch: pool.key_epoch,
        created: PlaceWord::of(pool.created),
        objects: pool.objects,
        bytes: pool.bytes,
    }
}

fn pool(word: PoolWord<'_>) -> Result<PoolInfo, Malformed> {
    let name: PoolName = pool_name(word.name)?;
    Ok(PoolInfo {
        name,
        spec: word.spec.spec()?,
        key_epoch: word.key_epoch,
        created: word.created.place(),
        objects: word.objects,
        bytes: word.bytes,
    })
}

fn value_word((place, value): &(Place, Sealed)) -> ValueWord<'_> {
    ValueWord {
        at: PlaceWord::of(*place),
        wrapped_key: Bytes(value.wrapped_key.as_bytes()),
        key_epoch: value.key_epoch,
        plain_len: value.plain_len,
        id: value.id,
        ciphertext: Bytes(&value.ciphertext),
    }
}

fn value(word: ValueWord<'_>) -> Result<(Place, Sealed), Malformed> {
    let sealed = Sealed {
        ciphertext: word.ciphertext.0.into(),
        wrapped_key: word.wrapped_key.wrapped_key()?,
        key_epoch: word.key_epoch,
        plain_len: word.plain_len,
        id: word.id,
    };
    Ok((word.at.place(), sealed))
}

/// The one value that bytes of this format are.
fn whole<'a, T: Deserialize<'a>>(bytes: &'a [u8]) -> Result<T, Malformed> {
    let (format, body) = bytes.split_first().ok_or(Malformed)?;
    let (word, rest) = read(body)?;
    if *format == FORMAT && rest.is_empty() { Ok(word) } else { Err(Malformed) }
}
