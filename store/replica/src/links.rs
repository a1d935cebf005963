//! Who is linked to whom: dialling, greeting, and what to do when a peer comes twice.
//!
//! Of two nodes the one with the higher number dials, so that there is one link; nodes get their
//! numbers in the order in which they join, so whoever joins dials everybody. The other one dials
//! only when nobody came for a while: it may be found elsewhere than it was. Should both dial at
//! once, the link of the higher number stays.

use std::collections::BTreeMap;
use std::time::Duration;

use notrace_store_fabric::{DialId, Fabric, LinkId};
use notrace_store_protocol::ids::NodeId;
use notrace_store_protocol::message::Peer;

use crate::limits::{ADDRESSES_MAX, DIAL_PATIENCE, DIAL_PAUSE, GREETING_MAX};

/// A node that may be dialled.
struct Route {
    address: String,
    dial: Option<DialId>,
    /// When it may be dialled next; none until it is known since when it is missed.
    next: Option<Duration>,
    pause: Duration,
}

/// A link whose other end has said who it is.
#[derive(Clone, Copy)]
struct Known {
    peer: Peer,
    /// This end dialled.
    is_ours: bool,
}

/// All links of a node.
#[derive(Default)]
pub(crate) struct Links {
    routes: BTreeMap<NodeId, Route>,
    /// Up, and not greeted yet.
    strangers: BTreeMap<LinkId, Stranger>,
    links: BTreeMap<LinkId, Known>,
    by_node: BTreeMap<NodeId, LinkId>,
}

/// Somebody who has not said yet who it is.
struct Stranger {
    /// The name that was proved.
    name: String,
    until: Duration,
    is_ours: bool,
}

/// What a greeting changes.
pub(crate) struct Greeted {
    /// A link that has to be cut first.
    pub(crate) replaced: Option<(LinkId, Peer)>,
}

/// The name of a node on the fabric.
#[must_use]
pub fn fabric_name(node: NodeId) -> String {
    format!("n{}", node.number())
}

impl Links {
    /// Learns where a node is to be found.
    pub(crate) fn know(&mut self, node: NodeId, address: &str) {
        if self.routes.len() >= ADDRESSES_MAX && !self.routes.contains_key(&node) {
            return;
        }
        let fresh =
            Route { address: address.to_owned(), dial: None, next: None, pause: DIAL_PAUSE.0 };
        match self.routes.get(&node) {
            Some(route) if route.address == address => {}
            _ => drop(self.routes.insert(node, fresh)),
        }
    }

    /// A node left for good.
    pub(crate) fn forget(&mut self, node: NodeId) {
        self.routes.remove(&node);
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
            self.strangers.remove(link);
        }
        silent
    }

    /// A link came up.
    pub(crate) fn up(
        &mut self,
        link: LinkId,
        dialled: Option<DialId>,
        name: String,
        now: Duration,
    ) {
        if dialled.is_some() {
            for route in self.routes.values_mut().filter(|route| route.dial == dialled) {
                (route.dial, route.pause) = (None, DIAL_PAUSE.0);
                // Until it has greeted it is not known to be linked.
                route.next = Some(now + GREETING_MAX);
            }
        }
        let (until, is_ours) = (now + GREETING_MAX, dialled.is_some());
        self.strangers.insert(link, Stranger { name, until, is_ours });
    }

    /// An attempt failed.
    pub(crate) fn failed(&mut self, dial: DialId, now: Duration) {
        for route in self.routes.values_mut().filter(|route| route.dial == Some(dial)) {
            route.dial = None;
            route.next = Some(now + route.pause);
            route.pause = (route.pause * 2).min(DIAL_PAUSE.1);
        }
    }

    /// A link says who is there. Nothing if that is not whose name was proved, or if there is a
    /// better link to it: to a later life, or the one of two that crossed that is to stay.
    pub(crate) fn greeted(&mut self, me: NodeId, link: LinkId, peer: Peer) -> Option<Greeted> {
        let Stranger { name, is_ours, .. } = self.strangers.remove(&link)?;
        if name != fabric_name(peer.node) || peer.node == me {
            return None;
        }
        let known = self.by_node.get(&peer.node).copied();
        let known = known.and_then(|old| Some((old, *self.links.get(&old)?)));
        let stays = |known: Known| known.is_ours == (me > peer.node);
        let crossed = |old: Known| old.peer.life == peer.life && old.is_ours != is_ours;
        if known.is_some_and(|(_, old)| old.peer.life > peer.life || crossed(old) && stays(old)) {
            return None;
        }
        let replaced = known.map(|(link, old)| (link, old.peer));
        if let Some((old, _)) = replaced {
            self.links.remove(&old);
        }
        self.links.insert(link, Known { peer, is_ours });
        self.by_node.insert(peer.node, link);
        Some(Greeted { replaced })
    }

    /// A link is gone; who was there, if it was known.
    pub(crate) fn down(&mut self, me: NodeId, link: LinkId, now: Duration) -> Option<Peer> {
        self.strangers.remove(&link);
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

    pub(crate) fn to(&self, node: NodeId) -> Option<LinkId> {
        self.by_node.get(&node).copied()
    }

    pub(crate) fn peer(&self, link: LinkId) -> Option<Peer> {
        self.links.get(&link).map(|known| known.peer)
    }
}
