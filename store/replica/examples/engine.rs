//! What the engine itself carries: `cargo run --release -p notrace-store-replica --example engine`.
//! Three members in one process order updates in memory, over each fabric, from one sender and from
//! all. Prints a table.
//!
//! `-- --fabric loopback|tcp|libfabric` measures one fabric alone, and `--provider tcp|shm` says
//! what libfabric goes over; `--features libfabric` has to come before the two dashes for that.
#![forbid(unsafe_code)]

use std::collections::VecDeque;
use std::future::Future;
use std::io::Write;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll, Wake, Waker};
use std::thread::Thread;
use std::time::Duration;

use notrace_store_fabric::Fabric;
#[cfg(feature = "libfabric")]
use notrace_store_fabric::libfabric::{Libfabric, LibfabricConfig, Provider};
use notrace_store_fabric::limits::REGION_BYTES_DEFAULT;
use notrace_store_fabric::loopback::Network;
use notrace_store_fabric::tcp::{Tcp, TcpConfig, TcpIdentity};
use notrace_store_protocol::ids::NodeId;
use notrace_store_protocol::layout::{Mode, Senders, ShardSpec};
use notrace_store_protocol::machine::{Durability, Machine, Malformed, Place};
use notrace_store_replica::{
    Clock, Entry, FileStorage, Member, Replica, ReplicaConfig, Replicated, SystemClock, fabric_name,
};
use rcgen::{
    BasicConstraints, CertificateParams, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    KeyUsagePurpose,
};
use rustls::pki_types::PrivateKeyDer;

/// How long each line is measured, and what runs before.
const SPAN: Duration = Duration::from_secs(2);
const WARM_UP: Duration = Duration::from_millis(300);
const MEMBERS: u32 = 3;

type Fault = Box<dyn std::error::Error + Send + Sync>;

/// Counts what it is told.
#[derive(Default)]
struct Count(u64);

impl Machine for Count {
    type Command = Vec<u8>;
    type Reply = u64;

    fn encode(command: &Vec<u8>) -> Vec<u8> {
        command.clone()
    }

    fn decode(bytes: &[u8]) -> Result<Vec<u8>, Malformed> {
        Ok(bytes.get(..1).unwrap_or_default().to_vec())
    }

    fn apply(&mut self, _: Place, _: Vec<u8>) -> u64 {
        self.0 += 1;
        self.0
    }

    fn snapshot(&self) -> Vec<u8> {
        self.0.to_le_bytes().to_vec()
    }

    fn restore(bytes: &[u8]) -> Result<Self, Malformed> {
        bytes.first_chunk().map(|bytes| Self(u64::from_le_bytes(*bytes))).ok_or(Malformed)
    }
}

struct Unpark(Thread);

impl Wake for Unpark {
    fn wake(self: Arc<Self>) {
        self.0.unpark();
    }
}

fn wait<T>(future: impl Future<Output = T>) -> T {
    let waker = Waker::from(Arc::new(Unpark(std::thread::current())));
    let mut future = pin!(future);
    loop {
        match future.as_mut().poll(&mut Context::from_waker(&waker)) {
            Poll::Ready(value) => return value,
            Poll::Pending => std::thread::park(),
        }
    }
}

/// A group of three whose shard is in memory.
struct Group {
    members: Vec<(Replicated<Count>, Member)>,
    _folder: tempfile::TempDir,
}

fn node(number: u32) -> Result<NodeId, Fault> {
    NodeId::new(number).ok_or_else(|| "a node".into())
}

fn group<F: Fabric>(mut fabrics: Vec<(F, String)>) -> Result<Group, Fault> {
    let folder = tempfile::tempdir()?;
    let addresses: Vec<String> = fabrics.iter().map(|(_, address)| address.clone()).collect();
    let mut members = Vec::new();
    for (number, (fabric, _)) in (1..).zip(fabrics.drain(..)) {
        let storage = FileStorage::below(folder.path().join(format!("{number}")));
        let mut replica = Replica::on(storage, ReplicaConfig::new(node(number)?));
        let spec = ShardSpec { min: 1, max: 3, senders: Senders::All, mode: Mode::Volatile };
        let count = replica.shard(spec, Count::default)?;
        let others = (1..number).zip(&addresses).map(|(other, at)| Ok((node(other)?, at.clone())));
        let others = others.collect::<Result<Vec<_>, Fault>>()?;
        let member =
            replica.start(fabric, SystemClock, Entry::Join(others), Box::new(|_, _, _| {}))?;
        members.push((count, member));
    }
    for (_, member) in &members {
        let whole = member.when(|status| {
            let held = |view: &notrace_store_protocol::view::View| {
                view.shards.iter().all(|shard| shard.members.len() == MEMBERS as usize)
            };
            status.view.as_deref().is_some_and(held) && status.shards.iter().all(|it| it.holds)
        });
        wait(whole).ok_or("the members do not meet")?;
    }
    Ok(Group { members, _folder: folder })
}

fn loopback() -> Result<Group, Fault> {
    let network = Network::default();
    let fabrics = (1..=MEMBERS).map(|number| {
        let name = fabric_name(node(number)?);
        Ok((network.endpoint(&name, &[], REGION_BYTES_DEFAULT), name))
    });
    group(fabrics.collect::<Result<_, Fault>>()?)
}

/// Who the three are.
fn identities() -> Result<Vec<TcpIdentity>, Fault> {
    let mut params = CertificateParams::default();
    params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::DigitalSignature];
    let key = KeyPair::generate()?;
    let authority = params.self_signed(&key)?.der().clone();
    let issuer = Issuer::new(params, key);
    let identities = (1..=MEMBERS).map(|number| {
        let name = format!("{}.bench", fabric_name(node(number)?));
        let mut params = CertificateParams::new(vec![name])?;
        params.use_authority_key_identifier_extension = true;
        params.extended_key_usages =
            vec![ExtendedKeyUsagePurpose::ServerAuth, ExtendedKeyUsagePurpose::ClientAuth];
        let key = KeyPair::generate()?;
        let certificate = params.signed_by(&key, &issuer)?;
        Ok(TcpIdentity {
            certificates: vec![certificate.der().clone()],
            key: PrivateKeyDer::try_from(key.serialize_der())?,
            authority: authority.clone(),
            group: "bench".to_owned(),
        })
    });
    identities.collect()
}

fn tcp() -> Result<Group, Fault> {
    let fabrics = identities()?.into_iter().map(|identity| {
        let (listen, region_bytes) = ("127.0.0.1:0".parse()?, REGION_BYTES_DEFAULT);
        let fabric = Tcp::open(TcpConfig { listen, hello: Vec::new(), region_bytes, identity })?;
        let address = fabric.local_addr().to_string();
        Ok((fabric, address))
    });
    group(fabrics.collect::<Result<_, Fault>>()?)
}

#[cfg(feature = "libfabric")]
fn libfabric(provider: &str) -> Result<Group, Fault> {
    let provider = match provider {
        "tcp" => Provider::Tcp,
        "shm" => Provider::Shm,
        _ => return Err("the provider is tcp or shm".into()),
    };
    let fabrics = identities()?.into_iter().map(|identity| {
        let (listen, region_bytes) = ("127.0.0.1:0".parse()?, REGION_BYTES_DEFAULT);
        let (card, reached_at, hello) = (None, None, Vec::new());
        let config =
            LibfabricConfig { provider, listen, card, reached_at, hello, region_bytes, identity };
        let fabric = Libfabric::open(config)?;
        let address = fabric.local_addr().to_string();
        Ok((fabric, address))
    });
    group(fabrics.collect::<Result<_, Fault>>()?)
}

#[cfg(not(feature = "libfabric"))]
fn libfabric(_: &str) -> Result<Group, Fault> {
    Err("this was built without --features libfabric".into())
}

/// What one sender measured: how many were answered, and how long each took, microseconds.
fn send(shard: &Replicated<Count>, bytes: usize, under_way: usize) -> Result<Vec<u64>, Fault> {
    type Sent = Pin<Box<dyn Future<Output = Result<(), notrace_store_replica::SendError>>>>;
    let mut open: VecDeque<(Duration, Sent)> = VecDeque::new();
    let mut took = Vec::new();
    let begin = SystemClock.elapsed();
    loop {
        let now = SystemClock.elapsed();
        if now - begin > WARM_UP + SPAN {
            break;
        }
        while open.len() < under_way {
            let shard = shard.clone();
            let command = vec![7; bytes];
            let mut sent: Sent = Box::pin(async move {
                shard.ordered_send(command, Durability::Delivered).await.map(drop)
            });
            let at = SystemClock.elapsed();
            // Polled once, it is on its way.
            match sent.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
                Poll::Ready(done) => done?,
                Poll::Pending => open.push_back((at, sent)),
            }
        }
        if let Some((at, sent)) = open.pop_front() {
            wait(sent)?;
            if at - begin > WARM_UP {
                took.push((SystemClock.elapsed() - at).as_micros() as u64);
            }
        }
    }
    open.into_iter().try_for_each(|(_, sent)| wait(sent))?;
    Ok(took)
}

/// The fabrics to measure: a name for the table, what opens it, and over what.
fn wanted(words: &[String]) -> Result<Vec<(String, String)>, Fault> {
    let (mut only, mut provider) = (None, "tcp".to_owned());
    for option in words.chunks(2) {
        match option {
            [name, value] if name == "--fabric" => only = Some(value.clone()),
            [name, value] if name == "--provider" => provider.clone_from(value),
            _ => return Err("--fabric loopback|tcp|libfabric and --provider tcp|shm".into()),
        }
    }
    let fabrics = match only {
        Some(fabric) => vec![(fabric, provider)],
        None if cfg!(feature = "libfabric") => {
            let all = [("loopback", ""), ("tcp", ""), ("libfabric", "tcp"), ("libfabric", "shm")];
            all.map(|(fabric, over)| (fabric.to_owned(), over.to_owned())).to_vec()
        }
        None => ["loopback", "tcp"].map(|fabric| (fabric.to_owned(), String::new())).to_vec(),
    };
    Ok(fabrics)
}

/// One line of the table.
fn measure(group: &Group, name: &str, senders: usize, line: (usize, usize)) -> Result<(), Fault> {
    let (bytes, under_way) = line;
    let took = std::thread::scope(|scope| {
        let senders: Vec<_> = group
            .members
            .iter()
            .take(senders)
            .map(|(shard, _)| scope.spawn(move || send(shard, bytes, under_way)))
            .collect();
        let took = senders
            .into_iter()
            .map(|sender| sender.join().map_err(|_| Fault::from("a sender failed"))?);
        took.collect::<Result<Vec<_>, Fault>>()
    })?;
    let mut took = took.concat();
    took.sort_unstable();
    let at = |part: usize| took.get(took.len() * part / 100).copied().unwrap_or(0);
    let rate = took.len() as f64 / SPAN.as_secs_f64();
    let mega = rate * bytes as f64 / 1e6;
    let (p50, p99) = (at(50), at(99));
    let mut out = std::io::stdout();
    writeln!(
        out,
        "| {name} | {senders} | {bytes} | {under_way} | {rate:.0} | {mega:.0} | {p50} | {p99} |"
    )?;
    Ok(())
}

fn main() -> Result<(), Fault> {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let wanted = wanted(&words)?;
    let mut out = std::io::stdout();
    writeln!(out, "| fabric | senders | bytes | under way | 1/s | MB/s | p50 µs | p99 µs |")?;
    writeln!(out, "|---|---:|---:|---:|---:|---:|---:|---:|")?;
    for (fabric, provider) in wanted {
        let (name, group) = match fabric.as_str() {
            "loopback" => (fabric, loopback()?),
            "tcp" => (fabric, tcp()?),
            "libfabric" => (format!("{fabric}, {provider}"), libfabric(&provider)?),
            _ => return Err("the fabric is loopback, tcp or libfabric".into()),
        };
        for senders in [1, MEMBERS as usize] {
            for line in [(100, 1), (10 << 10, 1), (1 << 20, 1)] {
                measure(&group, &name, senders, line)?;
            }
            for line in [(100, 512), (1 << 10, 512), (10 << 10, 256), (1 << 20, 16)] {
                measure(&group, &name, senders, line)?;
            }
        }
        for (_, member) in &group.members {
            wait(member.close());
        }
    }
    Ok(())
}
