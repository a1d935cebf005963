//! Who is linked to whom: dialling, greeting, and what to do when a peer comes twice.
//!
//! Of two nodes the one with the higher number dials, so that there is one link; nodes get their
//! numbers in the order in which they join, so whoever joins dials everybody. The other one dials
//! only when nobody came for a while: it may be found elsewhere than it was. Should both dial at
//! once, the link of the higher number stays.

use std::collections::BTreeMap;
use std::time::Duration;

use notrace_store_fabric::{DialId, Fabric, LinkId};
use notrace_store_protocol::ids::{Life, NodeId};
use notrace_store_protocol::message::Peer;

use crate::admission::{Admission, Verdict};
use crate::error::Fault;
use crate::letters::{Greeting, Heard};
use crate::limits::{
    ADDRESSES_MAX, CALLS_MAX, DIAL_PATIENCE, DIAL_PAUSE, DIAL_PAUSE_MAX, GREETING_MAX,
};
use crate::member::{BootId, CutOff};
use crate::seats::{Seat, Seats};

/// A node that may be dialled.
struct Route {
    address: String,
    dial: Option<DialId>,
    /// When it may be dialled next; none until it is known since when it is missed.
    next: Option<Duration>,
    pause: Duration,
}

/// A link whose other end has said who it is.
struct Known {
    peer: Peer,
    /// The key that it proved its name with.
    key: Option<[u8; 32]>,
    /// This end dialled.
    is_ours: bool,
    /// For calls of the peer that are open here.
    calls: Seats,
}

/// All links of a node.
#[derive(Default)]
pub(crate) struct Links {
    routes: BTreeMap<NodeId, Route>,
    /// Up, and not greeted yet.
    strangers: BTreeMap<LinkId, Stranger>,
    links: BTreeMap<LinkId, Known>,
    by_node: BTreeMap<NodeId, LinkId>,
    faults: BTreeMap<NodeId, Fault>,
    /// The last life of each node that was ever greeted, and of which process.
    heard: BTreeMap<NodeId, (Life, BootId)>,
}

/// Somebody who has not said yet who it is.
struct Stranger {
    /// The name that was proved, if it is one of a node, and the key that proved it.
    node: Option<NodeId>,
    key: Option<[u8; 32]>,
    until: Duration,
    is_ours: bool,
    /// Who was dialled, if this end did.
    sought: Option<NodeId>,
    /// It may be linked to, and was told who is here.
    admitted: bool,
    /// What it said of itself before it was admitted.
    heard: Option<Greeting>,
}

/// What a greeting changes.
pub(crate) enum Greeted {
    /// Nothing: whoever is there is not who it says, or another link to it is to stay.
    Refused,
    /// Nothing yet: a later life of it was heard of, or the same one of another process. It is
    /// being told so and ends the link itself, or has until [`GREETING_MAX`].
    Taken,
    /// It is linked.
    Linked {
        /// A link that has to be cut first.
        replaced: Option<(LinkId, Peer)>,
    },
}

/// The name of a node on the fabric.
#[must_use]
pub fn fabric_name(node: NodeId) -> String {
    format!("n{}", node.number())
}

/// Whose name this is.
fn node_of(name: &str) -> Option<NodeId> {
    let node = NodeId::new(name.strip_prefix('n')?.parse().ok()?)?;
    (fabric_name(node) == name).then_some(node)
}

impl Links {
    /// Learns where a node is to be found.
    pub(crate) fn know(&mut self, node: NodeId, address: &str) {
        if self.routes.len() >= ADDRESSES_MAX && !self.routes.contains_key(&node) {
            return;
        }
        let fresh =
            Route { address: address.to_owned(), dial: None, next: None, pause: DIAL_PAUSE };
        match self.routes.get(&node) {
            Some(route) if route.address == address => {}
            _ => drop(self.routes.insert(node, fresh)),
        }
    }

    /// A node left for good.
    pub(crate) fn forget(&mut self, node: NodeId) {
        self.routes.remove(&node);
        self.faults.remove(&node);
        self.heard.remove(&node);
    }

    /// Every node that is known by address.
    pub(crate) fn known(&self) -> Vec<NodeId> {
        self.routes.keys().copied().collect()
    }

    /// Dials those who should be. Strangers who do not say who they are, to be cut.
    pub(crate) fn advance(
        &mut self,
        me: NodeId,
        now: Duration,
        fabric: &mut impl Fabric,
    ) -> Vec<LinkId> {
        for (node, route) in &mut self.routes {
            if self.by_node.contains_key(node) || route.dial.is_some() {
                continue;
            }
            let wait = if *node < me { Duration::ZERO } else { DIAL_PATIENCE };
            if *route.next.get_or_insert(now + wait) <= now {
                route.dial = Some(fabric.dial(&route.address));
            }
        }
        let silent: Vec<LinkId> = self
            .strangers
            .iter()
            .filter(|(_, stranger)| stranger.until <= now)
            .map(|(link, _)| *link)
            .collect();
        for link in &silent {
            self.leave_stranger(*link, now);
        }
        silent
    }

    /// A link came up.
    pub(crate) fn up(
        &mut self,
        link: LinkId,
        dialled: Option<DialId>,
        (name, key): (&str, Option<[u8; 32]>),
        now: Duration,
    ) {
        let (until, is_ours) = (now + GREETING_MAX, dialled.is_some());
        let mut sought = None;
        for (node, route) in self.routes.iter_mut().filter(|_| is_ours) {
            if route.dial == dialled {
                // Until it has greeted it is not known to be linked.
                (route.dial, route.next) = (None, Some(until));
                sought = Some(*node);
            }
        }
        let node = node_of(name);
        let (admitted, heard) = (false, None);
        let stranger = Stranger { node, key, until, is_ours, sought, admitted, heard };
        self.strangers.insert(link, stranger);
    }

    /// Strangers of whom it is not known yet whether they may be linked to.
    pub(crate) fn in_question(&self) -> Vec<LinkId> {
        let open = self.strangers.iter().filter(|(_, stranger)| !stranger.admitted);
        open.map(|(link, _)| *link).collect()
    }

    /// Whether whoever is at the other end may be there.
    pub(crate) fn judge(&self, link: LinkId, admission: &Admission) -> Verdict {
        let known = self.links.get(&link).map(|known| (Some(known.peer.node), known.key));
        let stranger = self.strangers.get(&link).map(|stranger| (stranger.node, stranger.key));
        match known.or(stranger) {
            Some((Some(node), key)) => admission(node, key.as_ref()),
            _ => Verdict::Refused,
        }
    }

    /// It may be; what it said already.
    pub(crate) fn admit(&mut self, link: LinkId) -> Option<Greeting> {
        let stranger = self.strangers.get_mut(&link)?;
        stranger.admitted = true;
        stranger.heard.take()
    }

    /// Keeps what a link says of itself until it may be there; whether there was nothing before.
    /// Nothing if it may already.
    pub(crate) fn hear(&mut self, link: LinkId, greeting: Greeting) -> Option<bool> {
        let stranger = self.strangers.get_mut(&link).filter(|stranger| !stranger.admitted)?;
        Some(stranger.heard.replace(greeting).is_none())
    }

    /// What was heard of the node at the other end, for it to know.
    pub(crate) fn heard_of(&self, link: LinkId) -> Option<Heard> {
        let node = self.strangers.get(&link)?.node?;
        let (life, boot) = *self.heard.get(&node)?;
        Some(Heard { life, boot, linked: self.by_node.contains_key(&node) })
    }

    /// A link ended before it was known to be to anybody; whom it sought is dialled later.
    fn leave_stranger(&mut self, link: LinkId, now: Duration) {
        let sought = self.strangers.remove(&link).and_then(|stranger| stranger.sought);
        if let Some(route) = sought.and_then(|node| self.routes.get_mut(&node)) {
            route.next = Some(now + route.pause);
            route.pause = (route.pause * 2).min(DIAL_PAUSE_MAX);
        }
    }

    /// An attempt failed.
    pub(crate) fn failed(&mut self, dial: DialId, now: Duration) {
        for route in self.routes.values_mut().filter(|route| route.dial == Some(dial)) {
            route.dial = None;
            route.next = Some(now + route.pause);
            route.pause = (route.pause * 2).min(DIAL_PAUSE_MAX);
        }
    }

    /// A link says who is there.
    pub(crate) fn greeted(
        &mut self,
        me: NodeId,
        link: LinkId,
        (peer, boot): (Peer, BootId),
    ) -> Greeted {
        let Some(stranger) = self.strangers.remove(&link) else { return Greeted::Refused };
        let Stranger { node, key, is_ours, .. } = stranger;
        if node != Some(peer.node) || peer.node == me {
            return Greeted::Refused;
        }
        let known = self.heard.get(&peer.node);
        let is_taken = |(life, other): &(Life, BootId)| {
            *life > peer.life || *life == peer.life && *other != boot
        };
        if known.is_some_and(is_taken) {
            self.strangers.insert(link, stranger);
            return Greeted::Taken;
        }
        if known.is_none() && self.heard.len() >= ADDRESSES_MAX {
            return Greeted::Refused;
        }
        let known = self.by_node.get(&peer.node).copied();
        let known = known.and_then(|old| Some((old, self.links.get(&old)?)));
        let stays = |known: &Known| known.is_ours == (me > peer.node);
        let crossed = |old: &Known| old.peer.life == peer.life && old.is_ours != is_ours;
        if known.is_some_and(|(_, old)| old.peer.life > peer.life || crossed(old) && stays(old)) {
            return Greeted::Refused;
        }
        let replaced = known.map(|(link, old)| (link, old.peer));
        if let Some((old, _)) = replaced {
            self.links.remove(&old);
        }
        self.heard.insert(peer.node, (peer.life, boot));
        let calls = Seats::new(CALLS_MAX);
        self.links.insert(link, Known { peer, key, is_ours, calls });
        self.by_node.insert(peer.node, link);
        if let Some(route) = self.routes.get_mut(&peer.node) {
            route.pause = DIAL_PAUSE;
        }
        Greeted::Linked { replaced }
    }

    /// A link is gone; who was there, if it was known.
    pub(crate) fn down(&mut self, me: NodeId, link: LinkId, now: Duration) -> Option<Peer> {
        self.leave_stranger(link, now);
        let peer = self.links.remove(&link)?.peer;
        if self.by_node.get(&peer.node) == Some(&link) {
            self.by_node.remove(&peer.node);
        }
        if let Some(route) = self.routes.get_mut(&peer.node) {
            let later = if peer.node < me { route.pause } else { DIAL_PATIENCE };
            route.next = Some(now + later);
        }
        Some(peer)
    }

    /// All links, to be cut.
    pub(crate) fn clear(&mut self) -> Vec<LinkId> {
        let all = self.links.keys().chain(self.strangers.keys()).copied().collect();
        self.links.clear();
        self.by_node.clear();
        self.strangers.clear();
        for route in self.routes.values_mut() {
            (route.dial, route.next) = (None, None);
        }
        all
    }

    /// Every node that is linked.
    pub(crate) fn linked(&self) -> Vec<NodeId> {
        self.by_node.keys().copied().collect()
    }

    /// Whoever is at the other end is to be cut off.
    pub(crate) fn blame(&mut self, link: LinkId, why: Fault) {
        let stranger = self.strangers.get(&link).and_then(|stranger| stranger.node);
        let Some(node) = self.peer(link).map(|peer| peer.node).or(stranger) else { return };
        if self.faults.len() < ADDRESSES_MAX || self.faults.contains_key(&node) {
            self.faults.insert(node, why);
        }
    }

    /// Every node that was cut off.
    pub(crate) fn cut_off(&self) -> Vec<CutOff> {
        self.faults.iter().map(|(node, why)| CutOff { node: *node, why: *why }).collect()
    }

    pub(crate) fn to(&self, node: NodeId) -> Option<LinkId> {
        self.by_node.get(&node).copied()
    }

    /// A seat for a call of the peer, if it has one left.
    pub(crate) fn seat(&self, link: LinkId) -> Option<Seat> {
        self.links.get(&link)?.calls.take()
    }

    pub(crate) fn peer(&self, link: LinkId) -> Option<Peer> {
        self.links.get(&link).map(|known| known.peer)
    }
}
