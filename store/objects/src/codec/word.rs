//! The parts that commands and snapshots have in common, in their serialised form.

use notrace_policy_promise::name::{ObjectKey, PoolName};
use notrace_policy_promise::release::{Failures, Release, Sizes, Times};
use notrace_store_protocol::ids::Version;
use notrace_store_protocol::machine::{Durability, Malformed, Place};
use notrace_store_protocol::time::Hlc;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::command::ObjectsConfig;
use crate::found::ChangeKind;
use crate::pool::{Consistency, Kept, PoolSpec, Retain, Transport};
use crate::sealed::WrappedKey;

/// Bytes that are written as one piece rather than as a sequence of numbers.
#[derive(Clone, Copy)]
pub(super) struct Bytes<'a>(pub(super) &'a [u8]);

impl Serialize for Bytes<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_bytes(self.0)
    }
}

impl<'de: 'a, 'a> Deserialize<'de> for Bytes<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        <&'a [u8]>::deserialize(deserializer).map(Self)
    }
}

impl Bytes<'_> {
    pub(super) fn wrapped_key(self) -> Result<WrappedKey, Malformed> {
        WrappedKey::new(self.0).ok_or(Malformed)
    }
}

#[derive(Clone, Copy, Serialize, Deserialize)]
pub(super) struct PlaceWord(u64, u64);

impl PlaceWord {
    pub(super) fn of(place: Place) -> Self {
        Self(place.version.to_wire(), place.time.to_wire())
    }

    pub(super) fn place(self) -> Place {
        Place { version: Version::from_wire(self.0), time: Hlc::from_wire(self.1) }
    }
}

#[derive(Clone, Copy, Serialize, Deserialize)]
pub(super) struct ConfigWord(u64, u32);

impl ConfigWord {
    pub(super) fn of(config: ObjectsConfig) -> Self {
        Self(config.bytes_max, config.pools_max)
    }

    pub(super) fn config(self) -> ObjectsConfig {
        ObjectsConfig { bytes_max: self.0, pools_max: self.1 }
    }
}

#[derive(Serialize, Deserialize)]
pub(super) struct SpecWord<'a> {
    retain_micros: Option<u64>,
    durability: u8,
    consistency: u8,
    transport: u8,
    #[serde(borrow)]
    label: Option<&'a str>,
    /// Sizes, times, failures.
    release: (u8, u8, u8),
}

/// What stands for a pool that is never on a disk, and so is as durable as memory.
const IN_MEMORY: u8 = 3;

impl<'a> SpecWord<'a> {
    pub(super) fn of(spec: &'a PoolSpec) -> Self {
        Self {
            retain_micros: match spec.retain {
                Retain::Forever => None,
                Retain::Micros(micros) => Some(micros),
            },
            durability: match (spec.kept, spec.durability) {
                (Kept::InMemory, _) => IN_MEMORY,
                (Kept::OnDisk, Durability::Delivered) => 0,
                (Kept::OnDisk, Durability::MajorityDurable) => 1,
                (Kept::OnDisk, Durability::AllDurable) => 2,
            },
            consistency: match spec.consistency {
                Consistency::Linearizable => 0,
                Consistency::Causal => 1,
                Consistency::Scratch => 2,
            },
            transport: match spec.transport {
                Transport::Any => 0,
                Transport::Sealed => 1,
                Transport::Tls => 2,
            },
            label: spec.label.as_ref().map(|label| label.as_str()),
            release: {
                let Release { sizes, times, failures } = spec.release;
                (sizes.code(), times.code(), failures.code())
            },
        }
    }

    pub(super) fn spec(&self) -> Result<PoolSpec, Malformed> {
        Ok(PoolSpec {
            retain: self.retain_micros.map_or(Retain::Forever, Retain::Micros),
            durability: match self.durability {
                0 | IN_MEMORY => Durability::Delivered,
                1 => Durability::MajorityDurable,
                2 => Durability::AllDurable,
                _ => return Err(Malformed),
            },
            kept: if self.durability == IN_MEMORY { Kept::InMemory } else { Kept::OnDisk },
            consistency: match self.consistency {
                0 => Consistency::Linearizable,
                1 => Consistency::Causal,
                2 => Consistency::Scratch,
                _ => return Err(Malformed),
            },
            transport: match self.transport {
                0 => Transport::Any,
                1 => Transport::Sealed,
                2 => Transport::Tls,
                _ => return Err(Malformed),
            },
            label: match self.label {
                Some(label) => Some(label.parse().map_err(|_| Malformed)?),
                None => None,
            },
            release: self.release().ok_or(Malformed)?,
        })
    }
}

impl SpecWord<'_> {
    fn release(&self) -> Option<Release> {
        let (sizes, times, failures) = self.release;
        Some(Release {
            sizes: Sizes::from_code(sizes)?,
            times: Times::from_code(times)?,
            failures: Failures::from_code(failures)?,
        })
    }
}

pub(super) fn kind_word(kind: ChangeKind) -> u8 {
    match kind {
        ChangeKind::Put => 0,
        ChangeKind::Delete => 1,
        ChangeKind::Shred => 2,
    }
}

pub(super) fn kind(word: u8) -> Result<ChangeKind, Malformed> {
    match word {
        0 => Ok(ChangeKind::Put),
        1 => Ok(ChangeKind::Delete),
        2 => Ok(ChangeKind::Shred),
        _ => Err(Malformed),
    }
}

pub(super) fn pool_name(text: &str) -> Result<PoolName, Malformed> {
    PoolName::from_stored(text).map_err(|_| Malformed)
}

pub(super) fn object_key(text: &str) -> Result<ObjectKey, Malformed> {
    text.parse().map_err(|_| Malformed)
}
