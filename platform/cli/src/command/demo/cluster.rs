//! `notrace demo --cluster`: three nodes hold the store together, one is killed, and nothing that
//! was acknowledged is lost.

use std::path::Path;
use std::time::{Duration, Instant};

use notrace_policy_promise::name::{ObjectName, PoolName};
use notrace_sdk_client::Client;
use notrace_sdk_client::object::{At, Condition};
use notrace_sdk_client::source::Source;
use notrace_sdk_client::wire::Code;
use notrace_sdk_client::wire::pool::{Durability, PoolSpec, Retain};

use super::child::Child;
use super::{failed, named, step};
use crate::exit::{Done, Failure, Local};
use crate::session::Session;
use crate::{progress, say};

/// How many nodes there are.
const NODES: usize = 3;
/// How many values are stored, and after how many a node is killed.
const VALUES: usize = 300;
const KILLED_AFTER: usize = 100;
/// How long the group may take to come together.
const PATIENCE: Duration = Duration::from_secs(30);

pub(super) async fn story() -> Done {
    say::line("notrace keeps a store on three nodes together. Watch one of them die.\n")?;
    let folder = tempfile::Builder::new().prefix("notrace-demo-").tempdir();
    let folder = folder.map_err(|error| failed("a folder for the demo", error.kind()))?;
    let shown = progress::waiting("starting three nodes");
    let (mut children, sessions) = start(folder.path()).await?;
    drop(shown);
    step("Three nodes started on this machine. Two joined the first, each with a one-time token.")?;

    let pool: PoolName = named("demo")?;
    let spec = PoolSpec {
        retain: Retain::For(Duration::from_secs(24 * 60 * 60)),
        durability: Some(Durability::MajorityDurable),
        consistency: None,
        transport: None,
        label: None,
        release: None,
    };
    let first = sessions.first().ok_or_else(lacking)?;
    first.client.pool_create(&pool, &spec).await.map_err(|error| first.fail(error))?;
    let told = write_and_kill(&sessions, &mut children).await?;
    step(&format!(
        "{VALUES} values were stored through the other two nodes. After {KILLED_AFTER} of them \
        the first node was killed with SIGKILL; the longest wait for one value was {} ms, and \
        none failed.",
        told.as_millis()
    ))?;
    let shown = progress::waiting("starting the killed node again");
    let again = Child::start(&folder.path().join("n1"), &["--cluster", "127.0.0.1:0"]).await?;
    let mut back = Session::at(&folder.path().join("n1").join("client.toml"))?;
    back.client = back.client.alone();
    whole(&back).await?;
    drop(shown);
    check(&back).await?;
    step(&format!("It was started again, caught up, and answers all {VALUES} values itself."))?;
    shred(&back, &sessions).await?;
    again.end().await?;
    for child in children.into_iter().skip(1) {
        child.end().await?;
    }
    folder.close().map_err(|error| failed("the demo's folder, to remove it", error.kind()))?;
    step("The nodes were told to stop, and the demo's folder was removed. Nothing is left.")?;
    say::line("\nYour turn: `notrace serve --dir ./one --cluster 127.0.0.1:7543`, then")?;
    say::line("`notrace cluster invite`; `notrace serve --help` shows how a second node joins.")
}

/// Starts the nodes; a session for each.
async fn start(folder: &Path) -> Result<(Vec<Child>, Vec<Session>), Failure> {
    let cluster = ["--cluster", "127.0.0.1:0"];
    let mut children = vec![Child::start(&folder.join("n1"), &cluster).await?];
    let credentials = folder.join("n1").join("client.toml");
    let founder = Session::at(&credentials)?;
    let at = founder.client.url().trim_start_matches("https://").to_owned();
    for number in 2..=NODES {
        let invite = founder.client.cluster_invite(60).await;
        let token = invite.map_err(|error| founder.fail(error))?.token;
        let args = [&cluster[..], &["--join", &at, "--token", &token]].concat();
        children.push(Child::start(&folder.join(format!("n{number}")), &args).await?);
    }
    let urls = whole(&founder).await?;
    let mut sessions = Vec::new();
    for url in urls {
        let mut other = Session::at(&credentials)?;
        other.credentials.url = url;
        let client = Client::new(&other.credentials);
        // What the story says of a node, that node is asked, and no other in its place.
        other.client = client.map_err(|error| other.fail(error))?.alone();
        sessions.push(other);
    }
    Ok((children, sessions))
}

/// Waits until all nodes hold the objects; where clients find them, by number.
async fn whole(session: &Session) -> Result<Vec<String>, Failure> {
    let look = async {
        loop {
            let status = session.client.cluster().await.map_err(|error| session.fail(error))?;
            let mut members = status.members;
            members.sort_by_key(|member| member.node);
            let urls: Vec<String> = members.into_iter().filter_map(|member| member.url).collect();
            let held = status.shards.iter().all(|shard| shard.members.len() == NODES);
            if held && urls.len() == NODES && urls.iter().all(|url| !url.ends_with(":0")) {
                return Ok(urls);
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    let seen = tokio::time::timeout(PATIENCE, look).await;
    seen.unwrap_or_else(|_| Err(Failure::local(Local::DemoFailed, "the nodes do not meet")))
}

/// Stores values through all nodes but the first, and kills that one on the way; the longest wait.
async fn write_and_kill(sessions: &[Session], children: &mut [Child]) -> Result<Duration, Failure> {
    let mut longest = Duration::ZERO;
    for number in 0..VALUES {
        if number == KILLED_AFTER {
            children.first_mut().ok_or_else(lacking)?.kill();
        }
        let session = sessions.get(1 + number % (NODES - 1)).ok_or_else(lacking)?;
        let begun = now();
        let put = session.client.put(&name(number)?, value(number), Condition::Always).await;
        put.map_err(|error| session.fail(error))?;
        longest = longest.max(begun.elapsed());
    }
    Ok(longest)
}

async fn check(session: &Session) -> Done {
    for number in 0..VALUES {
        let got = session.client.get(&name(number)?, At::Now).await;
        let mut bytes = Vec::new();
        let got = got.map_err(|error| session.fail(error))?;
        got.write_to(&mut bytes).await.map_err(|error| session.fail(error))?;
        if bytes != text(number).as_bytes() {
            return Err(Failure::local(Local::DemoFailed, "a value is not what was stored"));
        }
    }
    Ok(())
}

async fn shred(back: &Session, sessions: &[Session]) -> Done {
    let name = name(0)?;
    let shredded = back.client.shred(&name).await.map_err(|error| back.fail(error))?;
    for session in sessions.iter().skip(1).chain([back]) {
        match session.client.get(&name, At::Now).await {
            Err(error) if error.code() == Some(Code::ObjectShredded) => {}
            Err(error) => return Err(session.fail(error)),
            Ok(_) => return Err(Failure::local(Local::DemoFailed, "a shredded object was read")),
        }
    }
    step(&format!(
        "One value was shredded: {} nodes destroyed its keys before the answer came, and each \
        of them answers 410 Gone.",
        shredded.replicas
    ))
}

#[expect(clippy::disallowed_methods, reason = "a demo tells how long things took")]
fn now() -> Instant {
    Instant::now()
}

fn name(number: usize) -> Result<ObjectName, Failure> {
    named(&format!("demo/value-{number:03}"))
}

fn text(number: usize) -> String {
    format!("the value of number {number}")
}

fn value(number: usize) -> Source {
    Source::bytes(text(number).into_bytes())
}

fn lacking() -> Failure {
    Failure::local(Local::DemoFailed, "a node is missing")
}
