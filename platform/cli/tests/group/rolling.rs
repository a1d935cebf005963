//! Three nodes of which each is ended and started again, once in order and once by force, while
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
use notrace_sdk_client::wire::{Code, Version};
use notrace_sdk_client::{Client, Error, credentials};
use rustix::process::{Pid, Signal, kill_process};
use tokio::time::{Instant, timeout};

const NODES: usize = 3;
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

/// Sees changes until the one of this key, which is written last.
async fn see(mut watch: Watch, last: ObjectKey) -> Result<Vec<(ObjectKey, Version)>, Error> {
    let mut seen = Vec::new();
    loop {
        let event = watch.next().await?;
        let is_last = event.key == last;
        seen.push((event.key, event.version));
        if is_last {
            return Ok(seen);
        }
    }
}

/// Waits until a node is a member among all the others, and holds all shards.
async fn is_back(client: &Client) {
    let began = Instant::now();
    loop {
        let status = client.cluster().await;
        let whole = status.as_ref().is_ok_and(|status| {
            let holds = |members: &[u32]| members.len() == NODES;
            status.stage == "serving"
                && status.members.len() == NODES
                && status.shards.iter().all(|shard| holds(&shard.members))
        });
        if whole && client.health().await.is_ok() {
            return;
        }
        assert!(began.elapsed() < BACK_MAX, "{status:?}");
        // It changes with the group, not with us.
        tokio::task::yield_now().await;
    }
}

async fn restart_all(group: &mut Group, lookouts: &[Client]) {
    for number in 1..=NODES {
        let child = &mut group.nodes[number - 1].child;
        kill_process(Pid::from_child(child), Signal::TERM).unwrap();
        assert!(child.wait().unwrap().success(), "node {number} did not drain");
        group.restart(number);
        for lookout in lookouts {
            is_back(lookout).await;
        }
        group.kill(number);
        group.restart(number);
        for lookout in lookouts {
            is_back(lookout).await;
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_every_node_fails_no_call() {
    let mut group = Group::found(NODES, "");
    group.types(1, "pool create counters --retain 1d").ended(0);
    let (reader, shared, last) = (client(&group, 1), object("shared"), object("last"));
    reader.put(&shared, Source::bytes("0"), Condition::Always).await.unwrap();
    let lookouts: Vec<Client> = (1..=NODES).map(|number| client(&group, number)).collect();
    for lookout in &lookouts {
        is_back(lookout).await;
    }
    let watch = client(&group, 2).watch(&pool(), None, None).await.unwrap();
    let watcher = tokio::spawn(see(watch, last.key.clone()));
    let end = Arc::new(AtomicBool::new(false));
    let writers: Vec<_> = (0..WRITERS)
        .map(|number| {
            let client = client(&group, number % NODES + 1);
            tokio::spawn(write(client, number, end.clone()))
        })
        .collect();
    restart_all(&mut group, &lookouts).await;
    end.store(true, Ordering::Relaxed);
    let (mut counted, mut written) = (0, Vec::new());
    for writer in writers {
        let done = writer.await.unwrap().unwrap();
        counted += done.counted;
        written.push(done.written);
    }
    assert_eq!(text(&reader, &shared).await.unwrap().0, counted.to_string());
    reader.put(&last, Source::bytes("x"), Condition::Always).await.unwrap();
    let seen = timeout(BACK_MAX, watcher).await.unwrap().unwrap().unwrap();
    // A change that was made twice would be two versions, and a lost event one too few.
    let versions_of = |name: &ObjectName| -> Vec<Version> {
        let those = seen.iter().filter(|(key, _)| *key == name.key);
        those.map(|(_, version)| *version).collect()
    };
    let mut expected: Vec<_> =
        (0..).zip(written).map(|(number, written)| (own(number), written)).collect();
    expected.push((shared, counted));
    for (name, changes) in expected {
        assert!(changes > 0, "nobody wrote {}", name.key);
        let versions = versions_of(&name);
        assert_eq!(versions.len(), changes as usize, "{}", name.key);
        assert!(versions.is_sorted_by(|one, next| one < next), "{}", name.key);
    }
}
