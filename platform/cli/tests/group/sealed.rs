//! Sealed runs in a group: each member has a key of its own, and a client that turns to another
//! member seals anew.

use std::time::Duration;

use notrace_policy_promise::release::Sizes;
use notrace_sdk_client::run::{Answer, Passage, Run};
use notrace_sdk_client::source::Source;
use notrace_sdk_client::task::TaskRef;
use notrace_sdk_client::wire::Code;
use notrace_sdk_client::{Client, Error, credentials};
use tokio::time::Instant;

use crate::nodes::Group;

fn client(group: &Group, number: usize) -> Client {
    let path = group.folder.path().join(format!("n{number}/client.toml"));
    Client::new(&credentials::read(&path).unwrap()).unwrap()
}

fn echo() -> Run {
    Run {
        declassify: Vec::new(),
        task: TaskRef::Name("echo".parse().unwrap()),
        objects: Vec::new(),
        args: Vec::new(),
        input: Source::bytes("sealed"),
        timeout: None,
        passage: Passage::Sealed,
        sizes: Sizes::Powers,
    }
}

async fn answered(answer: Answer) -> Vec<u8> {
    assert!(answer.request.is_some(), "it was not sealed");
    answer.body.read(100).await.unwrap()
}

/// One run after another on this client. A run that was on its way to a node as that was killed is
/// of unknown outcome, and is not sent again by itself.
async fn run_for(client: &Client, time: Duration) -> (u32, u32) {
    let until = Instant::now() + time;
    let (mut done, mut unknown) = (0, 0);
    while Instant::now() < until {
        match client.run(&echo()).await {
            Ok(answer) => {
                assert_eq!(answered(answer).await, b"sealed");
                done += 1;
            }
            Err(Error::OutcomeUnknown) => unknown += 1,
            // A member compiles a task when it is first asked to run it.
            Err(error) if error.code() == Some(Code::TaskCompiling) => {}
            Err(error) => panic!("a run failed: {error}"),
        }
    }
    (done, unknown)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sealed_run_goes_to_whichever_member_is_left() {
    let mut group = Group::found(3, "");
    let wat = include_str!("../classify.wat");
    std::fs::write(group.folder.path().join("echo.wasm"), wat::parse_str(wat).unwrap()).unwrap();
    group.types(1, "task push echo.wasm --name echo").ended(0);
    // Each member announces a key of its own.
    let mut epochs = Vec::new();
    for number in 1..=3 {
        let node = client(&group, number).node().await.unwrap();
        epochs.push(node.request_key.unwrap().epoch);
    }
    epochs.sort_unstable();
    epochs.dedup();
    assert_eq!(epochs.len(), 3);
    let client = client(&group, 1);
    assert!(run_for(&client, Duration::from_millis(500)).await.0 > 0);
    // Members are learnt beside the first calls; then the one that was asked goes.
    let all_known = async {
        while client.knows_of() < 3 {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(Duration::from_secs(10), all_known).await.unwrap();
    group.kill(1);
    let (done, unknown) = run_for(&client, Duration::from_secs(3)).await;
    assert!(done > 0 && unknown <= 1, "{done} done, {unknown} unknown");
    // It comes back with another key than the client knows of it.
    group.restart(1);
    group.comes_to(1, "status", |ran| ran.exit == 0);
    group.kill(2);
    group.restart(2);
    group.comes_to(2, "status", |ran| ran.exit == 0);
    group.kill(3);
    let (done, unknown) = run_for(&client, Duration::from_secs(3)).await;
    assert!(done > 0 && unknown <= 1, "{done} done, {unknown} unknown");
}
