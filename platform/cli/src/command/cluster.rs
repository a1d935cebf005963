//! `notrace cluster`.

use std::time::Duration;

use notrace_sdk_client::wire::cluster::{ClusterStatus, ShardStatus};

use crate::args::{ClusterCommand, ClusterInvite};
use crate::exit::{Done, Failure, Local};
use crate::say;
use crate::session::Session;

/// How long a token may be good.
const INVITE_SECONDS_MAX: u64 = 24 * 60 * 60;

pub(super) async fn cluster(session: &Session, command: ClusterCommand, json: bool) -> Done {
    match command {
        ClusterCommand::Status(status) if status.watch => loop {
            show(session, json).await?;
            if !json {
                say::line("")?;
            }
            tokio::time::sleep(Duration::from_secs(1)).await;
        },
        ClusterCommand::Status(_) => show(session, json).await,
        ClusterCommand::Invite(invite) => self::invite(session, &invite, json).await,
        ClusterCommand::Leave => {
            let left = session.client.cluster_leave().await;
            left.map_err(|error| session.fail(error))
        }
        ClusterCommand::Forget(forget) => {
            let forgotten = session.client.cluster_forget(forget.node).await;
            forgotten.map_err(|error| session.fail(error))
        }
    }
}

async fn invite(session: &Session, invite: &ClusterInvite, json: bool) -> Done {
    let seconds = invite.good_for.as_secs();
    if !(1..=INVITE_SECONDS_MAX).contains(&seconds) {
        let cause = "a token is good for 1 second to 24 hours";
        return Err(Failure::local(Local::TokenMalformed, cause));
    }
    let invite = session.client.cluster_invite(seconds).await;
    let invite = invite.map_err(|error| session.fail(error))?;
    if json { say::json(&invite) } else { say::line(&invite.token) }
}

async fn show(session: &Session, json: bool) -> Done {
    let status = session.client.cluster().await.map_err(|error| session.fail(error))?;
    if json {
        return say::json(&status);
    }
    say::text(&text(&status))
}

fn text(status: &ClusterStatus) -> String {
    let view = status.view.map_or("none".to_owned(), |view| view.to_string());
    let mut lines = format!(
        "node {} (life {}) · {} · view {view} with {} members\n",
        status.node,
        status.life,
        status.stage,
        status.members.len()
    );
    for member in &status.members {
        let nowhere = "unknown".to_owned();
        lines.push_str(&format!(
            "  node {}  life {}  {}  {}  {}{}\n",
            member.node,
            member.life,
            member.duty,
            member.url.as_ref().unwrap_or(&nowhere),
            member.address.as_ref().unwrap_or(&nowhere),
            if member.suspected { "  suspected" } else { "" }
        ));
    }
    for node in &status.absent {
        lines.push_str(&format!("  absent: node {}  {}  {}\n", node.node, node.url, node.address));
    }
    for shard in &status.shards {
        let members: Vec<String> = shard.members.iter().map(u32::to_string).collect();
        let lag = shard.lag.map_or("?".to_owned(), |lag| lag.to_string());
        lines.push_str(&format!(
            "  shard {} {}  on {}  since view {}  version {}  durable {}  lag {lag}{}{}{}\n",
            shard.shard,
            shard.kind,
            members.join(", "),
            shard.since,
            shard.version,
            shard.durable,
            behind(shard),
            match shard.disk_backlog {
                0 => String::new(),
                bytes => format!("  {bytes} bytes wait for this disk"),
            },
            if shard.fate == "held" { "" } else { "  LOST" }
        ));
    }
    lines
}

/// Whether some member's disk is behind those of a majority.
fn behind(shard: &ShardStatus) -> String {
    match &shard.everywhere {
        Some(everywhere) if *everywhere != shard.durable => format!("  everywhere {everywhere}"),
        _ => String::new(),
    }
}
