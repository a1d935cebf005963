//! The task that follows the registry and the keyring: it tells the member where others are found,
//! keeps this node's key table as the keyring says, and answers those who ask whether it has.

use std::collections::BTreeMap;
use std::sync::{Arc, Weak};
use std::time::Duration;

use notrace_policy_promise::name::PoolName;
use notrace_store_protocol::ids::{NodeId, ShardId, Version};
use notrace_store_protocol::machine::Durability;
use notrace_store_protocol::view::{Fate, View};
use tokio::sync::{Semaphore, mpsc};
use zeroize::Zeroizing;

use super::keyring::{self, KeyPlace};
use super::place::{Other, hex};
use super::registry;
use super::{Called, KEYS, Links, MEMORY, REGISTRY, far, latest_of, ledger};
use crate::keys::Epoch;
use crate::limits::{CALLS_ANSWERED_MAX, KEYS_SETTLE_MAX};
use crate::node::{Inner, Node};
use crate::refusal::Refusal;

/// Asked of another member: whether its key table is as the keyring says up to a version.
const SETTLED: u8 = 1;

impl Node {
    /// Begins to follow the group, where there are others.
    pub(crate) fn keep_group(&self) {
        let Some(calls) = self.group().calls.lock().ok().and_then(|mut calls| calls.take()) else {
            return;
        };
        if self.group().links.is_none() {
            return;
        }
        tokio::spawn(answer(self.downgrade(), calls));
        self.keep_ledger();
        tokio::spawn(follow(self.downgrade()));
    }

    /// Tells everybody where this node is found.
    pub(crate) async fn announce(&self) -> Result<(), Refusal> {
        let Some(links) = &self.group().links else { return Ok(()) };
        let (address, url) = (links.address.clone(), self.config().url.clone());
        let entry = registry::Entry { address, url, key: self.identity().member_key() };
        let node = links.node.number();
        let (known, parts) = self.group().registry.read(|registry| {
            (registry.nodes().get(&node) == Some(&entry), registry.parting().contains(&node))
        });
        if known || parts {
            return Ok(());
        }
        let command = registry::Command::Announce { node, entry };
        let sent = self.group().registry.ordered_send(command, Durability::MajorityDurable).await;
        sent.map(drop).map_err(|_| Refusal::Unavailable)
    }

    /// Where the others are, as the registry says.
    fn follow_registry(&self, links: &Links) {
        let nodes = self.group().registry.read(|registry| registry.nodes().clone());
        let member = &self.group().member;
        for gone in links.known().into_iter().filter(|number| !nodes.contains_key(number)) {
            // One that joins knows others before the registry has come to it.
            let is_gone =
                self.group().registry.read(|it| it.standing(gone) == registry::Standing::Gone);
            if let Some(gone) = NodeId::new(gone).filter(|_| is_gone) {
                member.forget(gone);
            }
        }
        let mut others = Vec::new();
        for (number, entry) in &nodes {
            let Some(node) = NodeId::new(*number).filter(|node| *node != links.node) else {
                continue;
            };
            member.know(node, &entry.address);
            let (address, key) = (entry.address.clone(), hex(&entry.key));
            others.push(Other { node: *number, address, key });
        }
        if others.is_empty() && nodes.is_empty() {
            return;
        }
        links.note(&self.config().dir, others);
    }

    /// Forgets who was to leave and is no member any more; one node sees to it.
    async fn forget_parted(&self) -> Result<(), Refusal> {
        let status = self.group().member.status();
        let Some(view) = status.view.as_ref().filter(|_| self.leads(REGISTRY)) else {
            return Ok(());
        };
        let parting = self.group().registry.read(|registry| registry.parting().clone());
        let is_member =
            |number: u32| NodeId::new(number).is_some_and(|it| view.rank_of(it).is_some());
        for node in parting.into_iter().filter(|number| !is_member(*number)) {
            let command = registry::Command::Forget { node };
            let sent = self.group().registry.ordered_send(command, Durability::MajorityDurable);
            sent.await.map_err(|_| Refusal::Unavailable)?;
        }
        Ok(())
    }

    /// Makes the key table what the keyring says: keys that came are kept, keys that were removed
    /// are destroyed. Keys that the keyring does not know, after all members were down, are given
    /// to it.
    async fn follow_keyring(&self, links: &Links) -> Result<(), Refusal> {
        // One at a time: what one saw before a key was removed, it must not keep after another has
        // destroyed it and said so.
        let _following = links.following.lock().await;
        let (keys, removed) = self.group().keyring.read(|ring| {
            let mine = self.key_places();
            let removed = mine.iter().filter(|(pool, epoch)| ring.is_removed(pool, *epoch));
            (ring.keys().clone(), removed.cloned().collect::<Vec<_>>())
        });
        let (live, mine) = (self.live_keys_here(), self.key_places());
        for ((pool, epoch), wrapped) in &keys {
            let Ok(name) = PoolName::from_stored(pool) else { continue };
            let current = live.get(&name).copied();
            let (old, known) =
                (current.is_some_and(|current| *epoch < current), current == Some(*epoch));
            // What a shred has done away with does not come back, and what opens a pool is not
            // replaced.
            if old || known && mine.contains(&(name.clone(), *epoch)) {
                continue;
            }
            let Some(key) = links.unwrap(pool, *epoch, wrapped) else { continue };
            let bytes = key.reveal(|bytes| Zeroizing::new(*bytes));
            if !self.has_key(&name, *epoch, &bytes) {
                self.change_keys(|table| table.keep(&name, *epoch, &bytes))?;
            }
        }
        if !removed.is_empty() {
            self.change_keys(|table| table.destroy(&removed))?;
        }
        self.give_keys(links, &keys).await
    }

    /// The same once everything that was ordered in the keyring is here.
    pub(crate) async fn follow_keyring_now(&self) -> Result<(), Refusal> {
        let Some(links) = &self.group().links else { return Ok(()) };
        // Kept in memory alone: after all were down at once there is nothing until it is refounded.
        self.refound_memory();
        latest_of(&self.group().keyring).await?;
        self.follow_keyring(links).await
    }

    /// Gives the keyring what it lacks: the keys that the store names as current, as it is now and
    /// not as it was when this node last looked.
    async fn give_keys(
        &self,
        links: &Links,
        given: &BTreeMap<KeyPlace, Vec<u8>>,
    ) -> Result<(), Refusal> {
        let lacks = |(pool, epoch): &(PoolName, Epoch)| {
            !given.contains_key(&(pool.as_str().to_owned(), *epoch))
        };
        let lacking: Vec<_> = self.key_places().into_iter().filter(lacks).collect();
        if lacking.is_empty() {
            return Ok(());
        }
        let live = self.live_keys().await?;
        for (pool, epoch) in lacking.iter().filter(|(pool, epoch)| live.get(pool) == Some(epoch)) {
            self.give_key(links, pool, *epoch).await?;
        }
        Ok(())
    }

    async fn give_key(&self, links: &Links, pool: &PoolName, epoch: Epoch) -> Result<(), Refusal> {
        let key = self.pool_key(pool, epoch)?;
        let wrapped = key.reveal(|bytes| links.wrap(pool.as_str(), epoch, bytes))?;
        let place = (pool.as_str().to_owned(), epoch);
        self.order_key(keyring::Command::Add { place, wrapped }).await.map(drop)
    }

    pub(crate) async fn order_key(
        &self,
        command: keyring::Command,
    ) -> Result<(Version, keyring::Reply), Refusal> {
        let sent = self.group().keyring.ordered_send(command, Durability::Delivered).await;
        let delivered = sent.map_err(|_| Refusal::NoMajority)?;
        Ok((delivered.place.version, delivered.reply))
    }

    /// Waits until this node's table, and those of all other members, are as the keyring says at
    /// this version.
    pub(crate) async fn keys_settled(&self, version: Version) -> Result<(), Refusal> {
        let Some(links) = &self.group().links else { return Ok(()) };
        self.follow_keyring(links).await?;
        let Some(view) = self.group().member.status().view.clone() else {
            return Err(Refusal::NoMajority);
        };
        for member in view.members.iter().filter(|member| member.node != links.node) {
            self.settled_at(member.node, version).await?;
        }
        Ok(())
    }

    async fn settled_at(&self, node: NodeId, version: Version) -> Result<(), Refusal> {
        let mut ask = vec![SETTLED];
        ask.extend_from_slice(&version.to_wire().to_be_bytes());
        let asked = async {
            loop {
                let answer = self.group().member.p2p_send(node, ask.clone()).await;
                if answer.is_ok_and(|answer| answer.first() == Some(&1)) {
                    return;
                }
                // A member that is gone need not confirm: it learns when it comes back.
                let view = self.group().member.status().view.clone();
                if view.is_none_or(|view| view.rank_of(node).is_none()) {
                    return;
                }
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        };
        let settled = tokio::time::timeout(KEYS_SETTLE_MAX, asked).await;
        settled.map_err(|_| Refusal::Internal("settling keys with another member"))
    }

    /// Founds the shards that are kept in memory alone anew after all who had them were down: there
    /// is nothing of them left that could be lost.
    pub(crate) fn refound_memory(&self) {
        let status = self.group().member.status();
        let Some(view) = status.view.as_ref().filter(|_| status.serves()) else { return };
        if view.members.first().is_some_and(|member| member.node == status.node) {
            for shard in [KEYS, MEMORY].into_iter().filter(|shard| is_lost(view, *shard)) {
                self.group().member.refound(shard);
            }
        }
    }

    /// Whether this is the shard in memory, and nobody has anything of it.
    pub(crate) fn is_lost_memory(&self, shard: ShardId) -> bool {
        let status = self.group().member.status();
        shard == MEMORY && status.view.as_ref().is_some_and(|view| is_lost(view, shard))
    }
}

fn is_lost(view: &View, shard: ShardId) -> bool {
    view.shard(shard).is_some_and(|shard| shard.fate == Fate::Lost)
}

/// Follows until the node ends.
async fn follow(node: Weak<Inner>) {
    let (mut registry_seen, mut keys_seen) = (Version::ZERO, Version::ZERO);
    loop {
        let Some(node) = Node::upgrade(&node) else { return };
        let Some(links) = &node.group().links else { return };
        node.refound_memory();
        node.follow_registry(links);
        // What could not be done now is tried again below.
        let followed = node.announce().await.is_ok()
            & node.forget_parted().await.is_ok()
            & node.follow_keyring(links).await.is_ok();
        let group = node.group();
        let pause = if followed { Duration::from_secs(1) } else { Duration::from_millis(100) };
        tokio::select! {
            more = group.registry.advanced_past(registry_seen) => if !more { return },
            more = group.keyring.advanced_past(keys_seen) => if !more { return },
            () = tokio::time::sleep(pause) => {}
        }
        registry_seen = group.registry.frontier();
        keys_seen = group.keyring.frontier();
    }
}

/// Answers other members until the node ends.
async fn answer(node: Weak<Inner>, mut calls: mpsc::Receiver<Called>) {
    let answering = Arc::new(Semaphore::new(CALLS_ANSWERED_MAX));
    while let Some(call) = calls.recv().await {
        // Nobody closes it.
        let Ok(permit) = answering.clone().acquire_owned().await else { return };
        let Some(node) = Node::upgrade(&node) else { return };
        tokio::spawn(async move {
            let _permit = permit;
            let told = match call.bytes.first() {
                Some(&SETTLED) => vec![u8::from(settle(&node, &call).await.is_some())],
                Some(&(ledger::ENTRIES | ledger::RECEIPT)) => {
                    node.tell_of_ledger(&call.bytes).await
                }
                _ => far::serve(&node, &call.bytes).await,
            };
            call.answerer.answer(told);
        });
    }
}

/// Whether the table is as the keyring says at the version that the call names.
async fn settle(node: &Node, call: &Called) -> Option<()> {
    let (kind, version) = call.bytes.split_first()?;
    let version = Version::from_wire(u64::from_be_bytes(*version.first_chunk()?));
    let links = node.group().links.as_ref()?;
    // Calls come over links, and links are only with nodes of this group.
    if *kind != SETTLED || call.from == links.node || node.group().keyring.frontier() < version {
        return None;
    }
    node.follow_keyring(links).await.ok()
}
