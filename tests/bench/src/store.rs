//! Puts and gets of small and large values at each durability.

use anyhow::Result;
use bytes::Bytes;

use crate::table::Table;
use crate::{ROUND, ROUNDS, load};
use notrace_tests_rig::Node;

pub(crate) async fn measure(table: &mut Table) -> Result<()> {
    for durability in ["delivered", "majority_durable", "all_durable"] {
        for (name, size) in [("256 B", 256), ("1 MiB", 1 << 20)] {
            for connections in [1, 16] {
                measure_one(table, durability, name, size, connections).await?;
            }
        }
    }
    Ok(())
}

async fn measure_one(
    table: &mut Table,
    durability: &'static str,
    name: &str,
    size: usize,
    connections: usize,
) -> Result<()> {
    // A node of its own, so that every measurement begins with an empty store.
    let node = Node::start().await?;
    let mut links = Vec::new();
    for _ in 0..connections {
        links.push(node.link().await?);
    }
    let spec = format!("{{\"retain\":\"forever\",\"durability\":\"{durability}\"}}");
    let json = [("content-type", "application/json")];
    if let Some(link) = links.first_mut() {
        link.ask_ok("PUT", "/v1/pools/bench", &json, spec.into()).await?;
    }
    let value = Bytes::from(vec![b'x'; size]);
    // The same few keys again and again, so that the history's bound keeps the store small.
    let path = |number: usize| format!("/v1/objects/bench/key-{}", number % 7);
    let length = ROUND / 3;
    let (mut puts, mut put_p50, mut gets, mut get_p50) = (vec![], vec![], vec![], vec![]);
    for _ in 0..ROUNDS.min(3) {
        let value = value.clone();
        let round = load::round(&mut links, length, async move |link, number| {
            link.ask_ok("PUT", &path(number), &[], value.clone()).await.map(drop)
        });
        let round = round.await?;
        puts.push(round.per_second);
        put_p50.push(round.p50_us);
        let round = load::round(&mut links, length, async move |link, number| {
            link.ask_ok("GET", &path(number), &[], Bytes::new()).await.map(drop)
        });
        let round = round.await?;
        gets.push(round.per_second);
        get_p50.push(round.p50_us);
    }
    let what = format!("{name}, {durability}, {connections} connections");
    table.add(format!("put {what}"), "1/s", puts);
    table.add(format!("put {what}: p50"), "µs", put_p50);
    if durability == "all_durable" {
        table.add(format!("get {name}, {connections} connections"), "1/s", gets);
        table.add(format!("get {name}, {connections} connections: p50"), "µs", get_p50);
    }
    Ok(())
}
