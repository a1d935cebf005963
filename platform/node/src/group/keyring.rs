//! The pools' keys on their way between members: a machine in memory alone.
//!
//! What is ordered is a key wrapped under the group's key, which every member has and no log or
//! snapshot holds. Nothing of this shard is ever written, so what is removed from it is gone; each
//! member keeps its keys in its own table, which forgets for good.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use notrace_policy_promise::name::PoolName;
use notrace_store_protocol::machine::{Machine, Malformed, Place};
use serde::{Deserialize, Serialize};

use crate::keys::Epoch;
use crate::limits::{KEYS_MAX, REMOVED_KEYS_MAX};

/// Which key of which pool.
pub(crate) type KeyPlace = (String, Epoch);

/// All keys, wrapped, and those that were destroyed lately.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize, Default)]
pub(crate) struct Keyring {
    keys: BTreeMap<KeyPlace, Vec<u8>>,
    removed: BTreeSet<KeyPlace>,
    /// The same, the oldest first.
    by_age: VecDeque<KeyPlace>,
}

/// A change of it.
#[derive(Serialize, Deserialize)]
pub(crate) enum Command {
    /// Adds a key, unless there is one in its place already.
    Add { place: KeyPlace, wrapped: Vec<u8> },
    /// Destroys a key for ever: none can take its place.
    Remove { place: KeyPlace },
}

/// What came of it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Reply {
    /// It was done.
    Done,
    /// There is a key in its place, which is not another's to replace.
    There,
    /// The place is one of a key that was destroyed.
    Removed,
    /// There are as many keys as there may be.
    Full,
}

impl Keyring {
    /// The keys, wrapped.
    pub(crate) fn keys(&self) -> &BTreeMap<KeyPlace, Vec<u8>> {
        &self.keys
    }

    /// The highest number that a key of this pool has or had, 0 for none.
    pub(crate) fn last_epoch(&self, pool: &PoolName) -> Epoch {
        let all = self.keys.keys().chain(&self.removed);
        let own = all.filter(|(name, _)| name == pool.as_str());
        own.map(|(_, epoch)| *epoch).max().unwrap_or(0)
    }

    /// Whether a key was destroyed by an order that this machine has seen.
    pub(crate) fn is_removed(&self, pool: &PoolName, epoch: Epoch) -> bool {
        self.removed.contains(&(pool.as_str().to_owned(), epoch))
    }
}

impl Machine for Keyring {
    type Command = Command;
    type Reply = Reply;

    fn encode(command: &Command) -> Vec<u8> {
        // Only a failing sink could make this fail, and memory takes every byte.
        postcard::to_stdvec(command).unwrap_or_default()
    }

    fn decode(bytes: &[u8]) -> Result<Command, Malformed> {
        postcard::from_bytes(bytes).map_err(|_| Malformed)
    }

    fn apply(&mut self, _place: Place, command: Command) -> Reply {
        match command {
            Command::Add { place, .. } if self.removed.contains(&place) => Reply::Removed,
            Command::Add { place, .. } if self.keys.contains_key(&place) => Reply::There,
            Command::Add { .. } if self.keys.len() >= KEYS_MAX => Reply::Full,
            Command::Add { place, wrapped } => {
                self.keys.insert(place, wrapped);
                Reply::Done
            }
            Command::Remove { place } => {
                self.keys.remove(&place);
                if self.removed.insert(place.clone()) {
                    self.by_age.push_back(place);
                }
                if self.removed.len() > REMOVED_KEYS_MAX
                    && let Some(oldest) = self.by_age.pop_front()
                {
                    self.removed.remove(&oldest);
                }
                Reply::Done
            }
        }
    }

    fn snapshot(&self) -> Vec<u8> {
        postcard::to_stdvec(self).unwrap_or_default()
    }

    fn restore(bytes: &[u8]) -> Result<Self, Malformed> {
        postcard::from_bytes(bytes).map_err(|_| Malformed)
    }
}

#[cfg(test)]
mod the_keyring {
    use super::*;

    #[test]
    fn keeps_the_first_key_of_a_place_and_takes_none_after_its_end() {
        let mut ring = Keyring::default();
        let place = || ("a".to_owned(), 1);
        let add = |byte| Command::Add { place: place(), wrapped: vec![byte] };
        assert_eq!(ring.apply(Place::ZERO, add(1)), Reply::Done);
        assert_eq!(ring.apply(Place::ZERO, add(2)), Reply::There);
        assert_eq!(ring.keys().get(&place()), Some(&vec![1]));
        ring.apply(Place::ZERO, Command::Remove { place: place() });
        assert_eq!(ring.apply(Place::ZERO, add(3)), Reply::Removed);
        assert!(ring.keys().is_empty() && ring.is_removed(&"a".parse().unwrap(), 1));
        assert!(Keyring::restore(&ring.snapshot()).unwrap() == ring);
    }

    #[test]
    fn forgets_what_was_removed_longest_ago() {
        let mut ring = Keyring::default();
        let mut remove = |pool: &str, epoch| {
            ring.apply(Place::ZERO, Command::Remove { place: (pool.to_owned(), epoch) });
        };
        (0..REMOVED_KEYS_MAX as Epoch).for_each(|epoch| remove("b", epoch));
        remove("a", 1);
        assert!(ring.is_removed(&"a".parse().unwrap(), 1));
        assert!(!ring.is_removed(&"b".parse().unwrap(), 0));
        assert!(ring.is_removed(&"b".parse().unwrap(), 1));
    }
}
