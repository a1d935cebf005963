//! How many puts a second the store takes: `cargo run --release -p notrace-store-replica --example
//! puts -- DIR`. Prints a table; makes and removes folders below DIR.
#![forbid(unsafe_code)]

use std::future::Future;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll, Wake, Waker};
use std::thread::Thread;
use std::time::Duration;

use notrace_store_fabric::loopback::Network;
use notrace_store_objects::Release;
use notrace_store_objects::{
    Command, Condition, Consistency, Kept, Objects, ObjectsConfig, PoolSpec, Retain, Sealed,
    Transport, WrappedKey,
};
use notrace_store_protocol::ids::NodeId;
use notrace_store_protocol::layout::{Mode, Senders, ShardSpec};
use notrace_store_protocol::machine::Durability;
use notrace_store_replica::{
    Clock, Entry, FileStorage, Replica, ReplicaConfig, Replicated, SystemClock, fabric_name,
};

/// How long each line is measured.
const SPAN: Duration = Duration::from_secs(3);
/// Keys in use, so that histories are trimmed and memory stays bounded.
const KEYS: u64 = 4;

type Fault = Box<dyn std::error::Error + Send + Sync>;

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

fn main() -> Result<(), Fault> {
    let dir = std::env::args().nth(1).map(PathBuf::from).ok_or("name a folder")?;
    let mut out = std::io::stdout();
    writeln!(
        out,
        "{:>9} {:>12} {:>7} {:>10} {:>9} {:>9}",
        "bytes", "durability", "senders", "puts/s", "p50 µs", "p99 µs"
    )?;
    for length in [256, 1 << 20] {
        for durability in [Durability::Delivered, Durability::AllDurable] {
            for senders in [1, 16] {
                let folder = dir.join("puts");
                let mut took = measure(&folder, length, durability, senders)?;
                std::fs::remove_dir_all(&folder)?;
                took.sort_unstable();
                let at = |part: usize| took.get(took.len() * part / 100).copied().unwrap_or(0);
                let name = durability.name();
                let rate = took.len() as f64 / SPAN.as_secs_f64();
                let (p50, p99) = (at(50), at(99));
                writeln!(
                    out,
                    "{length:>9} {name:>12} {senders:>7} {rate:>10.0} {p50:>9} {p99:>9}"
                )?;
            }
        }
    }
    Ok(())
}

fn measure(
    dir: &Path,
    length: usize,
    durability: Durability,
    senders: u64,
) -> Result<Vec<u64>, Fault> {
    let beginning = || Objects::new(ObjectsConfig { bytes_max: 64 << 30, ..Default::default() });
    let me = NodeId::new(1).ok_or("a node")?;
    let mut replica = Replica::on(FileStorage::below(dir.to_owned()), ReplicaConfig::new(me));
    let shard = ShardSpec { min: 1, max: 1, senders: Senders::All, mode: Mode::Durable };
    let group = replica.shard(shard, beginning)?;
    let fabric = Network::default().endpoint(&fabric_name(me), &[], 1 << 16);
    let member = replica.start(fabric, SystemClock, Entry::Found, Box::new(|_, _, _| {}))?;
    let spec = PoolSpec {
        retain: Retain::Forever,
        durability,
        kept: Kept::OnDisk,
        consistency: Consistency::Linearizable,
        transport: Transport::Any,
        label: None,
        release: Release::OPEN,
    };
    let create = Command::CreatePool { pool: "bench".parse()?, spec, key_epoch: 1 };
    wait(group.ordered_send(create, durability))?;
    let number = AtomicU64::new(0);
    let took = std::thread::scope(|scope| {
        let senders =
            (0..senders).map(|_| scope.spawn(|| send(&group, length, durability, &number)));
        let senders: Vec<_> = senders.collect();
        let took = senders
            .into_iter()
            .map(|sender| sender.join().map_err(|_| Fault::from("a sender failed"))?);
        took.collect::<Result<Vec<_>, Fault>>()
    })?;
    wait(member.close());
    Ok(took.concat())
}

fn send(
    group: &Replicated<Objects>,
    length: usize,
    durability: Durability,
    number: &AtomicU64,
) -> Result<Vec<u64>, Fault> {
    let mut took = Vec::new();
    // One value for all puts, so that the history costs no memory to speak of.
    let ciphertext: Arc<[u8]> = vec![7; length].into();
    let wrapped_key = WrappedKey::new(&[7; 60]).ok_or("a key")?;
    let begin = SystemClock.elapsed();
    while SystemClock.elapsed() - begin < SPAN {
        let number = number.fetch_add(1, Ordering::Relaxed);
        let mut id = [0; 16];
        id.iter_mut().zip(number.to_le_bytes()).for_each(|(place, byte)| *place = byte);
        let value = Sealed {
            ciphertext: ciphertext.clone(),
            wrapped_key: wrapped_key.clone(),
            key_epoch: 1,
            plain_len: length as u64,
            id,
        };
        let key = format!("key-{}", number % KEYS).parse()?;
        let (pool, condition) = ("bench".parse()?, Condition::Always);
        let put = Command::Put { pool, key, condition, value, session: None };
        let asked = SystemClock.elapsed();
        wait(group.ordered_send(put, durability))?;
        took.push((SystemClock.elapsed() - asked).as_micros() as u64);
    }
    Ok(took)
}
