//! What is measured, of either kind: its processes, the ways in, and clients of it.

use std::net::TcpListener;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use bytes::Bytes;
use hyper::Method;
use notrace_tests_rig::Process;
use notrace_tests_rig::process::processor_time;
use tempfile::TempDir;

use crate::cluster::grpc::{self, Channel};
use crate::cluster::https::{self, Connection};
use crate::cluster::tls;

/// A running system that ends with its value, and takes its files along.
pub(crate) struct System {
    /// The process of each node.
    pub(crate) nodes: Vec<Process>,
    /// The way into each node.
    pub(crate) doors: Vec<Door>,
    // Last, so that the processes are gone before their folder.
    pub(crate) dir: TempDir,
}

/// How a client gets into a node.
#[derive(Clone)]
pub(crate) enum Door {
    /// gRPC, with TLS if there is an authority.
    Etcd {
        /// The client port.
        address: Arc<str>,
        /// The certificate to trust.
        authority: Option<Arc<str>>,
    },
    /// HTTPS.
    Notrace {
        /// The HTTPS port.
        address: Arc<str>,
        /// The certificate to trust.
        authority: Arc<str>,
        /// The owner's token.
        token: Arc<str>,
    },
}

/// One connection of either kind.
pub(crate) enum Client {
    Etcd(Channel),
    Notrace(Connection),
}

/// A watch of either kind.
pub(crate) enum Watch {
    Etcd(grpc::Watch),
    Notrace(https::Watch),
}

impl Door {
    /// Connects.
    pub(crate) async fn open(&self) -> Result<Client> {
        Ok(match self {
            Self::Etcd { address, authority: None } => {
                Client::Etcd(Channel::open(tls::plain(address).await?, address, "http").await?)
            }
            Self::Etcd { address, authority: Some(authority) } => {
                let stream = tls::connect(address, authority, "h2").await?;
                Client::Etcd(Channel::open(stream, address, "https").await?)
            }
            Self::Notrace { address, authority, token } => {
                let stream = tls::connect(address, authority, "http/1.1").await?;
                Client::Notrace(Connection::open(stream, address, token).await?)
            }
        })
    }
}

impl Client {
    /// Puts a value at `PLACE/KEY`; returns the version it got.
    pub(crate) async fn put(&mut self, name: &str, value: Bytes) -> Result<String> {
        match self {
            Self::Etcd(channel) => Ok(channel.put(name, &value).await?.to_string()),
            Self::Notrace(connection) => connection.put(name, value).await,
        }
    }

    /// The value at `PLACE/KEY`, linearizable.
    pub(crate) async fn get(&mut self, name: &str) -> Result<Option<Bytes>> {
        match self {
            Self::Etcd(channel) => channel.get(name).await,
            Self::Notrace(connection) => connection.get(name).await,
        }
    }

    /// Watches `PLACE/KEY`.
    pub(crate) async fn watch(self, name: &str) -> Result<Watch> {
        Ok(match self {
            Self::Etcd(mut channel) => Watch::Etcd(channel.watch(name).await?),
            Self::Notrace(connection) => Watch::Notrace(connection.watch(name).await?),
        })
    }
}

impl Watch {
    /// The version of the next change.
    pub(crate) async fn next(&mut self) -> Result<String> {
        match self {
            Self::Etcd(watch) => Ok(watch.next().await?.to_string()),
            Self::Notrace(watch) => watch.next().await,
        }
    }
}

impl System {
    /// The way into the node that the client of this number talks to.
    pub(crate) fn door(&self, client: usize) -> Result<&Door> {
        self.doors.get(client % self.doors.len().max(1)).context("a system without a node")
    }

    /// Connects to the node that the client of this number talks to.
    pub(crate) async fn open(&self, client: usize) -> Result<Client> {
        self.door(client)?.open().await
    }

    /// Makes a place for keys: a pool; etcd's names need none.
    pub(crate) async fn make(&self, place: &str, durability: &str) -> Result<()> {
        let Client::Notrace(mut connection) = self.open(0).await? else { return Ok(()) };
        let spec = format!("{{\"retain\":\"forever\",\"durability\":\"{durability}\"}}");
        connection.ask(Method::PUT, &format!("/v1/pools/{place}"), spec.into()).await?;
        Ok(())
    }

    /// Removes a place, so that what one load wrote does not fill the store for the next. What is
    /// in etcd stays until the whole cluster goes.
    pub(crate) async fn remove(&self, place: &str) -> Result<()> {
        let Client::Notrace(mut connection) = self.open(0).await? else { return Ok(()) };
        connection
            .ask(Method::DELETE, &format!("/v1/pools/{place}?shred=true"), Bytes::new())
            .await?;
        Ok(())
    }

    /// Processor time that all processes of all nodes have used so far.
    pub(crate) fn processor_time(&self) -> Duration {
        self.nodes.iter().flat_map(Process::tree).map(processor_time).sum()
    }

    /// Whether every node still runs.
    ///
    /// # Errors  One does not.
    pub(crate) fn check_alive(&mut self) -> Result<()> {
        for (at, node) in self.nodes.iter_mut().enumerate() {
            ensure!(node.is_alive(), "node {} ended during the measurement", at + 1);
        }
        Ok(())
    }
}

/// Ports that nobody listened on a moment ago, all different.
pub(crate) fn free_ports(count: usize) -> Result<Vec<u16>> {
    let bound: std::io::Result<Vec<TcpListener>> =
        (0..count).map(|_| TcpListener::bind("127.0.0.1:0")).collect();
    bound?.iter().map(|listener| Ok(listener.local_addr()?.port())).collect()
}
