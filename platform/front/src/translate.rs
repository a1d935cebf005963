//! Between the node's types and the wire's.

use axum::body::{Body, Bytes};
use notrace_platform_node::planted;
use notrace_platform_node::store::Hlc;
use notrace_platform_node::store::ids;
use notrace_platform_node::store::{
    Change, ChangeKind, Consistency, Durability, Kept, PoolSpec, Retain, Transport,
};
use notrace_platform_node::task::{Refused as ModuleRefused, Resource};
use notrace_platform_node::{
    AnnouncedKey, HistoryEntry as StoredVersion, Mitigation, PoolInfo, Shredded, TaskAbout,
    TaskInfo, TaskRef, TaskState,
};
use notrace_policy_promise::name::{ObjectKey, PoolName, TaskName};
use notrace_policy_promise::private::Private;
use notrace_policy_promise::release::Release;
use notrace_sdk_wire::object::{Change as WireChange, HistoryEntry, ShredReceipt};
use notrace_sdk_wire::pool::{self, Pool};
use notrace_sdk_wire::problem::{Exhausted, Problem};
use notrace_sdk_wire::watch::WatchEvent;
use notrace_sdk_wire::{Code, Time, Version, node, task};
use serde::de::DeserializeOwned;
use serde_json::error::Category;
use std::str::FromStr;
use std::time::Duration;

use crate::problem::{Answer, refuse, unknown_field};
use crate::query::nearest;

/// A version as clients spell it.
pub(crate) fn version(version: ids::Version) -> Version {
    Version { view: version.view().number(), seq: version.seq().number() }
}

/// A version as the store has it. The wire's bounds are the store's, so every one fits.
pub(crate) fn stored_version(version: Version) -> ids::Version {
    let view = ids::ViewId::new(version.view).unwrap_or(ids::ViewId::MAX);
    let seq = ids::SeqNum::new(version.seq).unwrap_or(ids::SeqNum::MAX);
    ids::Version::new(view, seq)
}

/// A time as clients spell it.
pub(crate) fn time(time: Hlc) -> Time {
    Time::from_unix_micros(time.unix_micros())
}

pub(crate) fn parse_version(text: &str) -> Answer<ids::Version> {
    let parsed = text.parse::<Version>();
    parsed.map(stored_version).map_err(|error| refuse(Code::ParameterMalformed, error.to_string()))
}

/// Where a watch is: a version for each shard.
pub(crate) fn parse_mark(text: &str) -> Answer<Vec<ids::Version>> {
    text.split(',').map(parse_version).collect()
}

pub(crate) fn mark(versions: &[ids::Version]) -> String {
    let texts: Vec<String> = versions.iter().map(ids::Version::to_string).collect();
    texts.join(",")
}

pub(crate) fn parse_time(text: &str) -> Answer<Hlc> {
    let parsed = text.parse::<Time>();
    parsed
        .map(|time| Hlc::from_unix_micros(time.unix_micros()).end_of_micro())
        .map_err(|error| refuse(Code::ParameterMalformed, error.to_string()))
}

pub(crate) fn task_ref(text: &str) -> Answer<TaskRef> {
    match text.starts_with("sha256:") {
        true => match text.parse() {
            Ok(digest) => Ok(TaskRef::Digest(digest)),
            Err(error) => Err(refuse(Code::NameMalformed, format!("{error}"))),
        },
        false => Ok(TaskRef::Name(text.parse()?)),
    }
}

/// A JSON body. `fields` are those that the body knows, for naming the nearest to a misspelt one.
pub(crate) fn json<T: DeserializeOwned>(
    bytes: &[u8],
    fields: &'static [&'static str],
) -> Answer<T> {
    serde_json::from_slice(bytes).map_err(|error| {
        let text = error.to_string();
        // Serde spells an unknown field as it was sent; only its nearest known neighbour goes back.
        if let Some(rest) = text.strip_prefix("unknown field `") {
            let sent = rest.split('`').next().unwrap_or_default();
            return unknown_field("field of the body", nearest(sent, fields));
        }
        let place = format!("line {}, column {}", error.line(), error.column());
        let what = match error.classify() {
            Category::Syntax => "is not JSON",
            Category::Eof => "ends too early",
            Category::Data | Category::Io => "does not have the fields and values it should",
        };
        refuse(Code::BodyMalformed, format!("the body {what}, at {place}"))
    })
}

/// A body of client data, wiped by the allocator when the last of it has been sent.
pub(crate) fn private_body(mut data: Private<Vec<u8>>) -> Body {
    planted!(9, data.reveal(|data| notrace_platform_node::leak::keep(data)));
    Body::from(Bytes::from(data.reveal_mut(std::mem::take)))
}

/// What a pool is made with: what is asked, and what is `usual` on this node where that is silent.
pub(crate) fn pool_spec(spec: pool::PoolSpec, usual: Release) -> PoolSpec {
    PoolSpec {
        retain: match spec.retain {
            pool::Retain::Forever => Retain::Forever,
            pool::Retain::For(duration) => Retain::Micros(duration.as_micros() as u64),
        },
        durability: match spec.durability {
            Some(pool::Durability::Volatile | pool::Durability::Delivered) => Durability::Delivered,
            Some(pool::Durability::MajorityDurable) => Durability::MajorityDurable,
            Some(pool::Durability::AllDurable) | None => Durability::AllDurable,
        },
        kept: match spec.durability {
            Some(pool::Durability::Volatile) => Kept::InMemory,
            _ => Kept::OnDisk,
        },
        consistency: match spec.consistency {
            Some(pool::Consistency::Causal) => Consistency::Causal,
            Some(pool::Consistency::Scratch) => Consistency::Scratch,
            Some(pool::Consistency::Linearizable) | None => Consistency::Linearizable,
        },
        transport: match spec.transport {
            Some(pool::Transport::Sealed) => Transport::Sealed,
            Some(pool::Transport::Tls) | None => Transport::Tls,
        },
        label: spec.label,
        release: release(spec.release.unwrap_or_default(), usual),
    }
}

/// The wire's words are the promise's, letter by letter.
fn release(asked: pool::ReleaseSpec, usual: Release) -> Release {
    fn said<W: Copy, T: FromStr>(word: Option<W>, text: impl Fn(W) -> &'static str, usual: T) -> T {
        word.and_then(|word| text(word).parse().ok()).unwrap_or(usual)
    }
    Release {
        sizes: said(asked.sizes, pool::Sizes::as_str, usual.sizes),
        times: said(asked.times, pool::Times::as_str, usual.times),
        failures: said(asked.failures, pool::Failures::as_str, usual.failures),
    }
}

/// What a word of the promise's is on the wire; the strictest, if it is not there.
fn shown(release: Release) -> pool::Release {
    let Release { sizes, times, failures } = release;
    pool::Release {
        sizes: sizes.as_str().parse().unwrap_or(pool::Sizes::Fixed16M),
        times: times.as_str().parse().unwrap_or(pool::Times::Deadline),
        failures: failures.as_str().parse().unwrap_or(pool::Failures::Alike),
    }
}

pub(crate) fn pool(info: PoolInfo) -> Pool {
    Pool {
        name: info.name,
        retain: match info.spec.retain {
            Retain::Forever => pool::Retain::Forever,
            Retain::Micros(micros) => pool::Retain::For(Duration::from_micros(micros)),
        },
        durability: match (info.spec.kept, info.spec.durability) {
            (Kept::InMemory, _) => pool::Durability::Volatile,
            (Kept::OnDisk, Durability::Delivered) => pool::Durability::Delivered,
            (Kept::OnDisk, Durability::MajorityDurable) => pool::Durability::MajorityDurable,
            (Kept::OnDisk, Durability::AllDurable) => pool::Durability::AllDurable,
        },
        consistency: match info.spec.consistency {
            Consistency::Linearizable => pool::Consistency::Linearizable,
            Consistency::Causal => pool::Consistency::Causal,
            Consistency::Scratch => pool::Consistency::Scratch,
        },
        transport: match info.spec.transport {
            Transport::Sealed => pool::Transport::Sealed,
            _ => pool::Transport::Tls,
        },
        label: info.spec.label,
        release: shown(info.spec.release),
        created: version(info.created.version),
        time: time(info.created.time),
        objects: info.objects,
        size_bytes: info.bytes,
    }
}

pub(crate) fn history_entry(entry: StoredVersion) -> HistoryEntry {
    HistoryEntry {
        version: version(entry.version),
        time: time(entry.time),
        change: change(entry.kind),
        size_bytes: entry.plain_len,
        readable: entry.kind == ChangeKind::Put,
    }
}

pub(crate) fn watch_event(changed: &Change) -> WatchEvent {
    WatchEvent {
        version: version(changed.version),
        time: time(changed.time),
        key: changed.key.clone(),
        change: change(changed.kind),
        size_bytes: changed.plain_len,
    }
}

fn change(kind: ChangeKind) -> WireChange {
    match kind {
        ChangeKind::Put => WireChange::Put,
        ChangeKind::Delete => WireChange::Delete,
        ChangeKind::Shred => WireChange::Shred,
    }
}

pub(crate) fn shred_receipt(
    pool: PoolName,
    key: Option<ObjectKey>,
    shredded: Shredded,
) -> ShredReceipt {
    ShredReceipt {
        pool,
        key,
        version: version(shredded.place.version),
        time: time(shredded.place.time),
        versions_destroyed: shredded.versions,
        replicas: shredded.replicas,
        digest: shredded.digest,
        receipt: None,
    }
}

pub(crate) fn task_accepted(about: TaskAbout, name: Option<TaskName>) -> task::TaskAccepted {
    task::TaskAccepted {
        digest: about.digest,
        world: about.world,
        imports: about.imports,
        size_bytes: about.size_bytes,
        name,
        services: Vec::new(),
    }
}

pub(crate) fn task(info: TaskInfo) -> task::Task {
    task::Task {
        digest: info.about.digest,
        world: info.about.world,
        imports: info.about.imports,
        size_bytes: info.about.size_bytes,
        state: task_state(info.state),
        names: info
            .names
            .into_iter()
            .map(|(name, at)| task::NamedAs { name, version: version(at) })
            .collect(),
        time: time(info.about.time),
        services: Vec::new(),
    }
}

pub(crate) fn task_state(state: TaskState) -> task::TaskState {
    match state {
        TaskState::Compiling => task::TaskState::Compiling,
        TaskState::Ready => task::TaskState::Ready,
        TaskState::Failed => task::TaskState::Failed,
    }
}

pub(crate) fn mitigation(mitigation: &Mitigation) -> node::Mitigation {
    node::Mitigation {
        name: mitigation.name.to_owned(),
        state: match mitigation.state {
            notrace_platform_node::MitigationState::On => node::MitigationState::On,
            notrace_platform_node::MitigationState::Off => node::MitigationState::Off,
            notrace_platform_node::MitigationState::Unknown => node::MitigationState::Unknown,
        },
        required: mitigation.required,
        meaning: mitigation.meaning.to_owned(),
        remedy: mitigation.remedy.to_owned(),
    }
}

pub(crate) fn announced_key(key: AnnouncedKey) -> node::AnnouncedKey {
    node::AnnouncedKey {
        epoch: key.epoch.to_string(),
        until: Time::from_unix_micros(key.until_unix_s.saturating_mul(1_000_000)),
        note: key.note,
    }
}

pub(crate) fn exhausted(resource: Resource) -> Exhausted {
    match resource {
        Resource::Fuel => Exhausted::Fuel,
        Resource::Time => Exhausted::Time,
        Resource::Memory => Exhausted::Memory,
        Resource::Output => Exhausted::Output,
    }
}

pub(crate) fn module_code(why: &ModuleRefused) -> Code {
    // The sandbox's codes are the wire's, word for word.
    why.code().parse().unwrap_or(Code::ModuleMalformed)
}

/// What a refused module's problem carries besides its sentence.
pub(crate) fn module_refusal(why: ModuleRefused, problem: &mut Problem) {
    match why {
        ModuleRefused::Import(import) => {
            problem.import = Some(import.name.to_string());
            problem.nearest = import.near.map(|near| near.to_string());
        }
        ModuleRefused::Truncated { offset, .. }
        | ModuleRefused::Malformed { offset, .. }
        | ModuleRefused::Feature { offset, .. } => problem.offset = Some(offset),
        ModuleRefused::TooLarge { bytes, bytes_max } => {
            problem.used = Some(bytes);
            problem.limit = Some(bytes_max);
        }
        _ => {}
    }
}
