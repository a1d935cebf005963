//! TCP with TLS, and between any two ends a wire that can be held and severed at any byte.

mod dials;
mod members;
mod strangers;
pub(crate) mod wire;

use std::collections::BTreeMap;
use std::net::{Ipv4Addr, SocketAddr};

use notrace_store_fabric::tcp::{Tcp, TcpConfig, TcpIdentity};
use rcgen::{BasicConstraints, CertificateParams, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};

use crate::rig::{Rig, Wire};
use wire::Cable;

/// Who issues certificates.
pub(crate) struct Authority {
    issuer: Issuer<'static, KeyPair>,
    pub(crate) certificate: CertificateDer<'static>,
}

impl Authority {
    pub(crate) fn new() -> Self {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let certificate = params.self_signed(&key).unwrap().der().clone();
        Self { issuer: Issuer::new(params, key), certificate }
    }

    pub(crate) fn issue(
        &self,
        names: &[&str],
    ) -> (CertificateDer<'static>, PrivateKeyDer<'static>) {
        use ExtendedKeyUsagePurpose::{ClientAuth, ServerAuth};
        self.issue_for(names, &[ClientAuth, ServerAuth])
    }

    pub(crate) fn issue_for(
        &self,
        names: &[&str],
        uses: &[ExtendedKeyUsagePurpose],
    ) -> (CertificateDer<'static>, PrivateKeyDer<'static>) {
        let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
        let mut params = CertificateParams::new(names).unwrap();
        params.extended_key_usages = uses.to_vec();
        let key = KeyPair::generate().unwrap();
        let certificate = params.signed_by(&key, &self.issuer).unwrap();
        (certificate.der().clone(), key.into())
    }

    pub(crate) fn identity(&self, name: &str) -> TcpIdentity {
        let (certificate, key) = self.issue(&[&format!("{name}.{GROUP}")]);
        TcpIdentity {
            certificates: vec![certificate],
            key,
            authority: self.certificate.clone(),
            group: GROUP.to_owned(),
        }
    }
}

pub(crate) const GROUP: &str = "demo.internal";
pub(crate) const HERE: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(Ipv4Addr::LOCALHOST), 0);

pub(crate) struct OverTls {
    pub(crate) authority: Authority,
    ends: BTreeMap<String, SocketAddr>,
    cables: BTreeMap<(String, String), Cable>,
}

impl Rig for OverTls {
    type End = Tcp;

    const FILLS: bool = true;

    fn new() -> Self {
        Self { authority: Authority::new(), ends: BTreeMap::new(), cables: BTreeMap::new() }
    }

    fn end(&mut self, name: &str, hello: &[u8], room: u32) -> Tcp {
        let identity = self.authority.identity(name);
        let config =
            TcpConfig { listen: HERE, hello: hello.to_vec(), region_bytes: room, identity };
        let end = Tcp::open(config).unwrap();
        self.ends.insert(name.to_owned(), end.local_addr());
        end
    }

    fn address(&mut self, from: &str, to: &str) -> String {
        let target = self.ends[to];
        let way = (from.to_owned(), to.to_owned());
        let cable = self.cables.entry(way).or_insert_with(|| Cable::to(target));
        cable.address().to_string()
    }

    /// A port that was given and returned, so that nobody else gets it soon.
    fn nobody(&self) -> String {
        let listener = std::net::TcpListener::bind(HERE).unwrap();
        listener.local_addr().unwrap().to_string()
    }
}

impl OverTls {
    /// The ways on which something goes from one to the other, whoever dialled.
    fn ways(&self, from: &str, to: &str) -> Vec<&wire::Way> {
        let cable = |one: &str, other: &str| self.cables.get(&(one.to_owned(), other.to_owned()));
        let forth = cable(from, to).map(|cable| &cable.forth);
        forth.into_iter().chain(cable(to, from).map(|cable| &cable.back)).collect()
    }
}

impl OverTls {
    /// How many connections the wire between the two ever carried.
    pub(crate) fn carried(&self, from: &str, to: &str) -> usize {
        let counts = self.ways(from, to).into_iter().chain(self.ways(to, from));
        counts.map(wire::Way::count).min().unwrap_or(0)
    }
}

impl Wire for OverTls {
    fn hold(&mut self, from: &str, to: &str) {
        self.ways(from, to).into_iter().for_each(wire::Way::hold);
    }

    fn release(&mut self, from: &str, to: &str) {
        self.ways(from, to).into_iter().for_each(wire::Way::release);
    }

    fn sever(&mut self, one: &str, other: &str, landing: usize) {
        for way in self.ways(one, other).into_iter().chain(self.ways(other, one)) {
            way.sever_after(landing);
        }
    }

    /// Each byte around the ends of records, and some between.
    fn points(writes: usize, bytes: usize) -> Vec<usize> {
        let most = writes * (bytes + 9 + 5 + 22 * (1 + bytes / (16 << 10)));
        let step = (most / 40).max(1);
        (0..=30).chain((31..most).step_by(step)).chain([most - 1, most, most + 100]).collect()
    }
}

keeps_the_rules!(super::OverTls);
keeps_the_rules_when_wires_fail!(super::OverTls);
