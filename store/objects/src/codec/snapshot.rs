//! Snapshots as bytes: a version byte, the length of what follows, everything but the ciphertexts,
//! then the ciphertexts one after the other. So they can be handed out without being copied.

use std::collections::{BTreeMap, VecDeque};

use notrace_store_protocol::ids::Version;
use notrace_store_protocol::machine::{Chunk, Malformed};
use notrace_store_protocol::time::Hlc;
use serde::{Deserialize, Serialize};

use super::word::{Bytes, ConfigWord, PlaceWord, SpecWord, kind, kind_word, object_key, pool_name};
use super::{FORMAT, read, write};
use crate::changes::Changes;
use crate::command::Reply;
use crate::found::Change;
use crate::object::{Content, Entry, Object};
use crate::objects::Objects;
use crate::pools::{PoolState, StoredKey};
use crate::sealed::Sealed;
use crate::sessions::{Remembered, Sessions};

#[derive(Serialize, Deserialize)]
struct StateWord<'a> {
    config: ConfigWord,
    at: PlaceWord,
    #[serde(borrow)]
    pools: Vec<PoolWord<'a>>,
    #[serde(borrow)]
    changes: Vec<ChangeWord<'a>>,
    sessions: Vec<RememberedWord>,
}

#[derive(Serialize, Deserialize)]
struct PoolWord<'a> {
    name: &'a str,
    #[serde(borrow)]
    spec: SpecWord<'a>,
    created: PlaceWord,
    key_epoch: u32,
    trimmed: u64,
    #[serde(borrow)]
    objects: Vec<ObjectWord<'a>>,
}

#[derive(Serialize, Deserialize)]
struct ObjectWord<'a> {
    key: &'a str,
    trimmed: bool,
    #[serde(borrow)]
    entries: Vec<(PlaceWord, ContentWord<'a>)>,
}

#[derive(Serialize, Deserialize)]
enum ContentWord<'a> {
    Value {
        #[serde(borrow)]
        wrapped_key: Bytes<'a>,
        plain_len: u64,
        id: [u8; 16],
        ciphertext_len: u64,
    },
    Tombstone,
    Shredded,
}

#[derive(Serialize, Deserialize)]
struct ChangeWord<'a> {
    pool: &'a str,
    key: &'a str,
    at: PlaceWord,
    kind: u8,
    plain_len: u64,
}

#[derive(Serialize, Deserialize)]
struct RememberedWord {
    id: [u8; 32],
    request: [u8; 32],
    time: u64,
    reply: ReplyWord,
}

#[derive(Serialize, Deserialize)]
enum ReplyWord {
    Stored(PlaceWord, bool),
    Deleted(PlaceWord),
    Transacted(PlaceWord),
}

const HEAD_BYTES: usize = 9;

pub(super) fn encode(objects: &Objects) -> Vec<Chunk> {
    let mut ciphertexts = Vec::new();
    let pools = &objects.pools;
    let pools = pools.iter().map(|(name, pool)| pool_word(name.as_str(), pool, &mut ciphertexts));
    let word = StateWord {
        config: ConfigWord::of(objects.config),
        at: place_word(objects.version, objects.time),
        pools: pools.collect(),
        changes: objects
            .changes
            .0
            .iter()
            .map(|(pool, change)| ChangeWord {
                pool: pool.as_str(),
                key: change.key.as_str(),
                at: place_word(change.version, change.time),
                kind: kind_word(change.kind),
                plain_len: change.plain_len,
            })
            .collect(),
        sessions: session_words(&objects.sessions),
    };
    let body = write(&word, vec![0; HEAD_BYTES]);
    let length = (body.len() - HEAD_BYTES) as u64;
    let mut head = vec![FORMAT];
    head.extend_from_slice(&length.to_be_bytes());
    let mut body = body;
    body.splice(..HEAD_BYTES, head);
    let mut chunks = vec![Chunk::Owned(body)];
    chunks.extend(ciphertexts);
    chunks
}

fn pool_word<'a>(name: &'a str, pool: &'a PoolState, ciphertexts: &mut Vec<Chunk>) -> PoolWord<'a> {
    let mut content = |content: &'a Content| match content {
        Content::Tombstone => ContentWord::Tombstone,
        Content::Shredded => ContentWord::Shredded,
        Content::Value(value) => {
            ciphertexts.push(Chunk::Shared(value.ciphertext.clone()));
            ContentWord::Value {
                wrapped_key: Bytes(value.wrapped_key.as_bytes()),
                plain_len: value.plain_len,
                id: value.id,
                ciphertext_len: value.ciphertext.len() as u64,
            }
        }
    };
    let mut object = |(key, object): (&'a StoredKey, &'a Object)| {
        let entries = object.entries.iter();
        let entries = entries
            .map(|entry| (place_word(entry.version, entry.time), content(&entry.content)))
            .collect();
        ObjectWord { key: key.0.as_str(), trimmed: object.trimmed, entries }
    };
    PoolWord {
        name,
        spec: SpecWord::of(&pool.spec),
        created: PlaceWord::of(pool.created),
        key_epoch: pool.key_epoch,
        trimmed: pool.trimmed.to_wire(),
        objects: pool.objects.iter().map(&mut object).collect(),
    }
}

fn place_word(version: Version, time: Hlc) -> PlaceWord {
    PlaceWord::of(notrace_store_protocol::machine::Place { version, time })
}

fn session_words(sessions: &Sessions) -> Vec<RememberedWord> {
    let known = sessions.by_age.iter().filter_map(|id| Some((id, sessions.by_id.get(id)?)));
    let words = known.filter_map(|(id, kept)| {
        let reply = match &kept.reply {
            Reply::Stored { place, created } => ReplyWord::Stored(PlaceWord::of(*place), *created),
            Reply::Deleted { place } => ReplyWord::Deleted(PlaceWord::of(*place)),
            Reply::Transacted { place } => ReplyWord::Transacted(PlaceWord::of(*place)),
            // No other reply is kept; see the session table.
            _ => return None,
        };
        Some(RememberedWord { id: *id, request: kept.request, time: kept.time.to_wire(), reply })
    });
    words.collect()
}

pub(super) fn decode(bytes: &[u8]) -> Result<Objects, Malformed> {
    let (head, rest) = bytes.split_first_chunk::<HEAD_BYTES>().ok_or(Malformed)?;
    let [format, length @ ..] = head;
    if *format != FORMAT {
        return Err(Malformed);
    }
    let length = usize::try_from(u64::from_be_bytes(*length)).map_err(|_| Malformed)?;
    let (body, mut ciphertexts) = rest.split_at_checked(length).ok_or(Malformed)?;
    let (word, after) = read::<StateWord<'_>>(body)?;
    if !after.is_empty() {
        return Err(Malformed);
    }
    let at = word.at.place();
    let mut objects = Objects::new(word.config.config());
    (objects.version, objects.time) = (at.version, at.time);
    for pool in word.pools {
        let (name, state) = (pool_name(pool.name)?, pool_state(pool, &mut ciphertexts)?);
        if objects.pools.insert(name, state).is_some() {
            return Err(Malformed);
        }
    }
    objects.changes = Changes(word.changes.into_iter().map(change).collect::<Result<_, _>>()?);
    objects.sessions = sessions(word.sessions);
    if ciphertexts.is_empty() && objects.is_consistent() { Ok(objects) } else { Err(Malformed) }
}

fn pool_state(word: PoolWord<'_>, ciphertexts: &mut &[u8]) -> Result<PoolState, Malformed> {
    let mut pool = PoolState::new(word.spec.spec()?, word.created.place(), word.key_epoch);
    pool.trimmed = Version::from_wire(word.trimmed);
    let mut objects = BTreeMap::new();
    for object in word.objects {
        let key = StoredKey(object_key(object.key)?);
        let mut entries = VecDeque::with_capacity(object.entries.len());
        for (at, content) in object.entries {
            let content = match content {
                ContentWord::Tombstone => Content::Tombstone,
                ContentWord::Shredded => Content::Shredded,
                ContentWord::Value { wrapped_key, plain_len, id, ciphertext_len } => {
                    let length = usize::try_from(ciphertext_len).map_err(|_| Malformed)?;
                    let (ciphertext, rest) =
                        ciphertexts.split_at_checked(length).ok_or(Malformed)?;
                    *ciphertexts = rest;
                    let wrapped_key = wrapped_key.wrapped_key()?;
                    let (ciphertext, key_epoch) = (ciphertext.into(), word.key_epoch);
                    Content::Value(Sealed { ciphertext, wrapped_key, key_epoch, plain_len, id })
                }
            };
            entries.push_back(Entry::at(at.place(), content));
        }
        let known = objects.insert(key, Object { entries, trimmed: object.trimmed });
        if known.is_some() {
            return Err(Malformed);
        }
    }
    pool.objects = objects;
    pool.sums = pool.count();
    Ok(pool)
}

fn change(
    word: ChangeWord<'_>,
) -> Result<(notrace_policy_promise::name::PoolName, Change), Malformed> {
    let at = word.at.place();
    let change = Change {
        key: object_key(word.key)?,
        version: at.version,
        time: at.time,
        kind: kind(word.kind)?,
        plain_len: word.plain_len,
    };
    Ok((pool_name(word.pool)?, change))
}

fn sessions(words: Vec<RememberedWord>) -> Sessions {
    let mut sessions = Sessions::default();
    for word in words {
        let reply = match word.reply {
            ReplyWord::Stored(at, created) => Reply::Stored { place: at.place(), created },
            ReplyWord::Deleted(at) => Reply::Deleted { place: at.place() },
            ReplyWord::Transacted(at) => Reply::Transacted { place: at.place() },
        };
        let kept = Remembered { request: word.request, time: Hlc::from_wire(word.time), reply };
        sessions.by_id.insert(word.id, kept);
        sessions.by_age.push_back(word.id);
    }
    sessions
}
