//! Commands as bytes.

use notrace_store_protocol::ids::Version;
use notrace_store_protocol::machine::Malformed;
use notrace_store_protocol::time::Hlc;
use serde::{Deserialize, Serialize};

use super::word::{Bytes, ConfigWord, SpecWord, object_key, pool_name};
use super::{FORMAT, read, write};
use crate::command::{Command, Condition, Op, Session, ShredScope};
use crate::sealed::Sealed;

#[derive(Serialize, Deserialize)]
enum CommandWord<'a> {
    CreatePool {
        pool: &'a str,
        #[serde(borrow)]
        spec: SpecWord<'a>,
        key_epoch: u32,
    },
    Put {
        pool: &'a str,
        session: Option<SessionWord>,
        #[serde(borrow)]
        put: PutWord<'a>,
    },
    Delete {
        pool: &'a str,
        session: Option<SessionWord>,
        key: &'a str,
        condition: ConditionWord,
    },
    Transact {
        pool: &'a str,
        session: Option<SessionWord>,
        #[serde(borrow)]
        ops: Vec<OpWord<'a>>,
    },
    Shred {
        pool: &'a str,
        #[serde(borrow)]
        scope: ScopeWord<'a>,
        from_epoch: u32,
        to_epoch: u32,
        #[serde(borrow)]
        rewrapped: Vec<([u8; 16], Bytes<'a>)>,
    },
    Configure(ConfigWord),
}

#[derive(Serialize, Deserialize)]
struct PutWord<'a> {
    key: &'a str,
    condition: ConditionWord,
    wrapped_key: Bytes<'a>,
    key_epoch: u32,
    plain_len: u64,
    id: [u8; 16],
    ciphertext: Bytes<'a>,
}

#[derive(Serialize, Deserialize)]
struct SessionWord([u8; 32], [u8; 32]);

#[derive(Clone, Copy, Serialize, Deserialize)]
enum ConditionWord {
    Always,
    Absent,
    VersionIs(u64),
}

#[derive(Serialize, Deserialize)]
enum OpWord<'a> {
    #[serde(borrow)]
    Put(PutWord<'a>),
    Delete(&'a str, ConditionWord),
    Check(&'a str, ConditionWord),
}

#[derive(Serialize, Deserialize)]
enum ScopeWord<'a> {
    Object(&'a str),
    Pool,
    OlderThan(u64),
}

pub(super) fn encode(command: &Command) -> Vec<u8> {
    let word = word(command);
    // A value is copied once, into bytes that are made large enough for it.
    let mut bytes = Vec::with_capacity(1024 + size_hint(command));
    bytes.push(FORMAT);
    write(&word, bytes)
}

fn size_hint(command: &Command) -> usize {
    match command {
        Command::Put { value, .. } => value.ciphertext.len(),
        Command::Transact { ops, .. } => ops
            .iter()
            .map(|op| match op {
                Op::Put { value, .. } => 1024 + value.ciphertext.len(),
                Op::Delete { .. } | Op::Check { .. } => 544,
            })
            .sum(),
        Command::Shred { rewrapped, .. } => 96 * rewrapped.len(),
        Command::CreatePool { .. } | Command::Delete { .. } | Command::Configure(_) => 0,
    }
}

pub(super) fn decode(bytes: &[u8]) -> Result<Command, Malformed> {
    let (format, body) = bytes.split_first().ok_or(Malformed)?;
    if *format != FORMAT {
        return Err(Malformed);
    }
    let (word, rest) = read::<CommandWord<'_>>(body)?;
    if !rest.is_empty() {
        return Err(Malformed);
    }
    command(word)
}

fn word(command: &Command) -> CommandWord<'_> {
    match command {
        Command::CreatePool { pool, spec, key_epoch } => CommandWord::CreatePool {
            pool: pool.as_str(),
            spec: SpecWord::of(spec),
            key_epoch: *key_epoch,
        },
        Command::Put { pool, key, condition, value, session } => CommandWord::Put {
            pool: pool.as_str(),
            session: session_word(session),
            put: put_word(key.as_str(), *condition, value),
        },
        Command::Delete { pool, key, condition, session } => CommandWord::Delete {
            pool: pool.as_str(),
            session: session_word(session),
            key: key.as_str(),
            condition: condition_word(*condition),
        },
        Command::Transact { pool, ops, session } => CommandWord::Transact {
            pool: pool.as_str(),
            session: session_word(session),
            ops: ops.iter().map(op_word).collect(),
        },
        Command::Shred { pool, scope, from_epoch, to_epoch, rewrapped } => CommandWord::Shred {
            pool: pool.as_str(),
            scope: match scope {
                ShredScope::Object(key) => ScopeWord::Object(key.as_str()),
                ShredScope::Pool => ScopeWord::Pool,
                ShredScope::OlderThan(cutoff) => ScopeWord::OlderThan(cutoff.to_wire()),
            },
            from_epoch: *from_epoch,
            to_epoch: *to_epoch,
            rewrapped: rewrapped.iter().map(|(id, key)| (*id, Bytes(key.as_bytes()))).collect(),
        },
        Command::Configure(config) => CommandWord::Configure(ConfigWord::of(*config)),
    }
}

fn command(word: CommandWord<'_>) -> Result<Command, Malformed> {
    Ok(match word {
        CommandWord::CreatePool { pool, spec, key_epoch } => {
            Command::CreatePool { pool: pool_name(pool)?, spec: spec.spec()?, key_epoch }
        }
        CommandWord::Put { pool, session: named, put } => Command::Put {
            pool: pool_name(pool)?,
            key: object_key(put.key)?,
            condition: condition(put.condition),
            value: put.value()?,
            session: session(named),
        },
        CommandWord::Delete { pool, session: named, key, condition: on } => Command::Delete {
            pool: pool_name(pool)?,
            key: object_key(key)?,
            condition: condition(on),
            session: session(named),
        },
        CommandWord::Transact { pool, session: named, ops } => Command::Transact {
            pool: pool_name(pool)?,
            ops: ops.into_iter().map(op).collect::<Result<_, _>>()?,
            session: session(named),
        },
        CommandWord::Shred { pool, scope, from_epoch, to_epoch, rewrapped } => Command::Shred {
            pool: pool_name(pool)?,
            scope: match scope {
                ScopeWord::Object(key) => ShredScope::Object(object_key(key)?),
                ScopeWord::Pool => ShredScope::Pool,
                ScopeWord::OlderThan(cutoff) => ShredScope::OlderThan(Hlc::from_wire(cutoff)),
            },
            from_epoch,
            to_epoch,
            rewrapped: rewrapped
                .into_iter()
                .map(|(id, key)| Ok((id, key.wrapped_key()?)))
                .collect::<Result<_, _>>()?,
        },
        CommandWord::Configure(config) => Command::Configure(config.config()),
    })
}

fn session_word(session: &Option<Session>) -> Option<SessionWord> {
    session.map(|session| SessionWord(session.id, session.request))
}

fn session(word: Option<SessionWord>) -> Option<Session> {
    word.map(|SessionWord(id, request)| Session { id, request })
}

fn condition_word(condition: Condition) -> ConditionWord {
    match condition {
        Condition::Always => ConditionWord::Always,
        Condition::Absent => ConditionWord::Absent,
        Condition::VersionIs(version) => ConditionWord::VersionIs(version.to_wire()),
    }
}

fn condition(word: ConditionWord) -> Condition {
    match word {
        ConditionWord::Always => Condition::Always,
        ConditionWord::Absent => Condition::Absent,
        ConditionWord::VersionIs(version) => Condition::VersionIs(Version::from_wire(version)),
    }
}

fn put_word<'a>(key: &'a str, condition: Condition, value: &'a Sealed) -> PutWord<'a> {
    PutWord {
        key,
        condition: condition_word(condition),
        wrapped_key: Bytes(value.wrapped_key.as_bytes()),
        key_epoch: value.key_epoch,
        plain_len: value.plain_len,
        id: value.id,
        ciphertext: Bytes(&value.ciphertext),
    }
}

impl PutWord<'_> {
    fn value(&self) -> Result<Sealed, Malformed> {
        Ok(Sealed {
            ciphertext: self.ciphertext.0.into(),
            wrapped_key: self.wrapped_key.wrapped_key()?,
            key_epoch: self.key_epoch,
            plain_len: self.plain_len,
            id: self.id,
        })
    }
}

fn op_word(op: &Op) -> OpWord<'_> {
    match op {
        Op::Put { key, condition, value } => OpWord::Put(put_word(key.as_str(), *condition, value)),
        Op::Delete { key, condition } => OpWord::Delete(key.as_str(), condition_word(*condition)),
        Op::Check { key, condition } => OpWord::Check(key.as_str(), condition_word(*condition)),
    }
}

fn op(word: OpWord<'_>) -> Result<Op, Malformed> {
    Ok(match word {
        OpWord::Put(put) => Op::Put {
            key: object_key(put.key)?,
            condition: condition(put.condition),
            value: put.value()?,
        },
        OpWord::Delete(key, on) => Op::Delete { key: object_key(key)?, condition: condition(on) },
        OpWord::Check(key, on) => Op::Check { key: object_key(key)?, condition: condition(on) },
    })
}
