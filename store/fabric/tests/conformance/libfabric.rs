//! Libfabric, with the providers that every machine has.

use std::collections::BTreeMap;
use std::marker::PhantomData;
use std::net::SocketAddr;

use notrace_store_fabric::libfabric::{Libfabric, LibfabricConfig, Provider};

use crate::rig::Rig;
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

pub(crate) struct Over<C> {
    pub(crate) authority: Authority,
    ends: BTreeMap<String, SocketAddr>,
    carrier: PhantomData<C>,
}

impl<C: Carrier> Rig for Over<C> {
    type End = Libfabric;

    const FILLS: bool = true;

    fn new() -> Self {
        Self { authority: Authority::new(), ends: BTreeMap::new(), carrier: PhantomData }
    }

    fn end(&mut self, name: &str, hello: &[u8], room: u32) -> Libfabric {
        let config = LibfabricConfig {
            provider: C::PROVIDER,
            listen: HERE,
            card: None,
            hello: hello.to_vec(),
            region_bytes: room,
            identity: self.authority.identity(name),
        };
        let end = Libfabric::open(config).unwrap();
        self.ends.insert(name.to_owned(), end.local_addr());
        end
    }

    fn address(&mut self, _from: &str, to: &str) -> String {
        self.ends[to].to_string()
    }

    fn nobody(&self) -> String {
        let listener = std::net::TcpListener::bind(HERE).unwrap();
        listener.local_addr().unwrap().to_string()
    }
}

mod tcp {
    keeps_the_rules!(super::super::Over<super::super::ByTcp>);
}

mod shm {
    keeps_the_rules!(super::super::Over<super::super::ByShm>);
}
