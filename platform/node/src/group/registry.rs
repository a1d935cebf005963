//! Which nodes there are, where they are found, and who is invited: a machine of its own.

use std::collections::BTreeMap;

use notrace_store_protocol::machine::{Machine, Malformed, Place};
use serde::{Deserialize, Serialize};

use crate::limits::{INVITES_MAX, NODES_MAX};

/// A node of the group, member at the moment or not.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Entry {
    /// Its `HOST:PORT` for other nodes.
    pub(crate) address: String,
    /// Where clients find it.
    pub(crate) url: String,
}

/// An invitation: the key of its token, and until when it is good.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Invited {
    key: [u8; 32],
    expires_unix_micros: u64,
}

/// All nodes and all invitations.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize, Default)]
pub(crate) struct Registry {
    /// The highest number that was ever given.
    last: u32,
    nodes: BTreeMap<u32, Entry>,
    invites: BTreeMap<[u8; 8], Invited>,
}

/// A change of it.
#[derive(Serialize, Deserialize)]
pub(crate) enum Command {
    /// Lets one node in within this time.
    Invite { id: [u8; 8], key: [u8; 32], expires_unix_micros: u64 },
    /// Uses an invitation up. Which one is meant was proved before.
    Redeem { id: [u8; 8], entry: Entry },
    /// A node says where it is found.
    Announce { node: u32, entry: Entry },
    /// A node left for good.
    Forget { node: u32 },
}

/// What came of it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Reply {
    /// It was done.
    Done,
    /// The number of the new node.
    Welcome(u32),
    /// The invitation is not there, or not any more.
    Unknown,
    /// There are as many nodes or invitations as there may be.
    Full,
}

impl Registry {
    /// The nodes.
    pub(crate) fn nodes(&self) -> &BTreeMap<u32, Entry> {
        &self.nodes
    }

    /// The key of an invitation.
    pub(crate) fn invite(&self, id: &[u8; 8]) -> Option<[u8; 32]> {
        self.invites.get(id).map(|invited| invited.key)
    }

    fn redeem(&mut self, id: &[u8; 8], entry: Entry) -> Reply {
        if !self.invites.contains_key(id) {
            return Reply::Unknown;
        }
        if self.nodes.len() >= NODES_MAX {
            return Reply::Full;
        }
        let Some(next) = self.last.checked_add(1) else { return Reply::Full };
        self.invites.remove(id);
        self.last = next;
        self.nodes.insert(next, entry);
        Reply::Welcome(next)
    }
}

impl Machine for Registry {
    type Command = Command;
    type Reply = Reply;

    fn encode(command: &Command) -> Vec<u8> {
        // Only a failing sink could make this fail, and memory takes every byte.
        postcard::to_stdvec(command).unwrap_or_default()
    }

    fn decode(bytes: &[u8]) -> Result<Command, Malformed> {
        postcard::from_bytes(bytes).map_err(|_| Malformed)
    }

    fn apply(&mut self, place: Place, command: Command) -> Reply {
        let now = place.time.unix_micros();
        self.invites.retain(|_, invited| invited.expires_unix_micros > now);
        match command {
            Command::Invite { id, key, expires_unix_micros } => {
                if self.invites.len() >= INVITES_MAX {
                    return Reply::Full;
                }
                self.invites.insert(id, Invited { key, expires_unix_micros });
                Reply::Done
            }
            Command::Redeem { id, entry } => self.redeem(&id, entry),
            Command::Announce { node, entry } => {
                if self.nodes.len() >= NODES_MAX && !self.nodes.contains_key(&node) {
                    return Reply::Full;
                }
                self.last = self.last.max(node);
                self.nodes.insert(node, entry);
                Reply::Done
            }
            Command::Forget { node } => {
                self.nodes.remove(&node);
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
mod the_registry {
    use notrace_store_protocol::ids::Version;
    use notrace_store_protocol::time::Hlc;

    use super::*;

    fn at(micros: u64) -> Place {
        let time = Hlc::from_unix_micros(micros);
        Place { version: Version::from_wire(micros), time }
    }

    fn entry(address: &str) -> Entry {
        Entry { address: address.to_owned(), url: String::new() }
    }

    #[test]
    fn lets_one_node_in_for_each_invitation_while_it_is_good() {
        let mut registry = Registry::default();
        let invite = |id: u8, expires_unix_micros| Command::Invite {
            id: [id; 8],
            key: [id; 32],
            expires_unix_micros,
        };
        let redeem = |id: u8| Command::Redeem { id: [id; 8], entry: entry("n:1") };
        registry.apply(at(1), Command::Announce { node: 1, entry: entry("a:1") });
        assert_eq!(registry.apply(at(2), invite(7, 100)), Reply::Done);
        assert_eq!(registry.apply(at(3), invite(8, 10)), Reply::Done);
        assert_eq!(registry.invite(&[7; 8]), Some([7; 32]));
        assert_eq!(registry.apply(at(20), redeem(7)), Reply::Welcome(2));
        assert_eq!(registry.apply(at(21), redeem(7)), Reply::Unknown);
        assert_eq!(registry.apply(at(22), redeem(8)), Reply::Unknown);
        registry.apply(at(23), Command::Forget { node: 2 });
        registry.apply(at(24), invite(9, 100));
        assert_eq!(registry.apply(at(25), redeem(9)), Reply::Welcome(3), "no number comes twice");
        let again = Registry::restore(&registry.snapshot()).unwrap();
        assert!(again == registry);
    }
}
