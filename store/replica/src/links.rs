//! Who is linked to whom: dialling, greeting, and what to do when a peer comes twice.
//!
//! Of two nodes the one with the higher number dials, so that there is one link. Nodes get their
//! numbers in the order in which they join, so whoever joins dials everybody.

use std::collections::BTreeMap;
use std::time::Duration;

use notrace_store_fabric::{DialId, Fabric, LinkId};
use notrace_store_protocol::ids::NodeId;
use notrace_store_protocol::message::Peer;

use crate::limits::{ADDRESSES_MAX, DIAL_PAUSE, GREETING_MAX};

/// A node that may be dialled.
struct Route {
    address: String,
    dial: Option<DialId>,
    next: Duration,
    pause: Duration,
}

/// All links of a node.
#[derive(Default)]
pub(crate) struct Links {
    routes: BTreeMap<NodeId, Route>,
    /// Up, and not greeted yet: the name that was proved, and until when.
    strangers: BTreeMap<LinkId, (String, Duration)>,
    links: BTreeMap<LinkId, Peer>,
    by_node: BTreeMap<NodeId, LinkId>,
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
        let fresh = Route {
            address: address.to_owned(),
            dial: None,
            next: Duration::ZERO,
            pause: DIAL_PAUSE.0,
        };
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
            if *node >= me || self.by_node.contains_key(node) || route.dial.is_some() {
                continue;
            }
            if route.next <= now {
                route.dial = Some(fabric.dial(&route.address));
            }
        }
        let silent: Vec<LinkId> = self
            .strangers
            .iter()
            .filter(|(_, (_, until))| *until <= now)
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
                route.next = now + GREETING_MAX;
            }
        }
        self.strangers.insert(link, (name, now + GREETING_MAX));
    }

    /// An attempt failed.
    pub(crate) fn failed(&mut self, dial: DialId, now: Duration) {
        for route in self.routes.values_mut().filter(|route| route.dial == Some(dial)) {
            route.dial = None;
            route.next = now + route.pause;
            route.pause = (route.pause * 2).min(DIAL_PAUSE.1);
        }
    }

    /// A link says who is there. Nothing if that is not whose name was proved, or an older life of
    /// a peer that is linked already.
    pub(crate) fn greeted(&mut self, link: LinkId, peer: Peer) -> Option<Greeted> {
        let (name, _) = self.strangers.remove(&link)?;
        if name != fabric_name(peer.node) {
            return None;
        }
        let replaced = self.by_node.get(&peer.node).copied();
        let replaced = replaced.and_then(|old| Some((old, *self.links.get(&old)?)));
        if replaced.is_some_and(|(_, old)| old.life > peer.life) {
            return None;
        }
        if let Some((old, _)) = replaced {
            self.links.remove(&old);
        }
        self.links.insert(link, peer);
        self.by_node.insert(peer.node, link);
        Some(Greeted { replaced })
    }

    /// A link is gone; who was there, if it was known.
    pub(crate) fn down(&mut self, link: LinkId, now: Duration) -> Option<Peer> {
        self.strangers.remove(&link);
        let peer = self.links.remove(&link)?;
        if self.by_node.get(&peer.node) == Some(&link) {
            self.by_node.remove(&peer.node);
        }
        if let Some(route) = self.routes.get_mut(&peer.node) {
            route.next = now + route.pause;
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
            (route.dial, route.next) = (None, Duration::ZERO);
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
        self.links.get(&link).copied()
    }
}
