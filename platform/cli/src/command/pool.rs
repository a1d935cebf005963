//! `notrace pool`.

use notrace_sdk_client::wire::pool::{Pool, PoolList, PoolSpec, Release, ReleaseSpec};

use crate::args::{PoolCreate, PoolNamed};
use crate::exit::Done;
use crate::say;
use crate::session::Session;

pub(super) async fn create(session: &Session, create: PoolCreate, json: bool) -> Done {
    let PoolCreate { name, retain, durability, consistency, transport, label, .. } = create;
    let PoolCreate { sizes, times, failures, .. } = create;
    let release = Some(ReleaseSpec { sizes, times, failures });
    let spec = PoolSpec { retain, durability, consistency, transport, label, release };
    let pool = session.client.pool_create(&name, &spec).await;
    let pool = pool.map_err(|error| session.fail(error))?;
    if json { say::json(&pool) } else { say::table(&[row(&pool)]) }
}

pub(super) async fn list(session: &Session, json: bool) -> Done {
    let pools = session.client.pools().await.map_err(|error| session.fail(error))?;
    if json {
        return say::json(&PoolList { pools });
    }
    say::table(&pools.iter().map(row).collect::<Vec<_>>())
}

pub(super) async fn show(session: &Session, named: &PoolNamed, json: bool) -> Done {
    let pool = session.client.pool(&named.name).await.map_err(|error| session.fail(error))?;
    if json {
        return say::json(&pool);
    }
    say::table(&[
        ["pool".to_owned(), pool.name.to_string()],
        ["retain".to_owned(), pool.retain.to_string()],
        ["durability".to_owned(), pool.durability.to_string()],
        ["consistency".to_owned(), pool.consistency.to_string()],
        ["transport".to_owned(), pool.transport.to_string()],
        ["label".to_owned(), pool.label.map_or("none".to_owned(), |label| label.to_string())],
        ["release".to_owned(), release(pool.release)],
        ["created".to_owned(), format!("version {}  {}", pool.created, pool.time)],
        ["objects".to_owned(), say::grouped(pool.objects)],
        ["size".to_owned(), say::counted(pool.size_bytes, "byte")],
    ])
}

pub(super) async fn shred(session: &Session, named: &PoolNamed, json: bool) -> Done {
    let receipt = session.client.pool_shred(&named.name).await;
    let receipt = receipt.map_err(|error| session.fail(error))?;
    if json { say::json(&receipt) } else { say::line(super::object::shredded(&receipt)) }
}

fn release(Release { sizes, times, failures }: Release) -> String {
    format!("sizes {sizes}, times {times}, failures {failures}")
}

fn row(pool: &Pool) -> [String; 7] {
    let label = pool.label.as_ref().map_or("none", |label| label.as_str());
    [
        pool.name.to_string(),
        format!("retain {}", pool.retain),
        format!("durability {}", pool.durability),
        format!("consistency {}", pool.consistency),
        format!("transport {}", pool.transport),
        format!("label {label}"),
        format!("release {}/{}/{}", pool.release.sizes, pool.release.times, pool.release.failures),
    ]
}
