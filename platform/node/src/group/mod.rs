//! The group that keeps the store: which shards there are, how this node comes to it, who else is
//! there, and how keys travel.
//!
//! Reading order: `place` is what a node remembers outside the store; `shelves` says which shard
//! keeps which object, and `far` asks one that is elsewhere; `registry` and `keyring` are machines
//! beside the objects; `open` begins, and `listen` turns to others; `door` lets nodes in; `keeper`
//! is the task that follows both machines; `status` is what a member tells of all this.

mod door;
mod far;
mod keeper;
mod keyring;
mod ledger;
mod left;
mod listen;
mod place;
mod registry;
mod shelves;
mod status;

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use notrace_sdk_seal::{DataKey, WelcomeKey, WrappingKey, unwrap_key, wrap_key};
use notrace_store_fabric::loopback::Network;
use notrace_store_objects::{Objects, ObjectsConfig};
use notrace_store_protocol::ids::{NodeId, ShardId, ViewId};
use notrace_store_protocol::layout::{Mode, Senders, ShardSpec};
use notrace_store_replica::{
    Admission, BootId, Entry, FileStorage, Member, OnCall, Replica, ReplicaConfig, Replicated,
    SystemClock, Verdict, fabric_name,
};

use tokio::sync::mpsc::{self, error::TrySendError};

use crate::config::Config;
use crate::identity::{Identity, IdentityError, fill};
use crate::keys::Epoch;
use crate::ledger::{Book, Outbox};
use crate::limits::{CALLS_ANSWERED_MAX, NODES_MAX};
use crate::refusal::Refusal;
use crate::start_error::StartError;
use keyring::Keyring;
use listen::Outward;
use place::{Place, Shape, unhex};
use registry::{InviteId, Registry, Standing};
use shelves::Shelves;

pub use door::{Asked, Welcomed, belongs_to_a_group, key_to_join_with, settle_in};
pub(crate) use far::{Care, Sight, latest_of};
pub(crate) use keyring::{Command as KeyOrder, KeyPlace, Reply as KeyOrdered};
pub use left::has_left;
pub(crate) use left::leave_nothing;
pub use place::{Other, Shape as GroupShape};
pub(crate) use shelves::Part;
pub use status::{AbsentInfo, GroupStatus, MemberInfo, ShardInfo};

/// The shards, in the order of their numbers: the same at every node for ever. After them come the
/// data shards, where there is more than one.
pub(crate) const HOME: ShardId = ShardId(0);
pub(crate) const REGISTRY: ShardId = ShardId(1);
pub(crate) const KEYS: ShardId = ShardId(2);
pub(crate) const MEMORY: ShardId = ShardId(3);
pub(crate) const LEDGER: ShardId = ShardId(4);

/// A node's group.
pub(crate) struct Group {
    pub(crate) shelves: Shelves,
    pub(crate) registry: Replicated<Registry>,
    pub(crate) keyring: Replicated<Keyring>,
    book: Replicated<Book>,
    pub(crate) member: Member,
    /// None for a node that listens to no other.
    pub(crate) links: Option<Links>,
    pub(crate) calls: Mutex<Option<mpsc::Receiver<Called>>>,
    /// The latest view in which another member answered this one.
    seen_view: AtomicU32,
}

impl Group {
    /// What this node's receipts go through, if there may be others' beside them.
    /// # Errors  [`IdentityError::NoCrypto`]
    pub(crate) fn outbox(&self) -> Result<Option<Arc<Outbox>>, IdentityError> {
        let Some(links) = &self.links else { return Ok(None) };
        let mut run = [0; 8];
        fill(&mut run)?;
        let (book, node) = (self.book.clone(), links.node.number());
        Ok(Some(Arc::new(Outbox::new(book, node, u64::from_be_bytes(run)))))
    }

    fn note_view(&self, view: u32) {
        self.seen_view.fetch_max(view, Ordering::AcqRel);
    }

    /// The latest view of the group that this node knows something of.
    pub(crate) fn view(&self) -> ViewId {
        let own = self.member.status().view.as_ref().map_or(ViewId::ZERO, |view| view.id);
        let seen = ViewId::new(self.seen_view.load(Ordering::Acquire));
        seen.map_or(own, |seen| seen.max(own))
    }
}

/// What a node that other nodes reach knows of itself.
pub(crate) struct Links {
    pub(crate) node: NodeId,
    pub(crate) address: String,
    place: Mutex<Place>,
    key: WrappingKey,
    /// Held while the key table is made what the keyring says.
    following: tokio::sync::Mutex<()>,
    /// It left the group for good.
    left: AtomicBool,
}

/// A call of another member.
pub(crate) struct Called {
    pub(crate) from: NodeId,
    pub(crate) bytes: bytes::Bytes,
    pub(crate) answerer: notrace_store_replica::Answerer,
}

/// Opens what this node has of the store, and begins as a member of its group.
/// # Errors  [`StartError`]
pub(crate) fn open(config: &Config, identity: &Identity) -> Result<Group, StartError> {
    let place = place_of(config)?;
    let shape = place.as_ref().map(|place| place.shape).unwrap_or_default();
    let number = place.as_ref().map_or(1, |place| place.node);
    let node = NodeId::new(number).ok_or(StartError::Step("find its number in its group"))?;
    let mut settings = ReplicaConfig { boot: boot_id()?, ..ReplicaConfig::new(node) };
    if config.cluster.is_none() {
        // Nobody waits for the heart of a node that is alone.
        settings.limits.heartbeat = 200_000;
    }
    let storage = FileStorage::below(config.dir.join("store"));
    let mut replica = Replica::on(storage, settings.clone());
    let spec = |max, mode| ShardSpec { min: 1, max, senders: Senders::All, mode };
    // The same at every node for ever; bounds that a configuration names are ordered.
    let first = || Objects::new(ObjectsConfig::default());
    let failed = StartError::Store;
    let everywhere = NODES_MAX as u16;
    let home = replica.shard(spec(everywhere, Mode::Durable), first).map_err(failed)?;
    let durable = spec(everywhere, Mode::Durable);
    let registry = replica.shard(durable, Registry::default).map_err(failed)?;
    let volatile = spec(everywhere, Mode::Volatile);
    let keyring = replica.shard(volatile, Keyring::default).map_err(failed)?;
    let in_memory = spec(shape.copies, Mode::Volatile);
    let memory = replica.shard(in_memory, first).map_err(failed)?;
    let book = replica.shard(durable, Book::default).map_err(failed)?;
    let data =
        (0..shape.data_shards()).map(|_| replica.shard(spec(shape.copies, Mode::Durable), first));
    let data = data.collect::<Result<Vec<_>, _>>().map_err(failed)?;
    let shelves = Shelves::new(home, memory, data);
    let (calls, heard) = mpsc::channel(CALLS_ANSWERED_MAX);
    let on_call: OnCall = Box::new(move |from, bytes, answerer| {
        if let Err(TrySendError::Full(call)) = calls.try_send(Called { from, bytes, answerer }) {
            call.answerer.answer(far::busy());
        }
        // Nobody listens any more once the node drains; then there is no answer.
    });
    let region = settings.region_bytes;
    let (member, links) = match (&config.cluster, place) {
        (Some(cluster), Some(place)) => {
            if registry.read(|registry| registry.parting().contains(&place.node)) {
                return Err(StartError::LeftItsGroup);
            }
            replica.admit(admission(&registry, &place));
            let others = contacts(&place);
            let entry = if others.is_empty() { Entry::Found } else { Entry::Join(others) };
            let outward = Outward { cluster, place: &place, identity, region_bytes: region };
            let (member, address) = outward.start(replica, entry, on_call)?;
            (member, Some(Links::new(node, address, place)?))
        }
        _ => {
            let fabric = Network::default().endpoint(&fabric_name(node), &[], region);
            let member = replica.start(fabric, SystemClock, Entry::Found, on_call);
            (member.map_err(failed)?, None)
        }
    };
    Ok(Group {
        shelves,
        registry,
        keyring,
        book,
        member,
        links,
        calls: Mutex::new(Some(heard)),
        seen_view: AtomicU32::new(0),
    })
}

fn boot_id() -> Result<BootId, StartError> {
    let mut drawn = [0; 8];
    fill(&mut drawn).map_err(|_| StartError::Step("draw random bytes"))?;
    Ok(BootId(u64::from_be_bytes(drawn)))
}

/// The node's place, made if it founds a group now.
fn place_of(config: &Config) -> Result<Option<Place>, StartError> {
    let failed = |_| StartError::Step("read its place in its group");
    let place = Place::read(&config.dir).map_err(failed)?;
    match (&config.cluster, place) {
        (None, Some(place)) if !place.others.is_empty() => Err(StartError::NeedsCluster),
        (Some(cluster), Some(place)) if !cluster.allows(place.shape) => {
            let Shape { shards, copies } = place.shape;
            Err(StartError::OtherShape { shards, copies })
        }
        (Some(cluster), None) => {
            let place =
                Place::founder(cluster.shape()).map_err(|_| StartError::Step("name its group"))?;
            place.write(&config.dir).map_err(|_| StartError::Step("write its place down"))?;
            Ok(Some(place))
        }
        (_, place) => Ok(place),
    }
}

fn contacts(place: &Place) -> Vec<(NodeId, String)> {
    let others = place.others.iter().filter(|other| other.node != place.node);
    others.filter_map(|other| Some((NodeId::new(other.node)?, other.address.clone()))).collect()
}

/// Who may be linked to: whom the registry knows, by the key that it knows; and as long as it has
/// not heard of a node, whom this one was told of when it joined.
fn admission(registry: &Replicated<Registry>, place: &Place) -> Admission {
    let registry = registry.clone();
    let told = place.others.iter().filter_map(|other| Some((other.node, unhex(&other.key)?)));
    let told: BTreeMap<u32, [u8; 32]> = told.collect();
    Box::new(move |node, key| {
        let number = node.number();
        let known = match registry.read(|registry| registry.standing(number)) {
            Standing::Known(known) => Some(known),
            Standing::Gone => return Verdict::Refused,
            Standing::Unheard => told.get(&number).copied(),
        };
        match known {
            Some(known) if key == Some(&known) => Verdict::Admitted,
            Some(_) => Verdict::Refused,
            None => Verdict::Unknown,
        }
    })
}

impl Group {
    /// Whether this node left it for good.
    pub(crate) fn has_left(&self) -> bool {
        self.links.as_ref().is_some_and(|links| links.left.load(Ordering::Acquire))
    }
}

impl Links {
    fn new(node: NodeId, address: String, place: Place) -> Result<Self, StartError> {
        let key = unhex::<32>(&place.key).ok_or(StartError::Step("read its group's key"))?;
        let key = WrappingKey::from_bytes(&key);
        Ok(Self {
            node,
            address,
            place: Mutex::new(place),
            key,
            following: tokio::sync::Mutex::default(),
            left: AtomicBool::new(false),
        })
    }

    /// The group's name.
    pub(crate) fn group(&self) -> String {
        self.place.lock().unwrap_or_else(PoisonError::into_inner).group.clone()
    }

    fn shape(&self) -> Shape {
        self.place.lock().unwrap_or_else(PoisonError::into_inner).shape
    }

    fn key_text(&self) -> String {
        self.place.lock().unwrap_or_else(PoisonError::into_inner).key.clone()
    }

    /// The others that this node knew last.
    fn known(&self) -> Vec<u32> {
        let place = self.place.lock().unwrap_or_else(PoisonError::into_inner);
        place.others.iter().map(|other| other.node).collect()
    }

    /// Notes where the others are found, if that is news.
    fn note(&self, dir: &Path, others: Vec<Other>) {
        let mut place = self.place.lock().unwrap_or_else(PoisonError::into_inner);
        if place.others != others {
            place.others = others;
            // What could not be written now is written at the next change.
            let _ = place.write(dir);
        }
    }

    /// A pool's key as it travels.
    pub(crate) fn wrap(
        &self,
        pool: &str,
        epoch: Epoch,
        key: &[u8; 32],
    ) -> Result<Vec<u8>, Refusal> {
        let mut nonce = [0; 12];
        fill(&mut nonce).map_err(|_| Refusal::Internal("drawing a nonce"))?;
        let key = DataKey::from_bytes(key);
        let wrapped = wrap_key(&self.key, nonce, &purpose(pool, epoch), &key);
        wrapped.map(Vec::from).map_err(|_| Refusal::Internal("wrapping a key"))
    }

    /// What proves that the group knows of a token, as it is kept.
    fn wrap_welcome(&self, id: &InviteId, key: &[u8; 32]) -> Result<Vec<u8>, Refusal> {
        let mut nonce = [0; 12];
        fill(&mut nonce).map_err(|_| Refusal::Internal("drawing a nonce"))?;
        let wrapped = wrap_key(&self.key, nonce, &welcome_purpose(id), &DataKey::from_bytes(key));
        wrapped.map(Vec::from).map_err(|_| Refusal::Internal("wrapping a key"))
    }

    fn unwrap_welcome(&self, id: &InviteId, wrapped: &[u8]) -> Option<WelcomeKey> {
        let key = unwrap_key(&self.key, &welcome_purpose(id), wrapped).ok()?;
        Some(key.reveal(|bytes| WelcomeKey::from_bytes(*bytes)))
    }

    /// A pool's key as it came, if it is one of this group.
    pub(crate) fn unwrap(&self, pool: &str, epoch: Epoch, wrapped: &[u8]) -> Option<DataKey> {
        unwrap_key(&self.key, &purpose(pool, epoch), wrapped).ok()
    }
}

fn welcome_purpose(id: &InviteId) -> Vec<u8> {
    [b"notrace welcome key v1\0", &id[..]].concat()
}

fn purpose(pool: &str, epoch: Epoch) -> Vec<u8> {
    let mut ad = b"notrace pool key v1\0".to_vec();
    ad.extend_from_slice(&epoch.to_be_bytes());
    ad.extend_from_slice(pool.as_bytes());
    ad
}
