//! Which nodes there are, where they are found, by which key each is known, and who is invited: a
//! machine of its own.
//!
//! It is on every node's disks, so it holds nothing with which somebody could join or pass for a
//! node: digests of public keys, and what verifies a token.

use std::collections::{BTreeMap, BTreeSet};

use notrace_store_protocol::machine::{Machine, Malformed, Place};
use serde::{Deserialize, Serialize};

use crate::limits::{INVITES_MAX, NODES_MAX, SPENT_INVITES_MAX};

/// What an invitation is called.
pub(crate) type InviteId = [u8; notrace_sdk_seal::INVITE_ID_BYTES];

/// A node of the group, member at the moment or not.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Entry {
    /// Its `HOST:PORT` for other nodes.
    pub(crate) address: String,
    /// Where clients find it.
    pub(crate) url: String,
    /// The digest of the public key that it proves its name with.
    pub(crate) key: [u8; 32],
}

/// An invitation.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Invited {
    /// What verifies proofs of its token.
    pub(crate) verifier: [u8; 32],
    /// The key that proves to the new node that the group knows of the token, wrapped.
    pub(crate) welcome: Vec<u8>,
    /// Until when it is good.
    pub(crate) expires_unix_micros: u64,
}

/// All nodes and all invitations.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize, Default)]
pub(crate) struct Registry {
    /// The highest number that was ever given.
    last: u32,
    nodes: BTreeMap<u32, Entry>,
    /// Those of them that are about to leave for good.
    parting: BTreeSet<u32>,
    invites: BTreeMap<InviteId, Invited>,
    /// Invitations that were used or ran out, and until when they would have been good.
    spent: BTreeMap<InviteId, u64>,
}

/// What the registry knows of a node.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Standing {
    /// It is a node, with this key.
    Known([u8; 32]),
    /// It was one, or is about to be none: links that it has it keeps, and it gets no others.
    Gone,
    /// No node of this number was heard of here.
    Unheard,
}

/// A change of it.
#[derive(Serialize, Deserialize)]
pub(crate) enum Command {
    /// Lets one node in within this time, unless this was ordered before.
    Invite { id: InviteId, invited: Invited },
    /// Uses an invitation up. Which one is meant was proved before.
    Redeem { id: InviteId, entry: Entry },
    /// A node says where it is found; the first one, that there is a group.
    Announce { node: u32, entry: Entry },
    /// A node is about to leave for good. Until it is forgotten it is one.
    Part { node: u32 },
    /// A node that was to leave is no member any more, and none it will be.
    Forget { node: u32 },
}

/// What came of it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Reply {
    /// It was done.
    Done,
    /// The number of the new node.
    Welcome(u32),
    /// The invitation is not there, or not any more; or it is not for this node to say.
    Unknown,
    /// All other nodes are about to leave.
    Last,
    /// There are as many nodes or invitations as there may be.
    Full,
}

impl Registry {
    /// The nodes.
    pub(crate) fn nodes(&self) -> &BTreeMap<u32, Entry> {
        &self.nodes
    }

    /// What is known of a node. What is gone here is gone everywhere, and stays so.
    pub(crate) fn standing(&self, node: u32) -> Standing {
        match self.nodes.get(&node).filter(|_| !self.parting.contains(&node)) {
            Some(entry) => Standing::Known(entry.key),
            None if node <= self.last => Standing::Gone,
            None => Standing::Unheard,
        }
    }

    /// Those who are about to leave.
    pub(crate) fn parting(&self) -> &BTreeSet<u32> {
        &self.parting
    }

    /// An invitation that is good.
    pub(crate) fn invite(&self, id: &InviteId) -> Option<&Invited> {
        self.invites.get(id)
    }

    fn admit(&mut self, id: InviteId, invited: Invited) -> Reply {
        if self.invites.contains_key(&id) {
            return Reply::Done;
        }
        if self.spent.contains_key(&id) {
            return Reply::Unknown;
        }
        if self.invites.len() >= INVITES_MAX {
            return Reply::Full;
        }
        self.invites.insert(id, invited);
        Reply::Done
    }

    fn redeem(&mut self, id: &InviteId, entry: Entry) -> Reply {
        let Some(expires) = self.invites.get(id).map(|invited| invited.expires_unix_micros) else {
            return Reply::Unknown;
        };
        let reply = self.number(entry);
        if matches!(reply, Reply::Welcome(_)) {
            self.invites.remove(id);
            self.spend(*id, expires);
        }
        reply
    }

    /// Gives a new node its number.
    fn number(&mut self, entry: Entry) -> Reply {
        // The founder has the first number, though its word may come late.
        if self.last == 0 {
            return Reply::Unknown;
        }
        if self.nodes.len() >= NODES_MAX {
            return Reply::Full;
        }
        let Some(next) = self.last.checked_add(1) else { return Reply::Full };
        self.last = next;
        self.nodes.insert(next, entry);
        Reply::Welcome(next)
    }

    /// Remembers that an invitation is over, so that the same token does not become one again.
    fn spend(&mut self, id: InviteId, expires: u64) {
        self.spent.insert(id, expires);
        if self.spent.len() > SPENT_INVITES_MAX
            && let Some(first) = self.spent.iter().min_by_key(|(_, expires)| **expires)
        {
            let first = *first.0;
            self.spent.remove(&first);
        }
    }

    fn expire(&mut self, now: u64) {
        let over = self.invites.extract_if(.., |_, it| it.expires_unix_micros <= now);
        let over: Vec<_> = over.map(|(id, it)| (id, it.expires_unix_micros)).collect();
        for (id, expires) in over {
            self.spend(id, expires);
        }
    }

    /// A node speaks for itself: the founder is the first, all others were let in; none that was
    /// forgotten comes back, and none gets another key.
    fn announce(&mut self, node: u32, entry: Entry) -> Reply {
        let founds = self.last == 0 && self.nodes.is_empty();
        let fits = match self.standing(node) {
            Standing::Known(key) => key == entry.key,
            Standing::Gone => false,
            Standing::Unheard => founds,
        };
        if !fits {
            return Reply::Unknown;
        }
        self.last = self.last.max(node);
        self.nodes.insert(node, entry);
        Reply::Done
    }

    fn part(&mut self, node: u32) -> Reply {
        if !self.nodes.contains_key(&node) {
            return Reply::Unknown;
        }
        if self.nodes.keys().all(|other| *other == node || self.parting.contains(other)) {
            return Reply::Last;
        }
        self.parting.insert(node);
        Reply::Done
    }

    fn forget(&mut self, node: u32) -> Reply {
        if !self.parting.remove(&node) {
            return Reply::Unknown;
        }
        self.nodes.remove(&node);
        Reply::Done
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
        self.expire(place.time.unix_micros());
        match command {
            Command::Invite { id, invited } => self.admit(id, invited),
            Command::Redeem { id, entry } => self.redeem(&id, entry),
            Command::Announce { node, entry } => self.announce(node, entry),
            Command::Part { node } => self.part(node),
            Command::Forget { node } => self.forget(node),
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

    fn entry(address: &str, key: u8) -> Entry {
        Entry { address: address.to_owned(), url: String::new(), key: [key; 32] }
    }

    fn invite(id: u8, expires_unix_micros: u64) -> Command {
        let (verifier, welcome) = ([id; 32], vec![id]);
        Command::Invite { id: [id; 8], invited: Invited { verifier, welcome, expires_unix_micros } }
    }

    fn redeem(id: u8) -> Command {
        Command::Redeem { id: [id; 8], entry: entry("n:1", id) }
    }

    fn founded() -> Registry {
        let mut registry = Registry::default();
        let founder = Command::Announce { node: 1, entry: entry("a:1", 1) };
        assert_eq!(registry.apply(at(1), founder), Reply::Done);
        registry
    }

    #[test]
    fn lets_one_node_in_for_each_invitation_while_it_is_good() {
        let mut registry = founded();
        assert_eq!(registry.apply(at(2), invite(7, 100)), Reply::Done);
        assert_eq!(registry.apply(at(3), invite(8, 10)), Reply::Done);
        assert!(registry.invite(&[7; 8]).is_some_and(|it| it.verifier == [7; 32]));
        assert_eq!(registry.apply(at(20), redeem(7)), Reply::Welcome(2));
        assert_eq!(registry.apply(at(21), redeem(7)), Reply::Unknown);
        assert_eq!(registry.apply(at(22), redeem(8)), Reply::Unknown);
        registry.apply(at(23), Command::Forget { node: 2 });
        registry.apply(at(24), invite(9, 100));
        assert_eq!(registry.apply(at(25), redeem(9)), Reply::Welcome(3), "no number comes twice");
        let again = Registry::restore(&registry.snapshot()).unwrap();
        assert!(again == registry);
    }

    #[test]
    fn takes_a_token_again_only_until_it_is_used_or_has_run_out() {
        let mut registry = founded();
        for time in [2, 3] {
            assert_eq!(registry.apply(at(time), invite(7, 100)), Reply::Done);
        }
        // Asking again with a later end does not make it last.
        assert_eq!(registry.apply(at(4), invite(7, 1000)), Reply::Done);
        assert!(registry.invite(&[7; 8]).is_some_and(|it| it.expires_unix_micros == 100));
        assert_eq!(registry.apply(at(5), invite(8, 100)), Reply::Done);
        assert_eq!(registry.apply(at(6), redeem(7)), Reply::Welcome(2));
        assert_eq!(registry.apply(at(7), invite(7, 1000)), Reply::Unknown, "it was used");
        assert_eq!(registry.apply(at(200), invite(8, 1000)), Reply::Unknown, "it ran out");
        let mut again = Registry::restore(&registry.snapshot()).unwrap();
        assert_eq!(again.apply(at(201), invite(7, 1000)), Reply::Unknown);
        assert_eq!(again.apply(at(202), redeem(7)), Reply::Unknown);
    }

    #[test]
    fn remembers_only_so_many_used_tokens() {
        let mut registry = founded();
        for number in 0..=SPENT_INVITES_MAX as u64 {
            let mut id = [0; 8];
            id.copy_from_slice(&number.to_be_bytes());
            registry.spend(id, number);
        }
        assert_eq!(registry.spent.len(), SPENT_INVITES_MAX);
        assert!(!registry.spent.contains_key(&[0; 8]), "the oldest goes first");
    }

    #[test]
    fn takes_nobody_back_who_was_forgotten() {
        let mut registry = founded();
        registry.apply(at(2), invite(7, 100));
        registry.apply(at(3), redeem(7));
        assert_eq!(registry.standing(2), Standing::Known([7; 32]));
        assert_eq!(registry.apply(at(4), Command::Part { node: 2 }), Reply::Done);
        assert!(registry.nodes().contains_key(&2), "it has not left yet");
        assert_eq!(registry.standing(2), Standing::Gone);
        registry.apply(at(5), Command::Forget { node: 2 });
        assert_eq!(registry.standing(2), Standing::Gone);
        assert!(registry.parting().is_empty());
        let back = Command::Announce { node: 2, entry: entry("n:1", 7) };
        assert_eq!(registry.apply(at(6), back), Reply::Unknown);
        let stranger = Command::Announce { node: 9, entry: entry("x:1", 9) };
        assert_eq!(registry.apply(at(7), stranger), Reply::Unknown);
        assert_eq!(
            (registry.standing(2), registry.standing(9)),
            (Standing::Gone, Standing::Unheard)
        );
    }

    #[test]
    fn knows_each_node_by_one_key() {
        let mut registry = founded();
        let moved = Command::Announce { node: 1, entry: entry("b:1", 1) };
        assert_eq!(registry.apply(at(2), moved), Reply::Done);
        let other = Command::Announce { node: 1, entry: entry("c:1", 2) };
        assert_eq!(registry.apply(at(3), other), Reply::Unknown);
        assert_eq!(registry.standing(1), Standing::Known([1; 32]));
        assert_eq!(registry.nodes().get(&1).map(|entry| entry.address.as_str()), Some("b:1"));
    }

    #[test]
    fn numbers_nobody_before_its_founder() {
        let mut registry = Registry::default();
        registry.apply(at(1), invite(7, 100));
        assert_eq!(registry.apply(at(2), redeem(7)), Reply::Unknown);
        registry.apply(at(3), Command::Announce { node: 1, entry: entry("a:1", 1) });
        assert_eq!(registry.apply(at(4), redeem(7)), Reply::Welcome(2));
    }

    #[test]
    fn forgets_only_who_was_to_leave() {
        let mut registry = founded();
        registry.apply(at(2), invite(7, 100));
        registry.apply(at(2), redeem(7));
        assert_eq!(registry.apply(at(2), Command::Forget { node: 1 }), Reply::Unknown);
        assert_eq!(registry.apply(at(3), Command::Part { node: 5 }), Reply::Unknown);
        assert_eq!(registry.standing(1), Standing::Known([1; 32]));
    }

    #[test]
    fn lets_one_node_stay() {
        let mut registry = founded();
        assert_eq!(registry.apply(at(2), Command::Part { node: 1 }), Reply::Last);
        registry.apply(at(3), invite(7, 100));
        registry.apply(at(4), redeem(7));
        assert_eq!(registry.apply(at(5), Command::Part { node: 2 }), Reply::Done);
        assert_eq!(registry.apply(at(6), Command::Part { node: 2 }), Reply::Done, "asked twice");
        assert_eq!(registry.apply(at(7), Command::Part { node: 1 }), Reply::Last);
        registry.apply(at(8), Command::Forget { node: 2 });
        assert_eq!(registry.apply(at(9), Command::Part { node: 1 }), Reply::Last);
    }
}
