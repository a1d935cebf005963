//! Libfabric, with the providers that every machine has.

mod cards;
mod partings;
mod processes;

use std::collections::BTreeMap;
use std::marker::PhantomData;
use std::net::SocketAddr;

use notrace_store_fabric::libfabric::{Libfabric, LibfabricConfig, Provider};
use notrace_store_fabric::tcp::TcpIdentity;

use crate::rig::{Node, Pair, Rig, connect};
use crate::tcp::wire::Cable;
use crate::tcp::{Authority, HERE};

/// A provider as a type.
pub(crate) trait Carrier {
    const PROVIDER: Provider;
}

pub(crate) struct ByTcp;
pub(crate) struct ByShm;

impl Carrier for ByTcp {
    const PROVIDER: Provider = Provider::Tcp;
}

impl Carrier for ByShm {
    const PROVIDER: Provider = Provider::Shm;
}

/// Libfabric over a provider, and where one asks for it, a wire for each control connection.
pub(crate) struct Over<C> {
    pub(crate) authority: Authority,
    ends: BTreeMap<String, SocketAddr>,
    cables: Option<BTreeMap<(String, String), Cable>>,
    /// Wires of libfabric's own connections to each end, where one asks for those.
    pub(crate) cards: Option<BTreeMap<String, Cable>>,
    carrier: PhantomData<C>,
}

impl<C> Over<C> {
    pub(crate) fn with(authority: Authority) -> Self {
        let (ends, cables, cards) = (BTreeMap::new(), None, None);
        Self { authority, ends, cables, cards, carrier: PhantomData }
    }
}

pub(crate) fn config<C: Carrier>(
    identity: TcpIdentity,
    hello: &[u8],
    room: u32,
) -> LibfabricConfig {
    let (provider, hello) = (C::PROVIDER, hello.to_vec());
    let (listen, card, reached_at, region_bytes) = (HERE, None, None, room);
    LibfabricConfig { provider, listen, card, reached_at, hello, region_bytes, identity }
}

pub(crate) fn open<C: Carrier>(identity: TcpIdentity, hello: &[u8], room: u32) -> Libfabric {
    Libfabric::open(config::<C>(identity, hello, room)).unwrap()
}

impl<C: Carrier> Rig for Over<C> {
    type End = Libfabric;

    const FILLS: bool = true;

    fn new() -> Self {
        Self::with(Authority::new())
    }

    fn end(&mut self, name: &str, hello: &[u8], room: u32) -> Libfabric {
        let mut config = config::<C>(self.authority.identity(name), hello, room);
        let cable = self.cards.is_some().then(Cable::loose);
        config.reached_at = cable.as_ref().map(Cable::address);
        let end = Libfabric::open(config).unwrap();
        if let (Some(cards), Some(cable)) = (&mut self.cards, cable) {
            cable.plug(end.card_addr().unwrap());
            cards.insert(name.to_owned(), cable);
        }
        self.ends.insert(name.to_owned(), end.local_addr());
        end
    }

    fn address(&mut self, from: &str, to: &str) -> String {
        let target = self.ends[to];
        let Some(cables) = &mut self.cables else { return target.to_string() };
        let way = (from.to_owned(), to.to_owned());
        cables.entry(way).or_insert_with(|| Cable::to(target)).address().to_string()
    }

    fn nobody(&self) -> String {
        let listener = std::net::TcpListener::bind(HERE).unwrap();
        listener.local_addr().unwrap().to_string()
    }
}

impl<C: Carrier> Pair<Over<C>> {
    /// With a wire between the two that can be severed.
    fn with_cables(room: u32) -> Self {
        let mut rig = Over::<C>::new();
        rig.cables = Some(BTreeMap::new());
        let mut one = Node::new(rig.end("one", b"first", room));
        let mut other = Node::new(rig.end("other", b"second", room));
        let (here, there) = connect(&mut rig, (&mut one, "one"), (&mut other, "other"));
        Self { rig, one, other, here, there }
    }
}

impl<C> Over<C> {
    /// Breaks every control connection between the two.
    fn sever(&self, one: &str, other: &str) {
        for (from, to) in [(one, other), (other, one)] {
            let way = (from.to_owned(), to.to_owned());
            if let Some(cable) = self.cables.as_ref().and_then(|cables| cables.get(&way)) {
                cable.forth.sever_after(0);
                cable.back.sever_after(0);
            }
        }
    }
}

mod tcp {
    keeps_the_rules!(super::super::Over<super::super::ByTcp>);
}

mod shm {
    keeps_the_rules!(super::super::Over<super::super::ByShm>);
}
