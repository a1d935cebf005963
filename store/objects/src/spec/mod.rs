//! What the store does, as stories and against a model.

mod bounds;
mod bytes;
mod model;
mod questions;
mod random;
mod shredding;
mod stories;

use std::sync::Arc;

use notrace_policy_promise::name::{ObjectKey, PoolName};
use notrace_policy_promise::release::{Failures, Release, Sizes, Times};
use notrace_store_protocol::ids::Version;
use notrace_store_protocol::machine::{Durability, Machine, Place};
use notrace_store_protocol::time::Hlc;

use crate::{
    Command, Condition, Consistency, Kept, Objects, ObjectsConfig, PoolSpec, Reply, Retain, Sealed,
    Session, ShredScope, Transport, WrappedKey,
};

pub(crate) fn pool() -> PoolName {
    "photos".parse().unwrap()
}

pub(crate) fn key(text: &str) -> ObjectKey {
    text.parse().unwrap()
}

/// The place of the `number`th update: a second after the one before.
pub(crate) fn place(number: u64) -> Place {
    let time = Hlc::from_unix_micros(number * 1_000_000);
    Place { version: Version::from_wire((1 << 40) + number), time }
}

pub(crate) fn version(number: u64) -> Version {
    place(number).version
}

pub(crate) fn spec(retain: Retain) -> PoolSpec {
    PoolSpec {
        retain,
        durability: Durability::AllDurable,
        kept: Kept::OnDisk,
        consistency: Consistency::Linearizable,
        transport: Transport::Tls,
        label: Some("medical".parse().unwrap()),
        release: Release { sizes: Sizes::Padme, times: Times::Second, failures: Failures::Alike },
    }
}

/// A value that says which key wrapped it, as a real wrapped key does by opening or not.
pub(crate) fn sealed(text: &str, epoch: u32) -> Sealed {
    let mut id = [0; 16];
    id.iter_mut().zip(text.bytes()).for_each(|(place, byte)| *place = byte);
    Sealed {
        ciphertext: Arc::from(text.as_bytes()),
        wrapped_key: wrapped(&id, epoch),
        key_epoch: epoch,
        plain_len: text.len() as u64,
        id,
    }
}

pub(crate) fn wrapped(id: &[u8; 16], epoch: u32) -> WrappedKey {
    let mut bytes = epoch.to_be_bytes().to_vec();
    bytes.extend_from_slice(id);
    WrappedKey::new(&bytes).unwrap()
}

/// A machine and how many updates it has seen.
pub(crate) struct Store {
    pub(crate) objects: Objects,
    pub(crate) applied: u64,
}

impl Store {
    pub(crate) fn new() -> Self {
        Self { objects: Objects::new(ObjectsConfig::default()), applied: 0 }
    }

    /// A store with one pool, made by update 1.
    pub(crate) fn with_pool() -> Self {
        let mut store = Self::new();
        store.create(Retain::Forever);
        store
    }

    pub(crate) fn create(&mut self, retain: Retain) -> Reply {
        self.apply(Command::CreatePool { pool: pool(), spec: spec(retain), key_epoch: 1 })
    }

    pub(crate) fn apply(&mut self, command: Command) -> Reply {
        self.applied += 1;
        self.objects.apply(place(self.applied), command)
    }

    pub(crate) fn epoch(&self) -> u32 {
        self.objects.pool(&pool()).unwrap().key_epoch
    }

    pub(crate) fn put(&mut self, at: &str, value: &str) -> Reply {
        self.put_if(at, value, Condition::Always, None)
    }

    pub(crate) fn put_if(
        &mut self,
        at: &str,
        value: &str,
        condition: Condition,
        session: Option<Session>,
    ) -> Reply {
        let value = sealed(value, self.epoch());
        self.apply(Command::Put { pool: pool(), key: key(at), condition, value, session })
    }

    pub(crate) fn delete(&mut self, at: &str) -> Reply {
        let condition = Condition::Always;
        self.apply(Command::Delete { pool: pool(), key: key(at), condition, session: None })
    }

    /// What a node does: reads the survivors, wraps their keys anew, and orders the shred.
    pub(crate) fn shred_command(&self, scope: &ShredScope) -> Command {
        let from_epoch = self.epoch();
        let to_epoch = from_epoch + 1;
        let survivors = self.objects.survivors(&pool(), scope);
        let rewrapped = survivors.into_iter().map(|(id, old, epoch)| {
            assert_eq!(old, wrapped(&id, epoch));
            (id, wrapped(&id, to_epoch))
        });
        let rewrapped = if *scope == ShredScope::Pool { vec![] } else { rewrapped.collect() };
        Command::Shred { pool: pool(), scope: scope.clone(), from_epoch, to_epoch, rewrapped }
    }

    pub(crate) fn shred(&mut self, scope: ShredScope) -> Reply {
        let command = self.shred_command(&scope);
        self.apply(command)
    }

    pub(crate) fn text(&self, at: &str, when: crate::At) -> Result<String, crate::Missing> {
        let found = self.objects.get(&pool(), &key(at), when)?;
        assert_eq!(found.value.wrapped_key, wrapped(&found.value.id, self.epoch()));
        Ok(String::from_utf8(found.value.ciphertext.to_vec()).unwrap())
    }
}
