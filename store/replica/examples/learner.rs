//! What those who serve feel of one who catches up: `cargo run --release -p notrace-store-replica
//! --example learner -- DIR MIB BYTES`. Two members hold MIB of objects of BYTES each; a third
//! joins, and meanwhile one sender puts one object after the other. Prints how long its puts took
//! before, during and after, and beside a checkpoint. Makes and removes folders below DIR.
#![forbid(unsafe_code)]

use std::future::Future;
use std::io::Write;
use std::path::Path;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, Wake, Waker};
use std::thread::Thread;
use std::time::Duration;

use notrace_store_fabric::limits::REGION_BYTES_DEFAULT;
use notrace_store_fabric::loopback::Network;
use notrace_store_objects::Release;
use notrace_store_objects::{
    Command, Condition, Consistency, Kept, Objects, ObjectsConfig, PoolSpec, Retain, Sealed,
    Transport, WrappedKey,
};
use notrace_store_protocol::ids::NodeId;
use notrace_store_protocol::layout::{Mode, Senders, ShardSpec};
use notrace_store_protocol::machine::Durability::{self, Delivered, MajorityDurable};
use notrace_store_replica::{
    Clock, Entry, FileStorage, Member, Replica, ReplicaConfig, Replicated, SystemClock, fabric_name,
};

/// How long is measured where nothing else says it.
const SPAN: Duration = Duration::from_secs(5);
const FILLERS: u64 = 64;

type Fault = Box<dyn std::error::Error + Send + Sync>;
type Shelf = Replicated<Objects>;

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

fn start(dir: &Path, network: &Network, number: u32) -> Result<(Shelf, Member), Fault> {
    let node = |number| NodeId::new(number).ok_or("a node");
    let beginning = || Objects::new(ObjectsConfig { bytes_max: 64 << 30, ..Default::default() });
    let storage = FileStorage::below(dir.join(format!("node-{number}")));
    let mut replica = Replica::on(storage, ReplicaConfig::new(node(number)?));
    let shard = ShardSpec { min: 1, max: 3, senders: Senders::All, mode: Mode::Durable };
    let shelf = replica.shard(shard, beginning)?;
    let fabric = network.endpoint(&fabric_name(node(number)?), &[], REGION_BYTES_DEFAULT);
    let mut contacts = Vec::new();
    for other in 1..number {
        contacts.push((node(other)?, fabric_name(node(other)?)));
    }
    let member =
        replica.start(fabric, SystemClock, Entry::Join(contacts), Box::new(|_, _, _| {}))?;
    Ok((shelf, member))
}

/// Waits until so many hold the shard, and this member does.
fn hold(member: &Member, count: usize) {
    wait(member.when(|status| {
        let view = status.view.as_ref().and_then(|view| view.shards.first());
        status.shards.first().is_some_and(|shard| shard.holds)
            && view.is_some_and(|shard| shard.members.len() == count)
    }));
}

fn put(shelf: &Shelf, key: &str, length: usize, durability: Durability) -> Result<u64, Fault> {
    let ciphertext: Arc<[u8]> = vec![7; length].into();
    let wrapped_key = WrappedKey::new(&[7; 60]).ok_or("a key")?;
    let (plain_len, key_epoch) = (length as u64, 1);
    let value = Sealed { ciphertext, wrapped_key, key_epoch, plain_len, id: [1; 16] };
    let (pool, key, condition) = ("bench".parse()?, key.parse()?, Condition::Always);
    let put = Command::Put { pool, key, condition, value, session: None };
    let asked = SystemClock.elapsed();
    wait(shelf.ordered_send(put, durability))?;
    Ok((SystemClock.elapsed() - asked).as_micros() as u64)
}

fn fill(shelf: &Shelf, objects: u64, length: usize) -> Result<(), Fault> {
    std::thread::scope(|scope| {
        let fillers = (0..FILLERS).map(|filler| {
            scope.spawn(move || {
                let own = (filler..objects).step_by(FILLERS as usize);
                own.map(|number| put(shelf, &format!("filler-{number}"), length, Delivered))
                    .try_for_each(|put| put.map(drop))
            })
        });
        let fillers: Vec<_> = fillers.collect();
        fillers.into_iter().try_for_each(|it| it.join().map_err(|_| "a filler failed")?)
    })
}

/// Puts until `over`, and tells how long that took.
fn measure(
    what: &str,
    shelf: &Shelf,
    over: impl FnOnce() -> Result<(), Fault> + Send,
) -> Result<(), Fault> {
    let is_over = AtomicBool::new(false);
    let (begin, mut took) = (SystemClock.elapsed(), Vec::new());
    std::thread::scope(|scope| {
        let until = scope.spawn(|| {
            let done = over();
            is_over.store(true, Ordering::Relaxed);
            done
        });
        while !is_over.load(Ordering::Relaxed) {
            took.push(put(shelf, "one", 1000, MajorityDurable)?);
        }
        until.join().map_err(|_| "what was waited for failed")?
    })?;
    let span = SystemClock.elapsed() - begin;
    took.sort_unstable();
    let at = |part: usize| took.get(took.len() * part / 1000).copied().unwrap_or(0);
    let longest = took.last().copied().unwrap_or(0);
    writeln!(
        std::io::stdout(),
        "{what:>12} {:>6.1} s {:>8} puts  p50 {:>6}  p99 {:>6}  p99.9 {:>7}  max {longest:>7} µs",
        span.as_secs_f64(),
        took.len(),
        at(500),
        at(990),
        at(999),
    )?;
    Ok(())
}

fn main() -> Result<(), Fault> {
    let mut said = std::env::args().skip(1);
    let mut next = || said.next().ok_or("say DIR MIB BYTES");
    let dir = Path::new(&next()?).join("learner");
    let (mib, length) = (next()?.parse::<u64>()?, next()?.parse::<usize>()?);
    let network = Network::default();
    let (shelf, one) = start(&dir, &network, 1)?;
    let (_second, two) = start(&dir, &network, 2)?;
    hold(&two, 2);
    let spec = PoolSpec {
        retain: Retain::Forever,
        durability: Delivered,
        kept: Kept::OnDisk,
        consistency: Consistency::Linearizable,
        transport: Transport::Any,
        label: None,
        release: Release::OPEN,
    };
    let create = Command::CreatePool { pool: "bench".parse()?, spec, key_epoch: 1 };
    wait(shelf.ordered_send(create, MajorityDurable))?;
    fill(&shelf, (mib << 20) / length as u64, length)?;
    let pause = || {
        std::thread::sleep(SPAN);
        Ok(())
    };
    measure("before", &shelf, pause)?;
    measure("a checkpoint", &shelf, || Ok(wait(shelf.checkpoint())?))?;
    measure("between", &shelf, pause)?;
    let mut third = None;
    measure("catching up", &shelf, || {
        let (shelf, member) = start(&dir, &network, 3)?;
        hold(&member, 3);
        third = Some((shelf, member));
        Ok(())
    })?;
    measure("after", &shelf, pause)?;
    for member in [Some(one), Some(two), third.map(|(_, member)| member)].into_iter().flatten() {
        wait(member.close());
    }
    std::fs::remove_dir_all(&dir)?;
    Ok(())
}
