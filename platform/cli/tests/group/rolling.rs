//! Several nodes of which each is ended and started again, once in order and once by force, while
//! clients write, read and watch: no call fails, every change is made once, and the watch sees all
//! of them once.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use crate::nodes::Group;
use notrace_policy_promise::name::{ObjectKey, ObjectName, PoolName};
use notrace_sdk_client::object::{At, Condition};
use notrace_sdk_client::source::Source;
use notrace_sdk_client::watch::Watch;
use notrace_sdk_client::wire::cluster::ShardStatus;
use notrace_sdk_client::wire::{Code, Version};
use notrace_sdk_client::{Client, Error, credentials};
use rustix::process::{Pid, Signal, kill_process};
use tokio::sync::watch::Receiver;
use tokio::time::{Instant, timeout};

/// How a group keeps its objects.
#[derive(Clone, Copy)]
struct Shape {
    nodes: usize,
    copies: usize,
    options: &'static str,
}

/// One shard, on every node.
const WHOLE: Shape = Shape { nodes: 3, copies: 3, options: "" };
/// Several, of which every node lacks one.
const DIVIDED: Shape = Shape { nodes: 4, copies: 2, options: "--shards 3 --copies 2" };
const WRITERS: usize = 4;
/// How long a node may take to be what it was.
const BACK_MAX: Duration = Duration::from_secs(20);

fn client(group: &Group, number: usize) -> Client {
    let path = group.folder.path().join(format!("n{number}/client.toml"));
    Client::new(&credentials::read(&path).unwrap()).unwrap()
}

fn pool() -> PoolName {
    "counters".parse().unwrap()
}

fn object(key: &str) -> ObjectName {
    ObjectName { pool: pool(), key: key.parse().unwrap() }
}

/// What only this writer writes.
fn own(number: usize) -> ObjectName {
    object(&format!("of-{number}"))
}

/// A change as the watch told it.
type Seen = (ObjectKey, Version);

/// What one writer did.
struct Done {
    written: u32,
    counted: u32,
}

/// Writes its own object, reads it back, and counts in one that all share, until told to end.
async fn write(client: Client, number: usize, end: Arc<AtomicBool>) -> Result<Done, Error> {
    let (own, shared) = (own(number), object("shared"));
    let mut done = Done { written: 0, counted: 0 };
    while !end.load(Ordering::Relaxed) {
        let value = (done.written + 1).to_string();
        client.put(&own, Source::bytes(value.clone()), Condition::Always).await?;
        done.written += 1;
        assert_eq!(text(&client, &own).await?.0, value);
        done.counted += count(&client, &shared).await?;
    }
    Ok(done)
}

async fn text(client: &Client, name: &ObjectName) -> Result<(String, Option<Version>), Error> {
    let got = client.get(name, At::Now).await?;
    let version = got.head().version;
    Ok((String::from_utf8(got.read(100).await?).unwrap(), version))
}

/// Counts one further, unless another writer was faster.
async fn count(client: &Client, name: &ObjectName) -> Result<u32, Error> {
    let (now, version) = text(client, name).await?;
    let next = (now.parse::<u32>().unwrap() + 1).to_string();
    let condition = Condition::IfVersion(version.unwrap());
    match client.put(name, Source::bytes(next), condition).await {
        Ok(_) => Ok(1),
        Err(error) if error.code() == Some(Code::VersionMismatch) => Ok(0),
        Err(error) => Err(error),
    }
}

/// Sees as many changes as are told there are.
async fn see(mut watch: Watch, mut most: Receiver<usize>) -> Result<Vec<Seen>, Error> {
    let mut seen = Vec::new();
    while seen.len() < *most.borrow() {
        tokio::select! {
            event = watch.next() => {
                let event = event?;
                seen.push((event.key, event.version));
            }
            changed = most.changed() => changed.unwrap(),
        }
    }
    Ok(seen)
}

/// Waits until a node is a member among all the others, and holds all shards.
async fn is_back(client: &Client, shape: Shape) {
    let began = Instant::now();
    loop {
        let status = client.cluster().await;
        let whole = status.as_ref().is_ok_and(|status| {
            let is_held = |shard: &ShardStatus| match shard.kind.as_str() {
                "objects" | "memory" => shard.members.len() == shape.copies,
                _ => shard.members.len() == shape.nodes,
            };
            status.stage == "serving"
                && status.members.len() == shape.nodes
                && status.shards.iter().all(is_held)
        });
        if whole && client.health().await.is_ok() {
            return;
        }
        assert!(began.elapsed() < BACK_MAX, "{status:?}");
        // It changes with the group, not with us.
        tokio::task::yield_now().await;
    }
}

async fn restart_all(group: &mut Group, lookouts: &[Client], shape: Shape) {
    for number in 1..=shape.nodes {
        let child = &mut group.nodes[number - 1].child;
        kill_process(Pid::from_child(child), Signal::TERM).unwrap();
        assert!(child.wait().unwrap().success(), "node {number} did not drain");
        group.restart(number);
        for lookout in lookouts {
            is_back(lookout, shape).await;
        }
        group.kill(number);
        group.restart(number);
        for lookout in lookouts {
            is_back(lookout, shape).await;
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_every_node_fails_no_call() {
    restarts_without_a_failed_call(WHOLE).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_every_node_of_a_divided_group_fails_no_call() {
    restarts_without_a_failed_call(DIVIDED).await;
}

async fn restarts_without_a_failed_call(shape: Shape) {
    let mut group = Group::found(shape.nodes, shape.options);
    group.types(1, "pool create counters --retain 1d").ended(0);
    let (reader, shared) = (client(&group, 1), object("shared"));
    reader.put(&shared, Source::bytes("0"), Condition::Always).await.unwrap();
    let lookouts: Vec<Client> = (1..=shape.nodes).map(|number| client(&group, number)).collect();
    for lookout in &lookouts {
        is_back(lookout, shape).await;
    }
    let watch = client(&group, 2).watch(&pool(), None, None).await.unwrap();
    let (all, most) = tokio::sync::watch::channel(usize::MAX);
    let watcher = tokio::spawn(see(watch, most));
    let end = Arc::new(AtomicBool::new(false));
    let writers: Vec<_> = (0..WRITERS)
        .map(|number| {
            let client = client(&group, number % shape.nodes + 1);
            tokio::spawn(write(client, number, end.clone()))
        })
        .collect();
    restart_all(&mut group, &lookouts, shape).await;
    end.store(true, Ordering::Relaxed);
    let (mut counted, mut expected) = (0, Vec::new());
    for (number, writer) in writers.into_iter().enumerate() {
        let done = writer.await.unwrap().unwrap();
        counted += done.counted;
        expected.push((own(number), done.written));
    }
    assert_eq!(text(&reader, &shared).await.unwrap().0, counted.to_string());
    expected.push((shared, counted));
    all.send_replace(expected.iter().map(|(_, changes)| *changes as usize).sum());
    let seen = timeout(BACK_MAX, watcher).await.unwrap().unwrap().unwrap();
    // A change that was made twice would be two versions, and a lost event one too few.
    for (name, changes) in expected {
        assert!(changes > 0, "nobody wrote {}", name.key);
        let those = seen.iter().filter(|(key, _)| *key == name.key);
        let versions: Vec<Version> = those.map(|(_, version)| *version).collect();
        assert_eq!(versions.len(), changes as usize, "{}", name.key);
        assert!(versions.is_sorted_by(|one, next| one < next), "{}", name.key);
    }
}
